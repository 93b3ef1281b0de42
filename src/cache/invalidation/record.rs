//! One invalidation, and its form on the way between nodes.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Glob;
use crate::cache::{entry::Stamp, key::Tag};

/// Bytes of the longest message. A thousand records, the most of one purge, fit.
pub const MAX_MESSAGE: usize = 256 * 1024;
/// Records that fit into one message, whatever they are of but patterns.
pub const MAX_RECORDS: usize = 1000;

/// The version of the form on the way.
const VERSION: u64 = 1;

/// What is invalidated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every entry that bears the tag.
    Tag(Tag),
    /// All variants of one URL, hashed.
    Url(Tag),
    /// Everything of one route, its name hashed.
    Route(Tag),
    /// Everything with such a host and path.
    Pattern(Glob),
    /// Everything.
    All,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It is not served any more.
    #[default]
    Hard,
    /// It is stale.
    Soft,
    /// It is stale, and what can be named is fetched anew at once. The log makes no
    /// difference between this and [`Mode::Soft`].
    Refresh,
}

/// One invalidation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What is invalidated.
    pub scope: Scope,
    /// What becomes of it.
    pub mode: Mode,
    /// When, by the clock that all nodes share.
    pub at: Stamp,
}

/// Why a message says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unreadable {
    /// More than [`MAX_MESSAGE`] bytes.
    #[error("an invalidation message of more than {MAX_MESSAGE} bytes")]
    TooLong,
    /// Of another version of nilegate.
    #[error("an invalidation message of version {0}")]
    Version(u64),
    /// Not a message, or not all of it.
    #[error("a malformed invalidation message")]
    Malformed,
}

#[derive(Deserialize)]
struct Header {
    v: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    v: u64,
    records: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    scope: Name,
    mode: Mode,
    at: u64,
}

/// Tags are written in hexadecimal, because not every reader of JSON keeps 64 bits.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Name {
    Tag(String),
    Url(String),
    Route(String),
    Pattern(String),
    All,
}

/// Writes records as one message, to be read with [`decode`].
pub fn encode(records: &[Record]) -> Vec<u8> {
    let hex = |tag: &Tag| format!("{:016x}", tag.0);
    let line = |record: &Record| Line {
        scope: match &record.scope {
            Scope::Tag(tag) => Name::Tag(hex(tag)),
            Scope::Url(tag) => Name::Url(hex(tag)),
            Scope::Route(tag) => Name::Route(hex(tag)),
            Scope::Pattern(glob) => Name::Pattern(glob.text().to_owned()),
            Scope::All => Name::All,
        },
        mode: record.mode,
        at: record.at.0,
    };
    let message = Message { v: VERSION, records: records.iter().map(line).collect() };
    // Text and numbers always have a form. Were it not so, no message is one that
    // `decode` refuses, which invalidates everything.
    serde_json::to_vec(&message).unwrap_or_default()
}

/// Reads the records of one message.
pub fn decode(message: &[u8]) -> Result<Vec<Record>, Unreadable> {
    if message.len() > MAX_MESSAGE {
        return Err(Unreadable::TooLong);
    }
    match serde_json::from_slice::<Header>(message) {
        Ok(Header { v: VERSION }) => {}
        Ok(Header { v }) => return Err(Unreadable::Version(v)),
        Err(_) => return Err(Unreadable::Malformed),
    }
    let message: Message = serde_json::from_slice(message).map_err(|_| Unreadable::Malformed)?;
    message.records.iter().map(|line| record(line).ok_or(Unreadable::Malformed)).collect()
}

/// Reads the records of one message. One that cannot be read invalidates everything until
/// it was `received`: what it meant is part of that.
pub fn decode_or_all(message: &[u8], received: Stamp) -> (Vec<Record>, Option<Unreadable>) {
    match decode(message) {
        Ok(records) => (records, None),
        Err(why) => (vec![Record { scope: Scope::All, mode: Mode::Hard, at: received }], Some(why)),
    }
}

