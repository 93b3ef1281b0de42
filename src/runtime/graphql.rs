//! GraphQL as a snapshot serves it: the engine with its schema, and what belongs to it.

use std::{collections::HashMap, fs, sync::Arc};

use http::HeaderName;

use crate::{
    config::{
        finding::Problem,
        graphql::{GraphqlConfig, PersistedMode},
    },
    grammar::sha256::{self, Sha256},
    graphql::Engine,
};

/// The `traffic.graphql:` section, compiled.
pub struct Graphql {
    /// What executes operations.
    pub engine: Engine,
    /// What it was built from.
    pub config: GraphqlConfig,
    /// Fields of the request that its calls carry.
    pub forward: Vec<HeaderName>,
    /// The only documents there are, if they are listed.
    pub manifest: Option<HashMap<Sha256, Arc<str>>>,
}

impl Graphql {
    /// Compiles a section. `generation` is that of the snapshot.
    ///
    /// # Errors
    /// All problems, with paths relative to the section.
    pub fn compile(config: &GraphqlConfig, generation: u64) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let engine = Engine::build(&config.sdl, config, generation);
        let engine = engine.map_err(|found| problems.extend(found)).ok();
        let mut forward = Vec::with_capacity(config.forward.len());
        for (index, text) in config.forward.iter().enumerate() {
            match text.parse() {
                Ok(name) if may_be_passed_on(&name) => forward.push(name),
                Ok(name) => {
                    let message = format!("`{name}` is not for the services behind");
                    problems.push(Problem::new(format!("forward[{index}]"), message));
                }
                Err(_) => problems
                    .push(Problem::new(format!("forward[{index}]"), format!("`{text}` is not a field name"))),
            }
        }
        let manifest = manifest(config).map_err(|problem| problems.push(problem)).ok().flatten();
        if let Some(dir) = &config.playground.dir
            && !dir.join("index.html").is_file()
        {
            let message = format!("there is no index.html in {}", dir.display());
            problems.push(Problem::new("playground.dir", message));
        }
        match engine {
            Some(engine) if problems.is_empty() => {
                Ok(Self { engine, config: config.clone(), forward, manifest })
            }
            _ => Err(problems),
        }
    }
}

/// Neither what frames the request itself, nor what the calls have of their own.
fn may_be_passed_on(name: &HeaderName) -> bool {
    !matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "content-length"
            | "content-type"
            | "content-encoding"
            | "accept"
            | "accept-encoding"
            | "host"
            | "range"
            | "if-range"
            | "if-match"
            | "if-none-match"
            | "if-modified-since"
            | "if-unmodified-since"
            | "cache-control"
            | "expect"
            | "cookie"
    )
}

fn manifest(config: &GraphqlConfig) -> Result<Option<HashMap<Sha256, Arc<str>>>, Problem> {
    let persisted = &config.persisted;
    if persisted.mode != PersistedMode::Manifest {
        return Ok(None);
    }
    let at = "persisted.file";
    let Some(path) = &persisted.file else {
        return Err(Problem::new("persisted.mode", "`manifest` needs the key `file`"));
    };
    let text = fs::read(path).map_err(|error| Problem::new(at, format!("{}: {error}", path.display())))?;
    let listed: HashMap<String, Arc<str>> = serde_json::from_slice(&text).map_err(|error| {
        Problem::new(at, format!("{} is not a JSON object of texts: {error}", path.display()))
    })?;
    let mut documents = HashMap::with_capacity(listed.len());
    for (digits, document) in listed {
        let Some(hash) = sha256::parse(&digits).filter(|hash| *hash == sha256::of(document.as_bytes()))
        else {
            return Err(Problem::new(at, format!("`{digits}` is not the SHA-256 of the document behind it")));
        };
        documents.insert(hash, document);
    }
    Ok(Some(documents))
}
