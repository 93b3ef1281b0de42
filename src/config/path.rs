//! Paths through a configuration: how a problem names a place, and how the
//! place is found again.

use super::tree::{Node, Place, Value};

/// Appends a key to a path, in quotes when it would read as something else.
pub fn push_key(path: &mut String, key: &str) {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if key.is_empty() || !key.bytes().all(plain) {
        path.push_str(&format!("[{key:?}]"));
    } else {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(key);
    }
}

/// A path with one more key.
pub fn key(path: &str, key: &str) -> String {
    let mut path = path.to_owned();
    push_key(&mut path, key);
    path
}

/// What a path leads to.
pub(super) struct Found<'a> {
    /// The node at the path, or the nearest ancestor that exists.
    pub node: &'a Node,
    /// Where to point: at a scalar itself, at the key of a map or list.
    pub place: Place,
    /// Whether the node, or anything on the way to it, is a stand-in.
    pub repaired: bool,
}

/// Follows a path as far as it exists.
pub(super) fn find<'a>(root: &'a Node, path: &str) -> Found<'a> {
    let mut found = Found { node: root, place: root.place, repaired: root.repaired };
    let mut rest = path;
    while !rest.is_empty() {
        let step = match &found.node.value {
            Value::List(items) => list_step(items, rest),
            Value::Map(_) => map_step(found.node, rest),
            _ => None,
        };
        let Some((node, place, after)) = step else { break };
        found = Found { node, place, repaired: found.repaired || node.repaired };
        rest = after;
    }
    found
}

type Step<'a, 'p> = (&'a Node, Place, &'p str);

fn list_step<'a, 'p>(items: &'a [Node], rest: &'p str) -> Option<Step<'a, 'p>> {
    let (index, after) = rest.strip_prefix('[')?.split_once(']')?;
    let node = items.get(index.parse::<usize>().ok()?)?;
    Some((node, node.place, after))
}

/// The longest key that fits is taken: names may hold dots, and not every
/// caller quotes them.
fn map_step<'a, 'p>(map: &'a Node, rest: &'p str) -> Option<Step<'a, 'p>> {
    let rest = rest.strip_prefix('.').unwrap_or(rest);
    let fits = |name: &str| {
        let quoted = format!("[{name:?}]");
        let after = rest.strip_prefix(&quoted).or_else(|| rest.strip_prefix(name))?;
        (after.is_empty() || after.starts_with(['.', '['])).then_some(after)
    };
    let candidates =
        map.entries().iter().filter_map(|(key, node)| fits(&key.name).map(|after| (key, node, after)));
    let (key, node, after) = candidates.min_by_key(|(_, _, after)| after.len())?;
    let container = matches!(node.value, Value::List(_) | Value::Map(_));
    Some((node, if container { key.place } else { node.place }, after))
}

/// A mutable step by key or index, for repairs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    Key(String),
    Index(usize),
}

/// Segments as a path.
pub(super) fn print(segments: &[Segment]) -> String {
    let mut path = String::new();
    for segment in segments {
        match segment {
            Segment::Key(name) => push_key(&mut path, name),
            Segment::Index(index) => path.push_str(&format!("[{index}]")),
        }
    }
    path
}

/// The node that segments lead to.
pub(super) fn find_mut<'a>(root: &'a mut Node, segments: &[Segment]) -> Option<&'a mut Node> {
    let mut node = root;
    for segment in segments {
        node = match (segment, &mut node.value) {
            (Segment::Key(name), Value::Map(entries)) => {
                &mut entries.iter_mut().find(|(key, _)| key.name == *name)?.1
            }
            (Segment::Index(index), Value::List(items)) => items.get_mut(*index)?,
            _ => return None,
        };
    }
    Some(node)
}

#[cfg(test)]
mod tests {
    use super::{super::tree::parse, *};

    fn line_of(path: &str) -> (usize, usize) {
        let text = "traffic:\n  upstreams:\n    a.b:\n      backends: [x:1, y:2]\n    a: { backends: [] }\n";
        let place = find(&parse(text, 0).unwrap(), path).place;
        (place.line, place.column)
    }

    #[test]
    fn a_path_leads_to_its_place() {
        assert_eq!(line_of("traffic.upstreams.a.b.backends[1]"), (4, 23));
        assert_eq!(line_of("traffic.upstreams[\"a.b\"].backends[0]"), (4, 18));
        assert_eq!(line_of("traffic.upstreams.a"), (5, 5));
    }

    #[test]
    fn a_path_that_ends_early_leads_to_the_nearest_ancestor() {
        assert_eq!(line_of("traffic.upstreams.a.b.tls.ca"), (3, 5));
        assert_eq!(line_of("traffic.upstreams.a.backends[7]"), (5, 10));
        assert_eq!(line_of("process.listeners"), (1, 1));
    }

    #[test]
    fn odd_keys_are_quoted() {
        assert_eq!(key("set", "X-A"), "set.X-A");
        assert_eq!(key("upstreams", "a.b"), "upstreams[\"a.b\"]");
        assert_eq!(print(&[Segment::Key("a".into()), Segment::Index(2)]), "a[2]");
    }
}