fn record(line: &Line) -> Option<Record> {
    let tag = |hex: &str| match hex.len() {
        16 if hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => u64::from_str_radix(hex, 16).ok().map(Tag),
        _ => None,
    };
    let scope = match &line.scope {
        Name::Tag(hex) => Scope::Tag(tag(hex)?),
        Name::Url(hex) => Scope::Url(tag(hex)?),
        Name::Route(hex) => Scope::Route(tag(hex)?),
        Name::Pattern(text) => Scope::Pattern(Glob::parse(text).ok()?),
        Name::All => Scope::All,
    };
    Some(Record { scope, mode: line.mode, at: Stamp(line.at) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scope() -> impl Strategy<Value = Scope> {
        prop_oneof![
            any::<u64>().prop_map(|n| Scope::Tag(Tag(n))),
            any::<u64>().prop_map(|n| Scope::Url(Tag(n))),
            any::<u64>().prop_map(|n| Scope::Route(Tag(n))),
            "/[a-z]{1,5}(/\\*)?(/\\*\\*)?".prop_map(|text| Scope::Pattern(Glob::parse(&text).unwrap())),
            Just(Scope::All),
        ]
    }

    prop_compose! {
        fn records()(list in prop::collection::vec((scope(), 0..3, any::<u64>()), 0..6)) -> Vec<Record> {
            let mode = |n| [Mode::Hard, Mode::Soft, Mode::Refresh][n as usize];
            list.into_iter().map(|(scope, n, at)| Record { scope, mode: mode(n), at: Stamp(at) }).collect()
        }
    }

    proptest! {
        #[test]
        fn records_come_back_as_they_were(records in records()) {
            prop_assert_eq!(decode(&encode(&records)), Ok(records));
        }

        #[test]
        fn a_message_cut_short_is_malformed(records in records(), cut in 1_usize..40) {
            let message = encode(&records);
            let short = &message[..message.len().saturating_sub(cut)];
            prop_assert_eq!(decode(short), Err(Unreadable::Malformed));
        }

        #[test]
        fn any_bytes_have_an_outcome(message in any::<Vec<u8>>()) {
            prop_assert!(decode(&message).is_err());
        }
    }

    #[test]
    fn the_form_on_the_way_is_what_older_nodes_know() {
        let record = Record { scope: Scope::Tag(Tag(0xab)), mode: Mode::Soft, at: Stamp(7) };
        let expected = r#"{"v":1,"records":[{"scope":{"tag":"00000000000000ab"},"mode":"soft","at":7}]}"#;
        assert_eq!(encode(&[record]), expected.as_bytes());
    }

    #[test]
    fn what_cannot_be_read_invalidates_everything() {
        let check = |message: &str, why| {
            let all = Record { scope: Scope::All, mode: Mode::Hard, at: Stamp(9) };
            assert_eq!(decode_or_all(message.as_bytes(), Stamp(9)), (vec![all], Some(why)), "{message}");
        };
        check(r#"{"v":2,"purges":[]}"#, Unreadable::Version(2));
        check(r#"{"v":1,"records":[],"more":1}"#, Unreadable::Malformed);
        check(
            r#"{"v":1,"records":[{"scope":{"tag":"+0000000000000ab"},"mode":"soft","at":7}]}"#,
            Unreadable::Malformed,
        );
        check(
            r#"{"v":1,"records":[{"scope":{"pattern":"**"},"mode":"soft","at":7}]}"#,
            Unreadable::Malformed,
        );
        check(r#"{"v":1,"records":[{"scope":"all","mode":"softly","at":7}]}"#, Unreadable::Malformed);
        check(&" ".repeat(MAX_MESSAGE + 1), Unreadable::TooLong);
    }

    #[test]
    fn the_largest_purge_fits() {
        let record = Record { scope: Scope::Route(Tag(u64::MAX)), mode: Mode::Refresh, at: Stamp(u64::MAX) };
        assert!(encode(&vec![record; MAX_RECORDS]).len() <= MAX_MESSAGE);
    }
}
