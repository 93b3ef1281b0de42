//! What the schema says of a field besides its type and its value.

use std::time::Duration;

use crate::graphql::template::Template;

/// Who may read a field, or any field of a type (`@auth`). It takes an authenticated caller
/// who either is the owner, or has all scopes and, if roles are named, one of them.
#[derive(Debug)]
pub struct AuthRule {
    /// All of these.
    pub scopes: Box<[Box<str>]>,
    /// One of these; none named: any.
    pub roles: Box<[Box<str>]>,
    /// Whose it is. With neither scopes nor roles, nobody else may read it.
    pub owner: Option<Owner>,
}

/// Whose a field is.
#[derive(Debug)]
pub struct Owner {
    /// The claim that names the caller, with dots on the way to it.
    pub claim: Box<str>,
    /// What it has to be. It reads `args` only: it is decided before any call.
    pub is: Template,
}

/// How long a value may be reused (`@cacheControl`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheHint {
    /// The longest. Left out: what the surrounding field says if `inherit` is set, otherwise
    /// not at all for a call or a composite type, and unlimited for a leaf.
    pub max_age: Option<Duration>,
    /// Who may share it. Left out: everyone.
    pub scope: Option<CacheScope>,
    /// Whether `max_age` is that of the surrounding field.
    pub inherit: bool,
}

/// Who may share a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CacheScope {
    /// Everyone.
    Public,
    /// Only whoever asked.
    Private,
}

/// How many items a list may have (`@listSize`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListSize {
    /// The argument that says how many, by its place in the arguments of the field.
    pub slicing: Option<usize>,
    /// How many there are if no argument says so. Left out: `limits.list`.
    pub assumed: Option<u32>,
    /// The most that the argument may ask for. Left out: `limits.list`.
    pub max: Option<u32>,
}
