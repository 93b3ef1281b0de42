//! Path patterns, and what they captured.

use super::path::{canonical_escapes, split_segment, suspicious};
use crate::config::{finding::Problem, route::MatchConfig};

/// The most segments a pattern may have: bounds the depth of a lookup.
const MAX_SEGMENTS: usize = 32;

/// The name under which what `**` took is known.
pub(super) const REST: &str = "rest";

/// Names that mean something else in templates, so no capture can have them.
const RESERVED: [&str; 4] = [REST, "path", "query", "host"];

/// One segment of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    /// Exactly this text.
    Literal(Box<str>),
    /// Any segment that is not empty, known by this name.
    Capture(Box<str>),
}

/// The paths a route takes: `/a`, `/a/**` or `/a/{id}/b`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    text: Box<str>,
    segments: Box<[Segment]>,
    /// Whether it ends in `**`.
    open: bool,
}

impl PathPattern {
    /// Reads a pattern as the operator wrote it.
    ///
    /// # Errors
    /// A [`Problem`] with an empty path.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let problem = |what: &str| Problem::new("", format!("`{text}` {what}"));
        let Some(rest) = text.strip_prefix('/') else {
            return Err(problem("does not start with `/`").hint(format!("write `/{text}`")));
        };
        if text.contains('?') {
            return Err(problem("has a query").hint("put query parameters under `query`"));
        }
        if let Some(reason) = suspicious(text) {
            return Err(problem(&format!("has {reason}, which no pattern can name")).hint(
                "write the path percent-encoded and without dot segments; `{name}` takes any segment",
            ));
        }
        let (parts, open) = match rest.strip_suffix("**") {
            Some("") => (None, true),
            Some(before) if before.ends_with('/') => (before.strip_suffix('/'), true),
            _ => (Some(rest), false),
        };
        let mut segments: Vec<Segment> = Vec::new();
        let texts: Vec<&str> = parts.iter().flat_map(|parts| parts.split('/')).collect();
        for (at, part) in texts.iter().enumerate() {
            if part.is_empty() && (open || at + 1 < texts.len()) {
                return Err(problem("has an empty segment").hint("write single slashes"));
            }
            segments.push(segment(part, &segments).map_err(|(what, hint)| problem(&what).hint(hint))?);
        }
        if segments.len() > MAX_SEGMENTS {
            return Err(problem(&format!("has more than {MAX_SEGMENTS} segments")));
        }
        Ok(Self { text: text.into(), segments: segments.into(), open })
    }

    /// Every path: `/**`.
    pub fn any() -> Self {
        Self { text: "/**".into(), segments: Box::default(), open: true }
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Whether some path it takes starts with these segments.
    pub(super) fn may_start_with<'p>(&self, mut prefix: impl Iterator<Item = &'p str>) -> bool {
        let mut segments = self.segments.iter();
        prefix.all(|text| match segments.next() {
            Some(Segment::Literal(literal)) => **literal == *text,
            Some(Segment::Capture(_)) => !text.is_empty(),
            None => self.open,
        })
    }

    /// The names it captures, `rest` among them when it ends in `**`.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let captures = self.segments.iter().filter_map(|segment| match segment {
            Segment::Capture(name) => Some(&**name),
            Segment::Literal(_) => None,
        });
        captures.chain(self.open.then_some(REST))
    }
}

/// Reads one segment; `before` are those to its left.
fn segment(part: &str, before: &[Segment]) -> Result<Segment, (String, String)> {
    if part.contains('*') {
        return Err((
            "has `*` in an odd place".to_owned(),
            "`**` is only possible as the last segment; use `{name}` for one segment".to_owned(),
        ));
    }
    let Some(name) = part.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')) else {
        if part.contains(['{', '}']) {
            return Err((
                format!("has `{part}`, which is no capture"),
                "a capture is a whole segment, such as `/{id}/`".to_owned(),
            ));
        }
        return Ok(Segment::Literal(canonical_escapes(part).into()));
    };
    let identifier = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && name.bytes().next().is_some_and(|first| !first.is_ascii_digit());
    if !identifier {
        return Err((
            format!("captures `{name}`, which is not a name"),
            "use letters, digits and `_`, with a letter first".to_owned(),
        ));
    }
    if RESERVED.contains(&name) {
        return Err((
            format!("captures `{name}`, a name with a meaning of its own"),
            format!("choose another name than {}", RESERVED.map(|r| format!("`{r}`")).join(", ")),
        ));
    }
    let capture = Segment::Capture(name.into());
    if before.contains(&capture) {
        return Err((format!("captures `{name}` twice"), "give each capture its own name".to_owned()));
    }
    Ok(capture)
}

/// The paths of a route.
///
/// `None` when one cannot be read: the route table reports that.
pub(super) fn patterns_of(matches: &MatchConfig) -> Option<Vec<PathPattern>> {
    match &matches.path {
        None => Some(vec![PathPattern::any()]),
        Some(texts) => texts.as_slice().iter().map(|text| PathPattern::parse(text).ok()).collect(),
    }
}

