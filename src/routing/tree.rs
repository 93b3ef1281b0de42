//! The paths of one host, segment by segment.

use std::ops::ControlFlow;

use ahash::AHashMap;

use super::{
    path::split_segment,
    pattern::{PathPattern, Segment},
};

/// A tree of path patterns with a list of values at each of them.
///
/// The walk backtracks, because a route can refuse a path it matches (its
/// conditions fail): it visits at most one node per pattern, and recurses no
/// deeper than the longest pattern.
#[derive(Debug)]
pub(super) struct PathTree<V> {
    literals: AHashMap<Box<str>, Self>,
    capture: Option<Box<Self>>,
    /// The patterns that end here.
    exact: Vec<V>,
    /// The patterns that go on with `**`.
    open: Vec<V>,
}

impl<V> Default for PathTree<V> {
    fn default() -> Self {
        Self { literals: AHashMap::default(), capture: None, exact: Vec::new(), open: Vec::new() }
    }
}

impl<V> PathTree<V> {
    /// The values at a pattern. Patterns differing only in names of captures share them.
    pub fn entry(&mut self, pattern: &PathPattern) -> &mut Vec<V> {
        let mut node = self;
        for segment in pattern.segments() {
            node = match segment {
                Segment::Literal(text) => node.literals.entry(text.clone()).or_default(),
                Segment::Capture(_) => node.capture.get_or_insert_default(),
            };
        }
        if pattern.is_open() { &mut node.open } else { &mut node.exact }
    }

    /// Visits the values of the patterns that take a path, most specific first, until one breaks.
    ///
    /// A path without leading slash (`*` of `OPTIONS`, or none) is taken by `/**` only.
    pub fn walk<'t, B>(
        &'t self,
        path: &str,
        visit: &mut impl FnMut(&'t V) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        match path.strip_prefix('/') {
            Some(rest) => self.descend(Some(rest), visit),
            None => self.open.iter().try_for_each(visit),
        }
    }

    /// `rest` is what follows the slash behind this node; `None` when the path ends at it.
    fn descend<'t, B>(
        &'t self,
        rest: Option<&str>,
        visit: &mut impl FnMut(&'t V) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        match rest.map(split_segment) {
            None => self.exact.iter().try_for_each(&mut *visit)?,
            Some((segment, rest)) => {
                if let Some(child) = self.literals.get(segment) {
                    child.descend(rest, visit)?;
                }
                if let Some(child) = &self.capture
                    && !segment.is_empty()
                {
                    child.descend(rest, visit)?;
                }
            }
        }
        self.open.iter().try_for_each(visit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_visited_from_the_most_specific() {
        let mut tree = PathTree::default();
        let patterns = ["/**", "/", "/a", "/a/", "/a/**", "/{x}", "/{x}/b", "/a/{y}", "/a/{y}/c/**", "/a/b"];
        for text in patterns {
            tree.entry(&PathPattern::parse(text).unwrap()).push(text);
        }
        let check = |path: &str, expected: &[&str]| {
            let mut seen = Vec::new();
            let _ = tree.walk(path, &mut |text| {
                seen.push(*text);
                ControlFlow::<()>::Continue(())
            });
            assert_eq!(seen, expected, "{path}");
        };
        check("/", &["/", "/**"]);
        check("/a", &["/a", "/a/**", "/{x}", "/**"]);
        check("/a/", &["/a/", "/a/**", "/**"]);
        check("/ab", &["/{x}", "/**"]);
        check("/a/b", &["/a/b", "/a/{y}", "/a/**", "/{x}/b", "/**"]);
        check("/a/z/c", &["/a/{y}/c/**", "/a/**", "/**"]);
        check("//b", &["/**"]);
        check("*", &["/**"]);
        check("", &["/**"]);
    }

    #[test]
    fn names_of_captures_make_no_difference() {
        let mut tree = PathTree::default();
        for text in ["/{a}/x", "/{b}/x"] {
            tree.entry(&PathPattern::parse(text).unwrap()).push(text);
        }
        assert_eq!(tree.entry(&PathPattern::parse("/{c}/x").unwrap()), &["/{a}/x", "/{b}/x"]);
    }
}
