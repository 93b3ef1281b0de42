//! The fields that tell backends who calls.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};

use crate::{
    auth::Identity,
    config::{auth::Fact, finding::Problem, path},
    grammar::is_connection_field,
};

/// Bytes of the longest value that a backend is told.
const FACT_MAX: usize = 4 * 1024;

/// The compiled `forward:` section.
pub(super) struct Forwarded(Box<[(HeaderName, Fact)]>);

impl Forwarded {
    pub fn compile(config: &BTreeMap<String, Fact>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut fields: Vec<(HeaderName, Fact)> = Vec::with_capacity(config.len());
        for (written, fact) in config {
            let problem =
                |message: &str| Problem::new(path::key("forward", written), format!("`{written}` {message}"));
            match HeaderName::from_bytes(written.as_bytes()) {
                Ok(name) if fields.iter().any(|(other, _)| *other == name) => problems.push(
                    problem("is given twice")
                        .hint("field names do not depend on letter case; keep one of them"),
                ),
                Ok(name) if is_reserved(&name) => problems.push(
                    problem("cannot tell a backend who it is")
                        .hint("use a field of your own, such as `X-User-Id`"),
                ),
                Ok(name) => fields.push((name, fact.clone())),
                Err(_) => problems.push(problem("is not a field name")),
            }
        }
        if problems.is_empty() { Ok(Self(fields.into())) } else { Err(problems) }
    }

    pub fn names(&self) -> impl Iterator<Item = &HeaderName> {
        self.0.iter().map(|(name, _)| name)
    }

    /// The facts that there are, with no value where no field can hold it.
    pub fn fields<'a>(
        &'a self,
        identity: &'a Identity,
    ) -> impl Iterator<Item = (&'a HeaderName, Option<HeaderValue>)> {
        self.0.iter().filter_map(|(name, fact)| {
            let text = identity.fact(fact)?.filter(|text| fits(text));
            Some((name, text.and_then(|text| HeaderValue::from_bytes(text.as_bytes()).ok())))
        })
    }
}

/// Whether a backend would read it as it is. White space around it is no part of a field's value
/// (RFC 9110 section 5.5): `"root "` would be somebody else.
fn fits(text: &str) -> bool {
    text.len() <= FACT_MAX && text.trim_ascii().len() == text.len()
}

/// Fields that frame or address a request, or carry credentials themselves.
fn is_reserved(name: &HeaderName) -> bool {
    is_connection_field(name) || matches!(name.as_str(), "host" | "authorization" | "cookie")
}
