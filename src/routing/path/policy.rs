//! What becomes of paths that different servers read differently.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::{Bytes, bytes_of, canonical_escapes, escape_fault, has_empty_segment};
use crate::config::traffic::{EscapedSlashes, PathsConfig};

/// The `traffic.paths:` section, compiled.
///
/// What it accepts has one meaning to every server that does the usual things:
/// merge slashes, remove dot segments, decode percent-encoded bytes once.
/// No route can be got around by writing its path with other escapes.
/// Applying it to its own result changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathPolicy {
    merge_slashes: bool,
    normalize: bool,
    keep_escaped_slashes: bool,
}

impl PathPolicy {
    /// Compiles the section.
    pub fn new(config: &PathsConfig) -> Self {
        Self {
            merge_slashes: config.merge_slashes,
            normalize: config.normalize,
            keep_escaped_slashes: config.escaped_slashes == EscapedSlashes::Keep,
        }
    }

    /// The path that is routed and sent upstream: the same one, nearly always.
    ///
    /// Slashes are merged before dot segments are removed, so that `/a//../b`
    /// is `/b`, as it is to a file system.
    ///
    /// # Errors
    /// What makes the path unfit, for the operator.
    pub fn apply<'p>(&self, path: &'p str) -> Result<Cow<'p, str>, &'static str> {
        let Bytes { escapes, dots } = bytes_of(path)?;
        if escapes && let Some(fault) = escape_fault(path, self.keep_escaped_slashes) {
            return Err(fault);
        }
        let mut path = if escapes { canonical_escapes(path) } else { Cow::Borrowed(path) };
        // `//` is one slash to some servers: it would slip past a route with a literal path.
        if has_empty_segment(&path) {
            if !self.merge_slashes {
                return Err("an empty segment");
            }
            path = Cow::Owned(merge_slashes(&path));
        }
        if (escapes || dots) && path.split('/').any(|segment| Segment::of(segment) != Segment::Name) {
            if !self.normalize {
                return Err("a dot segment");
            }
            path = Cow::Owned(remove_dot_segments(&path)?);
        }
        Ok(path)
    }
}

/// What a segment is to a server that decodes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    /// A name.
    Name,
    /// `.`
    Here,
    /// `..`
    Parent,
    /// A dot segment only for some: with `;parameters`, or behind an encoded slash.
    Disguised,
}

impl Segment {
    pub(super) fn of(segment: &str) -> Self {
        // Dots of the part that is being read; `None` once it is a name, or in its parameters.
        let mut dots = Some(0_u8);
        let mut disguised = false;
        let mut whole = true;
        for byte in percent_decode_str(segment) {
            match (byte, dots) {
                (b'/' | b'\\' | b';', _) => {
                    disguised |= matches!(dots, Some(1 | 2));
                    whole = false;
                    dots = (byte != b';').then_some(0);
                }
                (b'.', Some(count @ 0..2)) => dots = Some(count + 1),
                _ => dots = None,
            }
        }
        match dots {
            Some(1) if whole => Self::Here,
            Some(2) if whole => Self::Parent,
            Some(1 | 2) => Self::Disguised,
            _ if disguised => Self::Disguised,
            _ => Self::Name,
        }
    }
}

fn merge_slashes(path: &str) -> String {
    let mut merged = String::with_capacity(path.len());
    for character in path.chars() {
        if character != '/' || !merged.ends_with('/') {
            merged.push(character);
        }
    }
    merged
}

