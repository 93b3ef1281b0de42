//! Where the value of a field comes from.

use std::{borrow::Cow, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, Method};

use super::SourceId;
use crate::graphql::{
    json::{Hint, Json, NodeId},
    template::{BodyTemplate, Scope, Target, Template, Unfit},
};

/// A part of the gateway's own route table that calls enter (`@source`).
#[derive(Debug)]
pub struct Source {
    /// Its name in the schema.
    pub name: Arc<str>,
    /// The beginning of the paths of its calls, such as `/api/v2/patients`. It ends without a
    /// slash; empty for the whole route table.
    pub route: Box<str>,
    /// The longest a call may take. Left out: the operation's deadline alone.
    pub timeout: Option<Duration>,
    /// Fields that every call carries. They read `args` and `claims` only.
    pub headers: Vec<(HeaderName, Template)>,
    /// Calls at once of one operation, instead of `limits.concurrency`.
    pub max_concurrent: Option<usize>,
}

/// Where the value of a field comes from.
#[derive(Debug)]
pub enum Resolve {
    /// A member of the parent's JSON object: the path that `@from` names, or the name of the field.
    Member(Box<[Box<str>]>),
    /// A call (`@rest`).
    Rest(Box<Rest>),
}

/// A call.
#[derive(Debug)]
pub struct Rest {
    /// Where it goes.
    pub source: SourceId,
    /// Its method.
    pub method: Method,
    /// Its path after [`Source::route`]: empty, or with a slash first.
    pub path: Template,
    /// Its query. A parameter whose value is null is left out; a list repeats it.
    pub query: Vec<(Box<str>, Template)>,
    /// Its fields besides those of the source. One whose value is null is left out.
    pub headers: Vec<(HeaderName, Template)>,
    /// Its body, sent as JSON.
    pub body: Option<BodyTemplate>,
    /// The member of the answer that is the value; empty for the answer itself.
    pub select: Box<[Box<str>]>,
    /// How the calls for many parents become one.
    pub batch: Option<Batch>,
    /// What becomes of a 404.
    pub not_found: NotFound,
    /// The paths, after [`Source::route`], that a successful call makes void.
    pub invalidates: Vec<Template>,
}

impl Rest {
    /// Path and query, the prefix of the source in front. `None`: a value in the path is null,
    /// so the field is null without a call.
    ///
    /// # Errors
    /// A value that cannot be where the schema puts it.
    pub fn target(&self, source: &Source, scope: &Scope<'_>) -> Result<Option<Target>, Unfit> {
        let Some(path) = self.path.path(scope)? else { return Ok(None) };
        let mut target = Target::new(source.within(&path));
        for (name, template) in &self.query {
            template.parameter(name, scope, &mut target)?;
        }
        Ok(Some(target))
    }

    /// Whether its call differs from parent to parent, the keys of a batch apart.
    pub fn reads_parent(&self) -> bool {
        let texts = self.query.iter().map(|(_, template)| template);
        let fields = self.headers.iter().map(|(_, template)| template);
        self.path.reads_parent()
            || texts.chain(fields).any(Template::reads_parent)
            || self.body.as_ref().is_some_and(BodyTemplate::reads_parent)
    }

    /// Whether its call differs from caller to caller.
    pub fn reads_claims(&self, source: &Source) -> bool {
        let texts = self.query.iter().map(|(_, template)| template);
        let fields = self.headers.iter().chain(&source.headers).map(|(_, template)| template);
        self.path.reads_claims()
            || texts.chain(fields).any(Template::reads_claims)
            || self.body.as_ref().is_some_and(BodyTemplate::reads_claims)
    }

    /// The fields of a call: those of the source, then its own.
    ///
    /// # Errors
    /// A value that cannot be in a header field.
    pub fn fields(
        &self,
        source: &Source,
        scope: &Scope<'_>,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, Unfit> {
        let mut fields = Vec::with_capacity(source.headers.len() + self.headers.len());
        for (name, template) in source.headers.iter().chain(&self.headers) {
            if let Some(value) = template.field(scope)? {
                fields.push((name.clone(), value));
            }
        }
        Ok(fields)
    }
}

impl Source {
    /// A path under the prefix of the source.
    pub fn within(&self, path: &str) -> String {
        match (&*self.route, path) {
            ("", "") => "/".to_owned(),
            (route, path) => format!("{route}{path}"),
        }
    }
}

impl Batch {
    /// Adds keys to the query; nothing for the style [`BatchStyle::Body`].
    pub fn extend<'a>(&self, target: &mut Target, keys: impl IntoIterator<Item = Cow<'a, str>>) {
        match self.style {
            BatchStyle::Csv => target.list(&self.param, keys),
            BatchStyle::Repeat => keys.into_iter().for_each(|key| target.parameter(&self.param, &key)),
            BatchStyle::Body => {}
        }
    }

    /// Whose an answered element is; `None` if it does not say.
    pub fn owner_of<'a>(&self, json: &'a Json, element: NodeId, hint: &mut Hint) -> Option<Cow<'a, str>> {
        let (first, rest) = self.key.split_first()?;
        json.scalar(json.dig(json.member_near(element, first, hint)?, rest)?)
    }
}

/// How the calls for many parents become one. Path, query, fields and body of the call then
/// depend on arguments and claims only.
#[derive(Debug)]
pub struct Batch {
    /// The query parameter, or the member of the body, that takes the parents' keys.
    pub param: Box<str>,
    /// How it takes several.
    pub style: BatchStyle,
    /// A parent's key: one member of the parent. A parent without one gets null, or no items.
    pub value: Template,
    /// The member of each answered element that says whose it is.
    pub key: Box<[Box<str>]>,
    /// The most keys of one call.
    pub max: usize,
}

/// How a call takes several keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchStyle {
    /// `?ids=a,b`. A comma within a key is percent-encoded.
    Csv,
    /// `?ids=a&ids=b`.
    Repeat,
    /// A list in the body's JSON object.
    Body,
}

/// What becomes of a 404.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotFound {
    /// The field is null, without an error.
    Null,
    /// The field has an error.
    Error,
}
