//! What a purge did, as JSON.

use serde::{Serialize, Serializer, ser::SerializeMap as _};

use super::Subject;
use crate::cache::invalidation::Mode;

/// What a purge did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PurgeAnswer {
    /// Whether this node obeys it from now on.
    pub success: bool,
    /// What was purged, in the words of the request, with names as they are compared.
    pub scope: Subject,
    /// What became of it.
    pub mode: Mode,
    /// Where it took effect.
    pub applied: Applied,
    /// Which nodes obey it.
    pub nodes: NodeAnswers,
    /// How many responses were fetched anew.
    pub refreshed: usize,
}

/// Where a purge took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// On this node, for what it reads from either tier.
    pub memory: bool,
    /// For the other nodes.
    pub redis: RedisOutcome,
}

/// Whether the other nodes were told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RedisOutcome {
    /// They were.
    Published,
    /// They will be, once Redis answers.
    Queued,
    /// There is no Redis.
    Off,
}

/// Nodes by what they answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NodeAnswers {
    /// Nodes that said in time that they obey.
    pub confirmed: Vec<String>,
    /// Nodes known to be there that did not.
    pub pending: Vec<String>,
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Urls(urls) => map.serialize_entry("urls", urls)?,
            Self::Pattern(glob) => map.serialize_entry("pattern", glob.text())?,
            Self::Tags(tags) => map.serialize_entry("tags", tags)?,
            Self::Route(route) => map.serialize_entry("route", route)?,
            Self::All => map.serialize_entry("all", &true)?,
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::purge::PurgeRequest;

    #[test]
    fn an_answer_repeats_the_request_and_says_what_came_of_it() {
        let request = PurgeRequest::from_json(br#"{"url":"https://A.org:443/x","mode":"soft"}"#).unwrap();
        let answer = PurgeAnswer {
            success: true,
            scope: request.subject,
            mode: request.mode,
            applied: Applied { memory: true, redis: RedisOutcome::Published },
            nodes: NodeAnswers { confirmed: vec!["a".into()], pending: vec!["b".into()] },
            refreshed: 0,
        };
        let expected = concat!(
            r#"{"success":true,"scope":{"urls":["a.org/x"]},"mode":"soft","#,
            r#""applied":{"memory":true,"redis":"published"},"#,
            r#""nodes":{"confirmed":["a"],"pending":["b"]},"refreshed":0}"#,
        );
        assert_eq!(serde_json::to_string(&answer).unwrap(), expected);
    }

    #[test]
    fn a_scope_reads_back_as_a_request() {
        for body in [
            r#"{"urls":["https://a.org/x?y"]}"#,
            r#"{"pattern":"/x/**"}"#,
            r#"{"tags":["a","b"]}"#,
            r#"{"route":"r"}"#,
            r#"{"all":true}"#,
        ] {
            let request = PurgeRequest::from_json(body.as_bytes()).unwrap();
            let scope = serde_json::to_string(&request.subject).unwrap();
            assert_eq!(scope, body.replace("https://", ""));
        }
    }
}