/// RFC 3986 section 5.2.4, but a way above the root is refused and not cut off.
fn remove_dot_segments(path: &str) -> Result<String, &'static str> {
    let mut result = String::with_capacity(path.len());
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        match Segment::of(segment) {
            Segment::Name => {
                result.push('/');
                result.push_str(segment);
                continue;
            }
            Segment::Here => {}
            Segment::Parent => {
                let parent = result.rfind('/').ok_or("a way above its root")?;
                result.truncate(parent);
            }
            Segment::Disguised => return Err("a disguised dot segment"),
        }
        if segments.peek().is_none() {
            result.push('/');
        }
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STRICT: PathPolicy =
        PathPolicy { merge_slashes: false, normalize: false, keep_escaped_slashes: false };
    const LENIENT: PathPolicy =
        PathPolicy { merge_slashes: true, normalize: true, keep_escaped_slashes: true };

    #[test]
    fn the_default_refuses_and_changes_nothing() {
        assert_eq!(PathPolicy::new(&PathsConfig::default()), STRICT);
        for path in ["/", "*", "/a/b/", "/a%20b", "/.well-known/x", "/a;b=."] {
            assert!(matches!(STRICT.apply(path), Ok(Cow::Borrowed(same)) if same == path), "{path}");
        }
        for (path, fault) in [
            ("//a", "an empty segment"),
            ("/a/../b", "a dot segment"),
            ("/a/%2E%2e/b", "a dot segment"),
            ("/a%2Fb", "an encoded slash"),
            ("/a%5cb", "an encoded backslash"),
        ] {
            assert_eq!(STRICT.apply(path), Err(fault), "{path}");
        }
    }

    #[test]
    fn slashes_are_merged_when_asked_for() {
        let policy = PathPolicy { merge_slashes: true, ..STRICT };
        for (sent, seen) in [("//", "/"), ("/a//b", "/a/b"), ("///a////b//", "/a/b/"), ("/a/b", "/a/b")] {
            assert_eq!(policy.apply(sent).as_deref(), Ok(seen), "{sent}");
        }
        assert_eq!(policy.apply("/a//../b"), Err("a dot segment"));
    }

    #[test]
    fn dot_segments_are_removed_when_asked_for() {
        let policy = PathPolicy { normalize: true, ..STRICT };
        for (sent, seen) in [
            ("/a/b/c/./../../g", "/a/g"), // the example of RFC 3986 section 5.2.4
            ("/a/..", "/"),
            ("/a/.", "/a/"),
            ("/./", "/"),
            ("/.", "/"),
            ("/a/b/../", "/a/"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/.%2e/b", "/b"),
            ("/a/...", "/a/..."),
            ("/a/.b/..c", "/a/.b/..c"),
        ] {
            assert_eq!(policy.apply(sent).as_deref(), Ok(seen), "{sent}");
        }
        for (path, fault) in [
            ("/..", "a way above its root"),
            ("/a/../..", "a way above its root"),
            ("/a/../../a", "a way above its root"),
            ("/%2e%2e/a", "a way above its root"),
            ("/a/..;x=1/b", "a disguised dot segment"),
            ("/a/.%3bx", "a disguised dot segment"),
            ("/a//../b", "an empty segment"),
        ] {
            assert_eq!(policy.apply(path), Err(fault), "{path}");
        }
    }

    #[test]
    fn encoded_slashes_are_kept_when_asked_for_but_hide_no_dot_segment() {
        let policy = PathPolicy { keep_escaped_slashes: true, ..STRICT };
        for path in ["/projects/group%2Fname", "/a%2F%2Fb", "/a%5Cb"] {
            assert_eq!(policy.apply(path).as_deref(), Ok(path));
        }
        assert_eq!(policy.apply("/%61%2fb").as_deref(), Ok("/a%2Fb"));
        assert_eq!(policy.apply("/a%2F..%2Fb"), Err("a dot segment"));
        assert_eq!(policy.apply("/a%00"), Err("an encoded NUL"));
        for path in ["/a/..%2Fb", "/a%2F..", "/a%5c..%5cb", "/..;x%2fb", "/a;x%2f.."] {
            assert_eq!(LENIENT.apply(path), Err("a disguised dot segment"), "{path}");
        }
        assert_eq!(LENIENT.apply("//a%2Fb/./c/../d%2F%2Fe").as_deref(), Ok("/a%2Fb/d%2F%2Fe"));
    }

    fn policies() -> impl Strategy<Value = PathPolicy> {
        any::<[bool; 3]>().prop_map(|[merge_slashes, normalize, keep_escaped_slashes]| PathPolicy {
            merge_slashes,
            normalize,
            keep_escaped_slashes,
        })
    }

    proptest! {
        #[test]
        fn normalising_twice_is_normalising_once(
            policy in policies(),
            path in "/([/.;a]|%2e|%2F|%5c|%3b|%25|%36|%c3){0,16}",
        ) {
            if let Ok(once) = policy.apply(&path) {
                prop_assert_eq!(policy.apply(&once), Ok(Cow::Borrowed(&*once)));
            }
        }

        /// Whoever decodes an accepted path once, and splits it at any slash, finds no dot segment.
        #[test]
        fn no_accepted_path_climbs(policy in policies(), path in "/([/.;a]|%2e|%2F|%5c|%3b){0,16}") {
            if let Ok(accepted) = policy.apply(&path) {
                prop_assert!(accepted.starts_with('/'));
                let decoded = percent_decode_str(&accepted).decode_utf8_lossy().into_owned();
                for segment in decoded.split(['/', '\\']) {
                    let name = segment.split(';').next().unwrap_or_default();
                    prop_assert!(!matches!(name, "." | ".."), "{} from {}", decoded, path);
                }
            }
        }

        /// With everything allowed, what is left is what a file system would make of it.
        #[test]
        fn only_what_was_there_is_left(path in "(/[.]{0,3}[ab]{0,2}){1,6}/?") {
            let mut expected: Vec<&str> = Vec::new();
            let mut above = false;
            for segment in path.split('/').filter(|segment| !segment.is_empty()) {
                match segment {
                    "." => {}
                    ".." => above |= expected.pop().is_none(),
                    name => expected.push(name),
                }
            }
            let seen = LENIENT.apply(&path);
            prop_assert_eq!(seen.is_err(), above);
            if let Ok(seen) = seen {
                let names: Vec<_> = seen.split('/').filter(|segment| !segment.is_empty()).collect();
                prop_assert_eq!(names, expected);
            }
        }
    }
}
