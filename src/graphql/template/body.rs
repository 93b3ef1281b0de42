//! JSON bodies with values in them.

use serde_json::{Map, Value};

use super::{Scope, Template, Unfit};

/// A JSON body with values in it: an object of templates, or one value as it is.
#[derive(Clone, Debug, PartialEq)]
pub enum BodyTemplate {
    /// This value.
    Constant(Value),
    /// A value as it is, or a text with values in it. One that is missing leaves out its member;
    /// one that is null stays null.
    Template(Template),
    /// An object.
    Object(Vec<(Box<str>, BodyTemplate)>),
    /// A list.
    List(Vec<BodyTemplate>),
}

impl BodyTemplate {
    /// The body; `None` if it is a value that is missing.
    ///
    /// # Errors
    /// A value that is no text, in a text.
    pub fn render(&self, scope: &Scope<'_>) -> Result<Option<Value>, Unfit> {
        Ok(Some(match self {
            Self::Constant(value) => value.clone(),
            Self::Template(template) if template.is_null(scope) => Value::Null,
            Self::Template(template) => match template.value(scope)? {
                Some(value) => value.into_owned(),
                None => return Ok(None),
            },
            Self::Object(members) => {
                let mut object = Map::with_capacity(members.len());
                for (name, member) in members {
                    if let Some(value) = member.render(scope)? {
                        object.insert(name.to_string(), value);
                    }
                }
                Value::Object(object)
            }
            Self::List(items) => {
                let items: Result<Vec<_>, _> = items.iter().map(|item| item.render(scope)).collect();
                items?.into_iter().map(Option::unwrap_or_default).collect()
            }
        }))
    }

    /// Whether a part of it reads the parent.
    pub fn reads_parent(&self) -> bool {
        match self {
            Self::Constant(_) => false,
            Self::Template(template) => template.reads_parent(),
            Self::Object(members) => members.iter().any(|(_, member)| member.reads_parent()),
            Self::List(items) => items.iter().any(Self::reads_parent),
        }
    }

    /// Whether a part of it reads claims.
    pub fn reads_claims(&self) -> bool {
        match self {
            Self::Constant(_) => false,
            Self::Template(template) => template.reads_claims(),
            Self::Object(members) => members.iter().any(|(_, member)| member.reads_claims()),
            Self::List(items) => items.iter().any(Self::reads_claims),
        }
    }
}
