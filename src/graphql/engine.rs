//! The engine: one schema, what it allows, and the plans made for it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Map, Value};

use super::{
    advice,
    call::Fetch,
    document,
    errors::{ErrorCode, GraphqlError},
    execute, explain,
    outcome::{Ask, Outcome},
    plan::{Introspection, Plan},
    plan_cache::{Key, PlanCache, Prepared},
    precheck,
    read_before::ReadBefore,
    schema::Schema,
    sdl,
    validate::Validator,
};
use crate::config::{
    finding::Problem,
    graphql::{GraphqlConfig, GraphqlLimitsConfig},
};

/// A schema that documents are prepared and executed under.
pub struct Engine {
    schema: Schema,
    limits: GraphqlLimitsConfig,
    validator: Validator,
    plans: PlanCache,
    read_before: ReadBefore,
    generation: u64,
    sdl: Box<str>,
    warnings: Vec<Problem>,
}

impl Engine {
    /// Reads a schema. `generation` keeps its plans apart from those of another.
    ///
    /// # Errors
    /// Everything that is wrong with the schema, each with its place in the text. Paths start at
    /// `traffic.graphql`.
    pub fn build(text: &str, config: &GraphqlConfig, generation: u64) -> Result<Engine, Vec<Problem>> {
        let at_schema = |problems: Vec<Problem>| -> Vec<Problem> {
            problems.into_iter().map(|problem| problem.within("schema")).collect()
        };
        let sdl::Read { schema, warnings } = sdl::read(text).map_err(at_schema)?;
        let validator =
            Validator::new(&schema, config.suggestions).map_err(|problem| at_schema(vec![problem]))?;
        let mut warnings = warnings;
        warnings.extend(advice::advise(&schema, &config.limits));
        Ok(Self {
            sdl: validator.sdl().into(),
            validator,
            limits: config.limits.clone(),
            read_before: ReadBefore::new(),
            plans: PlanCache::new(config.limits.plans.get()),
            generation,
            warnings: at_schema(warnings),
            schema,
        })
    }

    /// Parses, checks and plans a document; the second time, remembers it.
    pub fn prepare(&self, text: &str, operation: Option<&str>) -> Prepared {
        if text.len() as u64 > self.limits.query.get() {
            // Too large to be worth a hash.
            return Prepared::Refused(precheck::text(text, &self.limits).err().unwrap_or_default().into());
        }
        let key = Key::new(text, operation, self.generation);
        if let Some(prepared) = self.plans.get(&key) {
            return prepared;
        }
        let prepared = match self.plan(text, operation) {
            Ok(plan) => Prepared::Plan(Arc::new(plan)),
            Err(errors) => Prepared::Refused(errors.into()),
        };
        self.plans.insert(key, text.len(), &prepared);
        prepared
    }

    fn plan(&self, text: &str, operation: Option<&str>) -> Result<Plan, Vec<GraphqlError>> {
        let one = |error| vec![error];
        precheck::text(text, &self.limits)?;
        let document = document::parse(text).map_err(one)?;
        precheck::document(&document, &self.limits).map_err(one)?;
        let errors = self.validator.errors(&self.schema, &document, self.limits.errors);
        if !errors.is_empty() {
            return Err(errors);
        }
        let operation = document::select(&document, operation).map_err(one)?;
        document::is_served(&self.schema, &operation).map_err(one)?;
        let name = operation.name.map(|name| name.as_str());
        Plan::compile(&self.schema, &document, name, &operation.definition.node)
    }

    /// Executes a plan that this engine made.
    pub async fn execute(&self, plan: &Plan, ask: &Ask<'_>, fetch: &dyn Fetch) -> Outcome {
        execute::execute(&self.schema, &self.limits, plan, ask, fetch, self, &self.read_before).await
    }

    /// Tells which calls a plan makes for a request, and what it costs. Nothing is called.
    ///
    /// # Errors
    /// What would keep the request from being executed, its cost apart.
    pub fn explain(&self, plan: &Plan, ask: &Ask<'_>) -> Result<String, Vec<GraphqlError>> {
        explain::explain(&self.schema, &self.limits, plan, ask)
    }

    /// The public schema as text, without the gateway's directives.
    pub fn sdl(&self) -> &str {
        &self.sdl
    }

    /// The model of the schema.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// What is probably not meant in the schema, or will be slow. Paths start at `traffic.graphql`.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// How many documents are remembered, and about how many bytes they take.
    pub fn remembered(&self) -> (usize, u64) {
        (self.plans.len(), self.plans.bytes())
    }
}

#[async_trait]
impl execute::Introspect for Engine {
    async fn introspect(
        &self,
        introspection: &Introspection,
        variables: Option<&Map<String, Value>>,
    ) -> Result<Bytes, GraphqlError> {
        let data = self.validator.introspect(&introspection.document, variables)?;
        let value = match data {
            async_graphql::Value::Object(mut members) => members.swap_remove(&*introspection.key),
            _ => None,
        };
        let text = serde_json::to_vec(&value)
            .map_err(|_| GraphqlError::new(ErrorCode::Internal, "the schema could not be written"))?;
        Ok(Bytes::from(text))
    }
}

#[cfg(test)]
mod tests;
