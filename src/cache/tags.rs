//! Tags of responses: from `Surrogate-Key` and `Cache-Tag`, and from templates of the route.
//!
//! A response whose tags cannot all be kept must not be stored, because a purge by one of them
//! would miss it.

use http::HeaderMap;

use super::key::{KeyMaker, Tag};
use crate::{
    config::finding::Problem,
    grammar::template::{self, Part},
};

/// Tags that a response may have.
pub const MAX_TAGS: usize = 128;
/// Bytes of one tag.
pub const MAX_TAG_BYTES: usize = 256;
/// Templates that a route may have.
pub const MAX_TEMPLATES: usize = 32;

/// Tags that cannot be kept: too many, one too long, or a template without its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unkept;

/// The tag of this name: the same for responses, templates and purges.
pub fn tag(maker: &KeyMaker, name: &[u8]) -> Tag {
    maker.tag("tag", name)
}

/// Adds the tags that a response names in its fields.
///
/// # Errors
/// [`Unkept`]; what was added before stays.
pub fn of_response(maker: &KeyMaker, headers: &HeaderMap, out: &mut Vec<Tag>) -> Result<(), Unkept> {
    check(headers)?;
    out.extend(names(headers).map(|name| tag(maker, name)));
    Ok(())
}

/// Whether all tags in a response's fields can be kept.
///
/// # Errors
/// [`Unkept`].
pub fn check(headers: &HeaderMap) -> Result<(), Unkept> {
    let mut count = 0;
    for name in names(headers) {
        count += 1;
        if count > MAX_TAGS || name.len() > MAX_TAG_BYTES {
            return Err(Unkept);
        }
    }
    Ok(())
}

/// Whether a response has a field of tags; a 304 that has one replaces the stored tags.
pub fn are_stated(headers: &HeaderMap) -> bool {
    headers.contains_key("surrogate-key") || headers.contains_key("cache-tag")
}

/// `Surrogate-Key` separates by blanks, `Cache-Tag` by commas.
fn names(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let split = |field: &'static str, separates: fn(&u8) -> bool| {
        headers.get_all(field).into_iter().flat_map(move |line| line.as_bytes().split(separates))
    };
    split("surrogate-key", |byte| matches!(byte, b' ' | b'\t'))
        .chain(split("cache-tag", |byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|name| !name.is_empty())
}

/// Tags such as `patient:{id}`, whose names in braces are captured by the route's path.
#[derive(Clone, Debug, Default)]
pub struct TagTemplates {
    templates: Box<[Box<[Part]>]>,
}

impl TagTemplates {
    /// Compiles templates; `captures` are the names that every path of the route captures.
    ///
    /// # Errors
    /// All [`Problem`]s, with paths such as `[0]`.
    pub fn compile(texts: &[String], captures: &[&str]) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        if texts.len() > MAX_TEMPLATES {
            problems.push(Problem::new("", format!("there are more than {MAX_TEMPLATES} tags")));
        }
        let mut templates = Vec::new();
        for (at, text) in texts.iter().enumerate() {
            match compile(text, captures) {
                Ok(parts) => templates.push(parts),
                Err(problem) => problems.push(problem.within(&format!("[{at}]"))),
            }
        }
        if problems.is_empty() { Ok(Self { templates: templates.into() }) } else { Err(problems) }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.templates.is_empty()
    }

    /// Adds the tags for the values that `lookup` knows.
    ///
    /// # Errors
    /// [`Unkept`] if a value is missing; what was added before stays.
    pub fn expand<'v>(
        &self,
        maker: &KeyMaker,
        lookup: impl Fn(&str) -> Option<&'v str>,
        out: &mut Vec<Tag>,
    ) -> Result<(), Unkept> {
        let mut name = String::new();
        for template in &self.templates {
            name.clear();
            for part in template {
                name.push_str(match part {
                    Part::Literal(text) => text,
                    Part::Insert(capture) => lookup(capture).ok_or(Unkept)?,
                });
            }
            out.push(tag(maker, name.as_bytes()));
        }
        Ok(())
    }
}

fn compile(text: &str, captures: &[&str]) -> Result<Box<[Part]>, Problem> {
    if text.is_empty() || text.len() > MAX_TAG_BYTES {
        return Err(Problem::new("", format!("a tag has 1 to {MAX_TAG_BYTES} bytes")));
    }
    if let Some(bad) = text.chars().find(|c| c.is_whitespace() || c.is_control() || *c == ',') {
        return Err(Problem::new("", format!("`{text}` has a {bad:?} in it"))
            .hint("`Surrogate-Key` and `Cache-Tag` separate tags by blanks and commas"));
    }
    let parts =
        template::parse(text).map_err(|problem| problem.hint("`{name}` inserts what the path captured"))?;
    let unknown = parts.iter().find_map(|part| match part {
        Part::Insert(name) if !captures.contains(&&**name) => Some(name),
        _ => None,
    });
    match unknown {
        None => Ok(parts.into()),
        Some(name) => {
            let problem = Problem::new(
                "",
                format!("`{{{name}}}` is captured by no path, or not by every path, of this route"),
            );
            Err(problem.did_you_mean(name, captures.iter().copied()))
        }
    }
}

#[cfg(test)]
mod tests;
