//! Documents that requests name by their hash.
//!
//! Automatic: a client sends a document once with its hash, and from then on the hash. It is
//! kept only after the schema has accepted it, so that nobody fills the store with nonsense.
//! A manifest: the documents are listed, and there are no others.

use std::sync::Arc;

use quick_cache::{Weighter, sync::Cache};

use super::errors;
use crate::{
    config::graphql::PersistedMode,
    grammar::sha256::{self, Sha256},
    graphql::{ErrorCode, GraphqlError},
    phases::graphql::Params,
    runtime::graphql::Graphql,
};

/// What a document takes beside its text: hash, counters, pointers.
const OVERHEAD: usize = 128;
/// Documents there is room for at first, before any configuration says how much.
const CAPACITY: u64 = 4 << 20;

/// The document of a request.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its text.
    pub text: Arc<str>,
    /// The hash to keep it by, once it has been accepted.
    pub keep_as: Option<Sha256>,
}

/// Why a request has no document.
pub enum Missing {
    /// The hash is that of another document.
    HashMismatch,
    /// It is not known, or may not be named.
    Refused(Box<GraphqlError>),
}

/// Those that clients have sent.
pub struct Documents {
    kept: Cache<Sha256, Arc<str>, Size>,
}

#[derive(Clone)]
struct Size;

impl Weighter<Sha256, Arc<str>> for Size {
    fn weight(&self, _: &Sha256, text: &Arc<str>) -> u64 {
        (text.len() + OVERHEAD) as u64
    }
}

impl Documents {
    /// None yet.
    pub fn new() -> Self {
        Self { kept: Cache::with_weighter(1024, CAPACITY, Size) }
    }

    /// Finds the document that a request means.
    ///
    /// # Errors
    /// Why there is none.
    pub fn find(&self, params: &Params, graphql: &Graphql) -> Result<Document, Missing> {
        let refused = |code| Missing::Refused(Box::new(errors::persisted(code)));
        if let Some(listed) = &graphql.manifest {
            let hash = params.document_hash();
            let text = listed.get(&hash);
            // Whoever names one is told that this one is not there, all others what is wanted.
            let code = match params.hash {
                Some(_) => ErrorCode::PersistedQueryNotFound,
                None => ErrorCode::PersistedQueryRequired,
            };
            let text = text.ok_or_else(|| refused(code))?;
            return Ok(Document { text: Arc::clone(text), keep_as: None });
        }
        let automatic = graphql.config.persisted.mode == PersistedMode::Automatic;
        match (&params.query, params.hash) {
            (Some(text), Some(hash)) if automatic => {
                if sha256::of(text.as_bytes()) != hash {
                    return Err(Missing::HashMismatch);
                }
                Ok(Document { text: text.as_str().into(), keep_as: Some(hash) })
            }
            (Some(text), _) => Ok(Document { text: text.as_str().into(), keep_as: None }),
            (None, Some(hash)) if automatic => {
                let text = self.kept.get(&hash);
                let text = text.ok_or_else(|| refused(ErrorCode::PersistedQueryNotFound))?;
                Ok(Document { text, keep_as: None })
            }
            (None, _) => Err(refused(ErrorCode::PersistedQueryNotSupported)),
        }
    }

    /// Keeps a document that the schema has accepted.
    pub fn keep(&self, hash: Sha256, text: &Arc<str>, capacity: u64) {
        if self.kept.capacity() != capacity {
            self.kept.set_capacity(capacity);
        }
        self.kept.insert(hash, Arc::clone(text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::graphql::GraphqlConfig;

    const QUERY: &str = "{ a }";

    fn graphql(mode: PersistedMode) -> Graphql {
        let sdl = "schema @source(name: \"s\", route: \"/api\") { query: Query }\n\
                   type Query { a: Int @rest(source: \"s\", get: \"/a\") }";
        let mut config = GraphqlConfig::with_schema("schema.graphql", sdl);
        config.persisted.mode = mode;
        Graphql::compile(&config, 1).map_err(|problems| format!("{problems:?}")).unwrap()
    }

    fn params(query: Option<&str>, hash: Option<&str>) -> Params {
        Params {
            query: query.map(str::to_owned),
            hash: hash.map(|text| sha256::of(text.as_bytes())),
            ..Params::default()
        }
    }

    fn found(documents: &Documents, graphql: &Graphql, query: Option<&str>, hash: Option<&str>) -> String {
        match documents.find(&params(query, hash), graphql) {
            Ok(document) => document.text.to_string(),
            Err(Missing::HashMismatch) => "mismatch".to_owned(),
            Err(Missing::Refused(error)) => error.code.as_str().to_owned(),
        }
    }

    #[test]
    fn without_names_only_documents_count() {
        let (documents, graphql) = (Documents::new(), graphql(PersistedMode::Off));
        assert_eq!(found(&documents, &graphql, Some(QUERY), None), QUERY);
        assert_eq!(found(&documents, &graphql, Some(QUERY), Some("{ b }")), QUERY, "nobody asks for it");
        assert_eq!(found(&documents, &graphql, None, Some(QUERY)), "PERSISTED_QUERY_NOT_SUPPORTED");
    }

    #[test]
    fn a_document_is_known_once_it_is_kept() {
        let (documents, graphql) = (Documents::new(), graphql(PersistedMode::Automatic));
        assert_eq!(found(&documents, &graphql, None, Some(QUERY)), "PERSISTED_QUERY_NOT_FOUND");
        assert_eq!(found(&documents, &graphql, Some(QUERY), Some("{ b }")), "mismatch");
        let Ok(document) = documents.find(&params(Some(QUERY), Some(QUERY)), &graphql) else {
            panic!("it is there")
        };
        documents.keep(document.keep_as.unwrap(), &document.text, 1 << 20);
        assert_eq!(found(&documents, &graphql, None, Some(QUERY)), QUERY);
    }

    #[test]
    fn the_store_has_a_limit() {
        let documents = Documents::new();
        for number in 0..10_000 {
            let text: Arc<str> = format!("{{ a{number}: a }}").into();
            documents.keep(sha256::of(text.as_bytes()), &text, 64 << 10);
        }
        assert!(documents.kept.weight() <= 64 << 10, "{}", documents.kept.weight());
    }
}
