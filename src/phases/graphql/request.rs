//! What a GraphQL request asks for: the parameters of a body or of a query.

use serde_json::{Map, Value};

use crate::grammar::{
    query,
    sha256::{self, Sha256},
};

/// The parameters of one operation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Params {
    /// The document. `None`: it is named by its hash.
    pub query: Option<String>,
    /// Which operation of the document.
    pub operation: Option<String>,
    /// Its variables.
    pub variables: Option<Map<String, Value>>,
    /// The hash by which the document is named.
    pub hash: Option<Sha256>,
}

/// What a body holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Requested {
    /// One operation.
    One(Params),
    /// A list of them, not all of which need be sound.
    Many(Vec<Result<Params, Malformed>>),
}

/// Why something is no GraphQL request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The body is no JSON.
    #[error("The body is not JSON.")]
    Json,
    /// It is JSON, but no object.
    #[error("The body must be a JSON object.")]
    Object,
    /// There is no document and no hash of one.
    #[error("The parameter `query` is missing.")]
    NoQuery,
    /// A parameter has the wrong type.
    #[error("The parameter `{0}` must be {1}.")]
    Kind(&'static str, &'static str),
    /// A parameter is given twice.
    #[error("The parameter `{0}` is given twice.")]
    Twice(&'static str),
    /// A parameter of a query is no JSON.
    #[error("The parameter `{0}` is not JSON.")]
    ParameterJson(&'static str),
    /// A parameter of a query is no UTF-8.
    #[error("The parameter `{0}` is not UTF-8.")]
    Utf8(&'static str),
    /// A persisted document is named in a way that is not known.
    #[error("A persisted query is named by `version` 1 and a `sha256Hash` of 64 hexadecimal digits.")]
    Hash,
}

/// Reads a JSON body.
///
/// # Errors
/// Why it is no request. A list is one, whatever is in it.
pub fn of_body(body: &[u8]) -> Result<Requested, Malformed> {
    match serde_json::from_slice(body).map_err(|_| Malformed::Json)? {
        Value::Object(members) => Params::of_members(members).map(Requested::One),
        Value::Array(items) => {
            let each = items.into_iter().map(|item| match item {
                Value::Object(members) => Params::of_members(members),
                _ => Err(Malformed::Object),
            });
            Ok(Requested::Many(each.collect()))
        }
        _ => Err(Malformed::Object),
    }
}

/// Reads the query of a URL.
///
/// # Errors
/// Why it is no request.
pub fn of_query(text: Option<&str>) -> Result<Params, Malformed> {
    let mut members = Map::new();
    for (raw_name, raw_value) in query::pairs(text.unwrap_or_default()).map(query::split) {
        let name: Vec<u8> = query::decoded(raw_name).collect();
        let (name, is_json) = match &*name {
            b"query" => ("query", false),
            b"operationName" => ("operationName", false),
            b"variables" => ("variables", true),
            b"extensions" => ("extensions", true),
            _ => continue,
        };
        let value = query::decode(raw_value);
        let value = match is_json {
            // An empty parameter is as good as none.
            true if value.is_empty() => Value::Null,
            true => serde_json::from_slice(&value).map_err(|_| Malformed::ParameterJson(name))?,
            false => Value::String(String::from_utf8(value.into_owned()).map_err(|_| Malformed::Utf8(name))?),
        };
        if members.insert(name.to_owned(), value).is_some() {
            return Err(Malformed::Twice(name));
        }
    }
    if members.get("operationName").is_some_and(|name| name == "") {
        members.remove("operationName");
    }
    Params::of_members(members)
}

impl Params {
    fn of_members(mut members: Map<String, Value>) -> Result<Self, Malformed> {
        let text = |name, value| match value {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Malformed::Kind(name, "a text")),
        };
        let map = |name, value| match value {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(map)) => Ok(Some(map)),
            Some(_) => Err(Malformed::Kind(name, "an object")),
        };
        let query = match members.remove("query") {
            // Without a document only its hash can say what is meant.
            Some(Value::String(text)) if text.is_empty() => None,
            value => text("query", value)?,
        };
        let operation = text("operationName", members.remove("operationName"))?;
        let variables = map("variables", members.remove("variables"))?;
        let extensions = map("extensions", members.remove("extensions"))?;
        let named = extensions.and_then(|mut extensions| extensions.remove("persistedQuery"));
        let hash = match named {
            None | Some(Value::Null) => None,
            Some(named) => Some(hash_of(&named).ok_or(Malformed::Hash)?),
        };
        if query.is_none() && hash.is_none() {
            return Err(Malformed::NoQuery);
        }
        Ok(Self { query, operation, variables, hash })
    }

    /// The hash of the document: as it is named, or else as it is.
    pub fn document_hash(&self) -> Sha256 {
        match (&self.hash, &self.query) {
            (Some(hash), _) => *hash,
            (None, query) => sha256::of(query.as_deref().unwrap_or_default().as_bytes()),
        }
    }

    /// Stands for the document, the operation and the variables, however they were written:
    /// 64 hexadecimal digits. `None`: the document is not the one that is named.
    pub fn fingerprint(&self) -> Option<String> {
        let document = self.document_hash();
        if let (Some(_), Some(query)) = (&self.hash, &self.query)
            && document != sha256::of(query.as_bytes())
        {
            return None;
        }
        let operation = self.operation.as_deref().unwrap_or_default();
        let mut meant = Vec::with_capacity(128);
        meant.extend_from_slice(&document);
        // With its length, so that no name runs into the variables.
        meant.extend_from_slice(&(operation.len() as u64).to_le_bytes());
        meant.extend_from_slice(operation.as_bytes());
        if let Some(variables) = self.variables.as_ref().filter(|variables| !variables.is_empty()) {
            write_canonical_map(variables, &mut meant);
        }
        Some(sha256::hexadecimal(&sha256::of(&meant)))
    }
}

fn hash_of(named: &Value) -> Option<Sha256> {
    if named.get("version")? != 1 {
        return None;
    }
    let digits = named.get("sha256Hash")?.as_str()?;
    sha256::parse(digits)
}

/// JSON without spaces, members in the order of their names: what differs in nothing else is
/// the same. The depth is that which the parser has let through.
fn write_canonical(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(members) => write_canonical_map(members, out),
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_canonical(item, out);
            }
            out.push(b']');
        }
        // Writing to memory cannot fail.
        scalar => drop(serde_json::to_writer(out, scalar)),
    }
}

fn write_canonical_map(members: &Map<String, Value>, out: &mut Vec<u8>) {
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_unstable_by_key(|(name, _)| *name);
    out.push(b'{');
    for (index, (name, value)) in sorted.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        drop(serde_json::to_writer(&mut *out, name));
        out.push(b':');
        write_canonical(value, out);
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests;
