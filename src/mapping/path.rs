//! Where in a body: JSON Pointers (RFC 6901) with `*` for each element of an array.

use std::fmt;

use super::{
    plan::{MappingError, Verdict},
    tree::{Member, Node},
    value::Name,
};

/// Steps of a path.
const MAX_STEPS: usize = 32;

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// To the member of this name, or the element of this index.
    Name(Name),
    /// To each element.
    Each,
}

/// A path from the top of a body, or from an element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(pub Vec<Segment>);

impl Path {
    /// Reads a pointer, or a name that stands for a member at the top.
    ///
    /// # Errors
    /// What is wrong with it, and what to do.
    pub fn parse(text: &str) -> Result<Self, (String, &'static str)> {
        let Some(pointer) = text.strip_prefix('/') else {
            return match text {
                "" => Err(("an empty path names nothing".to_owned(), "write `/name`")),
                "*" => Ok(Self(vec![Segment::Each])),
                name if name.contains('/') => {
                    Err((format!("`{name}` is no path"), "a path with several names starts with `/`"))
                }
                name => Ok(Self(vec![Segment::Name(Name::new(name))])),
            };
        };
        let segments: Option<Vec<Segment>> = pointer.split('/').map(segment).collect();
        match segments {
            None => {
                Err((format!("`{text}` has a `~` that is no escape"), "write `~0` for `~` and `~1` for `/`"))
            }
            Some(segments) if segments.len() > MAX_STEPS => {
                Err((format!("`{text}` is too long"), "a path has at most 32 names"))
            }
            Some(segments) => Ok(Self(segments)),
        }
    }

    /// The path with one more name.
    #[must_use]
    pub fn join(&self, name: &Name) -> Self {
        Self([self.0.as_slice(), &[Segment::Name(name.clone())]].concat())
    }

    /// Whether the other is this place or below it.
    pub fn covers(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }

    /// The part up to the last `*`, and the names behind it.
    pub fn scope(&self) -> (&[Segment], Vec<Name>) {
        let at = self.0.iter().rposition(|segment| *segment == Segment::Each).map_or(0, |at| at + 1);
        let (scope, names) = self.0.split_at(at);
        let name = |segment: &Segment| match segment {
            Segment::Name(name) => Some(name.clone()),
            Segment::Each => None,
        };
        (scope, names.iter().filter_map(name).collect())
    }
}

fn segment(text: &str) -> Option<Segment> {
    if text == "*" {
        return Some(Segment::Each);
    }
    let mut name = String::with_capacity(text.len());
    let mut parts = text.split('~');
    name.push_str(parts.next()?);
    for part in parts {
        name.push(match part.as_bytes().first()? {
            b'0' => '~',
            b'1' => '/',
            _ => return None,
        });
        name.push_str(&part[1..]);
    }
    Some(Segment::Name(Name::new(&name)))
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.0 {
            match segment {
                Segment::Name(name) => write!(f, "/{}", name.text().replace('~', "~0").replace('/', "~1"))?,
                Segment::Each => f.write_str("/*")?,
            }
        }
        Ok(())
    }
}

/// What is done with a value that was found.
pub type Visit<'v, 'a> = dyn FnMut(&mut Node<'a>) -> Result<Verdict, MappingError> + 'v;

/// Goes to every value that a path leads to. What is not there is not visited.
///
/// # Errors
/// Those of the visit, which ends there.
pub fn visit<'a>(
    node: &mut Node<'a>,
    path: &[Segment],
    act: &mut Visit<'_, 'a>,
) -> Result<Verdict, MappingError> {
    let Some((first, rest)) = path.split_first() else { return act(node) };
    match first {
        Segment::Name(name) => {
            let verdict = match node.child(name) {
                Some(child) => visit(child, rest, act)?,
                None => Verdict::Keep,
            };
            if verdict == Verdict::Remove {
                node.take(name);
            }
        }
        Segment::Each => {
            let Some(elements) = node.elements() else { return Ok(Verdict::Keep) };
            let mut failed = None;
            elements.retain_mut(|element| match visit(element, rest, act) {
                _ if failed.is_some() => true,
                Ok(verdict) => verdict == Verdict::Keep,
                Err(error) => {
                    failed = Some(error);
                    true
                }
            });
            if let Some(error) = failed {
                return Err(error);
            }
        }
    }
    Ok(Verdict::Keep)
}

/// Takes the value that names lead to.
pub fn take<'a>(node: &mut Node<'a>, names: &[Name]) -> Option<Node<'a>> {
    let (last, parents) = names.split_last()?;
    let mut node = node;
    for name in parents {
        node = node.child(name)?;
    }
    node.take(last)
}

/// What is done about a value that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occupied {
    /// It is replaced.
    Replace,
    /// It stays, and the new one is dropped.
    Keep,
    /// The body cannot be mapped.
    Fail,
}

/// Puts a value where names lead to. Objects that are missing on the way are made.
///
/// # Errors
/// If something that is no object is in the way, or the place is taken.
pub fn put<'a>(
    node: &mut Node<'a>,
    names: &'a [Name],
    value: Node<'a>,
    occupied: Occupied,
) -> Result<(), MappingError> {
    let Some((last, parents)) = names.split_last() else {
        *node = value;
        return Ok(());
    };
    let members = enter(node, parents)?;
    match members.iter_mut().find(|member| last.is(&member.key)) {
        None => members.push(Member { key: last.key(), value }),
        Some(member) if occupied == Occupied::Replace => member.value = value,
        Some(_) if occupied == Occupied::Keep => {}
        Some(_) => return Err(MappingError::taken(last.text())),
    }
    Ok(())
}

/// The members of the object that names lead to. Objects that are missing on the way are made.
///
/// # Errors
/// If something that is no object is in the way.
pub fn enter<'n, 'a>(
    node: &'n mut Node<'a>,
    names: &'a [Name],
) -> Result<&'n mut Vec<Member<'a>>, MappingError> {
    let mut node = node;
    let mut here = "";
    for name in names {
        here = name.text();
        if node.is_object() {
            let members = node.members().ok_or_else(|| MappingError::in_the_way(here))?;
            let at = match members.iter().position(|member| name.is(&member.key)) {
                Some(at) => at,
                None => {
                    members.push(Member { key: name.key(), value: Node::Object(Vec::new()) });
                    members.len() - 1
                }
            };
            node = &mut members[at].value;
        } else {
            node = node.child(name).ok_or_else(|| MappingError::in_the_way(name.text()))?;
        }
        if node.is_null() {
            *node = Node::Object(Vec::new());
        }
    }
    node.members().ok_or_else(|| MappingError::in_the_way(here))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_and_names_are_read() {
        let print = |text| Path::parse(text).map(|path| path.to_string());
        assert_eq!(print("a.b"), Ok("/a.b".to_owned()));
        assert_eq!(print("/a/*/b~1c~0d/0"), Ok("/a/*/b~1c~0d/0".to_owned()));
        assert_eq!(print("*"), Ok("/*".to_owned()));
        assert_eq!(print("/"), Ok("/".to_owned()));
        for bad in ["", "a/b", "/a~", "/a~2b", &"/a".repeat(33)] {
            assert!(print(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_scope_ends_with_the_last_star() {
        let path = Path::parse("/a/*/b/c").unwrap();
        let (scope, names) = path.scope();
        assert_eq!((scope.len(), names.iter().map(Name::text).collect::<Vec<_>>()), (2, vec!["b", "c"]));
        assert!(path.covers(&Path::parse("/a/*/b/c/d").unwrap()));
        assert!(!path.covers(&Path::parse("/a/*/b").unwrap()));
    }
}
