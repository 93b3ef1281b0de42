//! GraphQL as a snapshot serves it: the engine with its schema, and what belongs to it.

pub mod playground;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use http::HeaderName;

use self::playground::Playground;
use crate::{
    config::{
        finding::{LineColumn, Problem},
        graphql::{GraphqlConfig, PersistedMode},
    },
    grammar::sha256::{self, Sha256},
    graphql::{
        Engine, Schema,
        schema::{Resolve, TypeKind},
    },
    telemetry::metrics::{FieldMetrics, FieldName, GraphqlMetrics},
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
    /// The page to try queries on, if there is one.
    pub playground: Option<Playground>,
    /// The series of the schema's fields.
    pub fields: FieldMetrics,
}

impl Graphql {
    /// Compiles a section. `generation` is that of the snapshot.
    ///
    /// # Errors
    /// All problems, with paths relative to the section.
    pub fn compile(
        config: &GraphqlConfig,
        generation: u64,
        metrics: &GraphqlMetrics,
    ) -> Result<Self, Vec<Problem>> {
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
        let playground = config.playground.enabled.then(|| Playground::compile(config.playground.root()));
        let playground =
            playground.transpose().map_err(|problem| problems.push(problem.within("playground")));
        match (engine, playground) {
            (Some(engine), Ok(playground)) if problems.is_empty() => {
                let fields = fields(engine.schema(), metrics);
                Ok(Self { engine, config: config.clone(), forward, manifest, playground, fields })
            }
            _ => Err(problems),
        }
    }
}

/// The series of all fields that an operation can ask for.
fn fields(schema: &Schema, metrics: &GraphqlMetrics) -> FieldMetrics {
    metrics.fields(schema.types.iter().map(|ty| {
        let TypeKind::Object(object) = &ty.kind else { return Vec::new() };
        let fields = object.fields.iter();
        fields
            .map(|field| FieldName {
                ty: &ty.name,
                name: &field.name,
                is_called: matches!(field.resolve, Resolve::Rest(_)),
            })
            .collect()
    }))
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
    if persisted.file.is_none() {
        return Err(Problem::new("persisted.mode", "`manifest` needs the key `file`"));
    }
    let (text, at) = (&*persisted.text, "persisted.file");
    let listed: BTreeMap<String, Arc<str>> = serde_json::from_str(text).map_err(|error| {
        let message = format!("the manifest is not a JSON object of texts: {error}");
        Problem::new(at, message).inside(line_column(error.line(), error.column()))
    })?;
    let mut documents = HashMap::with_capacity(listed.len());
    for (digits, document) in listed {
        let Some(hash) = sha256::parse(&digits).filter(|hash| *hash == sha256::of(document.as_bytes()))
        else {
            let message = format!("`{digits}` is not the SHA-256 of the document behind it");
            let before = text.find(&format!("\"{digits}\"")).map_or("", |start| &text[..start]);
            let line = before.rsplit('\n').next().unwrap_or_default();
            let place = line_column(before.matches('\n').count() + 1, line.chars().count() + 1);
            return Err(Problem::new(at, message).inside(place));
        };
        documents.insert(hash, document);
    }
    Ok(Some(documents))
}

fn line_column(line: usize, column: usize) -> LineColumn {
    let number = |of: usize| u32::try_from(of).unwrap_or(u32::MAX).max(1);
    LineColumn { line: number(line), column: number(column) }
}
