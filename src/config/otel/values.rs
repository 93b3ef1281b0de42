//! Values of variables, and their way into the tree.

use percent_encoding::percent_decode_str;

use crate::config::tree::{Key, Node, Value};

/// The value at a path.
pub fn value<'a>(node: &'a Node, path: &[&str]) -> Option<&'a Node> {
    path.iter().try_fold(node, |node, name| node.get(name))
}

/// The value under a key, to be changed.
pub fn entry<'a>(node: &'a mut Node, name: &str) -> Option<&'a mut Node> {
    let Value::Map(entries) = &mut node.value else { return None };
    entries.iter_mut().find(|(key, _)| key.name == name).map(|(_, node)| node)
}

/// Puts a value at a path, unless the file has one there.
pub fn set(node: &mut Node, path: &[&str], value: Value) {
    let Some((name, rest)) = path.split_first() else { return };
    let place = node.place;
    let Value::Map(entries) = &mut node.value else { return };
    let at = entries.iter().position(|(key, _)| key.name == *name);
    match (at, rest.is_empty()) {
        (Some(_), true) => {}
        (Some(at), false) => set(&mut entries[at].1, rest, value),
        (None, _) => {
            let key = Key { name: (*name).to_owned(), place };
            let mut inner =
                Node::new(if rest.is_empty() { value.clone() } else { Value::Map(Vec::new()) }, place);
            set(&mut inner, rest, value);
            entries.push((key, inner));
        }
    }
}

/// A text as a value.
pub fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// A list of `key=value`, the values percent-encoded. `Err`: a part is none.
pub fn pairs(list: &str) -> Result<Vec<(String, String)>, ()> {
    let parts = list.split(',').map(str::trim).filter(|part| !part.is_empty());
    let pair = |part: &str| {
        let (key, value) = part.split_once('=').ok_or(())?;
        let value = percent_decode_str(value.trim()).decode_utf8().map_err(drop)?;
        let key = key.trim();
        if key.is_empty() { Err(()) } else { Ok((key.to_owned(), value.into_owned())) }
    };
    parts.map(pair).collect()
}