/// The names that every path of a route captures. `None` as for [`patterns_of`].
pub(super) fn names_of(matches: &MatchConfig) -> Option<Vec<String>> {
    let patterns = patterns_of(matches)?;
    let (first, others) = patterns.split_first()?;
    let mut names: Vec<String> = first.names().map(str::to_owned).collect();
    names.retain(|name| others.iter().all(|pattern| pattern.names().any(|other| other == name)));
    Some(names)
}

/// The names that every path of a route captures; none where a pattern is no pattern.
pub fn captures_of(matches: &MatchConfig) -> Vec<String> {
    names_of(matches).unwrap_or_default()
}

/// What a pattern captured from a path.
///
/// Two references: the slices are cut when asked for, so that a route which
/// captures but never uses it costs nothing.
#[derive(Clone, Copy, Debug)]
pub struct Captures<'t, 'r> {
    pattern: &'t PathPattern,
    path: &'r str,
}

impl<'t, 'r> Captures<'t, 'r> {
    /// The captures of a path that the pattern is known to take.
    pub(super) fn new(pattern: &'t PathPattern, path: &'r str) -> Self {
        Self { pattern, path }
    }

    /// What was captured under a name, as it was sent; `rest` is what `**` took.
    pub fn get(&self, name: &str) -> Option<&'r str> {
        self.iter().find(|(captured, _)| *captured == name).map(|(_, value)| value)
    }

    /// All names and values, from left to right.
    pub fn iter(&self) -> impl Iterator<Item = (&'t str, &'r str)> + use<'t, 'r> {
        let mut rest = Some(self.path.strip_prefix('/').unwrap_or(self.path));
        let mut segments = self.pattern.segments.iter();
        let mut open = self.pattern.open;
        std::iter::from_fn(move || {
            for segment in segments.by_ref() {
                let (text, after) = split_segment(rest.unwrap_or_default());
                rest = after;
                if let Segment::Capture(name) = segment {
                    return Some((&**name, text));
                }
            }
            std::mem::take(&mut open).then(|| (REST, rest.unwrap_or_default()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::values::OneOrMany;

    #[test]
    fn what_is_no_pattern_is_explained() {
        for (text, part) in [
            ("a", "write `/a`"),
            ("", "write `/`"),
            ("/a?b=1", "under `query`"),
            ("/a/../b", "without dot segments"),
            ("/a b", "percent-encoded"),
            ("/a//b", "single slashes"),
            ("/a//**", "single slashes"),
            ("/a/**/b", "only possible as the last segment"),
            ("/a**", "only possible as the last segment"),
            ("/*", "only possible as the last segment"),
            ("/x-{id}", "a whole segment"),
            ("/{", "a whole segment"),
            ("/{}", "a letter first"),
            ("/{1a}", "a letter first"),
            ("/{a-b}", "a letter first"),
            ("/{rest}/**", "choose another name"),
            ("/{host}", "choose another name"),
            ("/{a}/{a}", "its own name"),
        ] {
            let problem = PathPattern::parse(text).unwrap_err();
            assert!(problem.hint.clone().unwrap().contains(part), "{text}: {problem:?}");
        }
        assert!(PathPattern::parse(&"/a".repeat(MAX_SEGMENTS)).is_ok());
        assert!(PathPattern::parse(&"/a".repeat(MAX_SEGMENTS + 1)).is_err());
    }

    #[test]
    fn captures_are_slices_of_the_path() {
        let check = |pattern: &str, path: &str, expected: &[(&str, &str)]| {
            let pattern = PathPattern::parse(pattern).unwrap();
            let captures = Captures::new(&pattern, path);
            assert_eq!(captures.iter().collect::<Vec<_>>(), expected, "{path}");
            for (name, value) in expected {
                assert_eq!(captures.get(name), Some(*value));
            }
            assert_eq!(captures.get("unknown"), None);
        };
        check("/a", "/a", &[]);
        check("/api/{version}/p/{id}", "/api/v1/p/42", &[("version", "v1"), ("id", "42")]);
        check("/{a}/**", "/x/y//z/", &[("a", "x"), ("rest", "y//z/")]);
        check("/a/**", "/a", &[("rest", "")]);
        check("/a/**", "/a/", &[("rest", "")]);
        check("/**", "/", &[("rest", "")]);
        check("/**", "*", &[("rest", "*")]);
        check("/**", "//x", &[("rest", "/x")]);
    }

    #[test]
    fn a_prefix_no_path_can_have_is_known() {
        let may = |pattern: &str, prefix: &str| {
            PathPattern::parse(pattern).unwrap().may_start_with(prefix[1..].split('/'))
        };
        assert!(may("/api/**", "/api/v1"));
        assert!(may("/{x}/b", "/api"));
        assert!(!may("/api/**", "/apis"));
        assert!(!may("/api", "/api/v1"));
    }

    #[test]
    fn only_what_every_path_captures_can_be_used() {
        let names = |paths: &[&str]| {
            let path = Some(OneOrMany::Many(paths.iter().map(|&p| p.to_owned()).collect()));
            names_of(&MatchConfig { path, ..MatchConfig::default() })
        };
        assert_eq!(names(&["/{a}/{b}/**", "/x/{b}"]), Some(vec!["b".to_owned()]));
        assert_eq!(names(&["/{a}", "b"]), None);
        assert_eq!(names_of(&MatchConfig::default()), Some(vec!["rest".to_owned()]));
    }
}
