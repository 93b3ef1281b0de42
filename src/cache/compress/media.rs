//! Which media types are compressed.

use crate::config::{finding::Problem, values::OneOrMany};

/// A list of media types such as `application/json`, `application/*+json` and `text/*`.
#[derive(Clone, Debug)]
pub struct MediaTypes(Box<[Pattern]>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    /// `*/*`
    Any,
    /// `text/*`: the type with its slash.
    Type(Box<str>),
    /// `application/*+json`: the type with its slash, the suffix with its plus.
    Suffix(Box<str>, Box<str>),
    /// `application/json`
    One(Box<str>),
}

impl MediaTypes {
    /// Compiles the list; paths of problems are those of `types` in its section.
    pub fn compile(types: &OneOrMany<String>) -> Result<Self, Vec<Problem>> {
        let list = types.as_slice();
        if list.is_empty() {
            return Err(vec![Problem::new("types", "no media type is named, so nothing is compressed")]);
        }
        let (mut patterns, mut problems) = (Vec::new(), Vec::new());
        for (place, text) in list.iter().enumerate() {
            let path = match types {
                OneOrMany::One(_) => "types".to_owned(),
                OneOrMany::Many(_) => format!("types[{place}]"),
            };
            match Pattern::parse(text) {
                Ok(pattern) if patterns.contains(&pattern) => {
                    problems.push(Problem::new(path, format!("`{text}` is there twice")));
                }
                Ok(pattern) => patterns.push(pattern),
                Err(hint) => {
                    problems.push(Problem::new(path, format!("`{text}` is not a media type")).hint(hint));
                }
            }
        }
        if problems.is_empty() { Ok(Self(patterns.into())) } else { Err(problems) }
    }

    /// Whether a `Content-Type` is in the list. Streams of events only if they are named
    /// themselves: compression would hold events back.
    pub fn contains(&self, content_type: &[u8]) -> bool {
        let end = memchr::memchr(b';', content_type).unwrap_or(content_type.len());
        let essence = content_type[..end].trim_ascii();
        let named_only = essence.eq_ignore_ascii_case(b"text/event-stream");
        self.0.iter().any(|pattern| match pattern {
            Pattern::One(whole) => essence.eq_ignore_ascii_case(whole.as_bytes()),
            _ if named_only => false,
            Pattern::Any => memchr::memchr(b'/', essence).is_some(),
            Pattern::Type(start) => starts_with(essence, start),
            Pattern::Suffix(start, end) => {
                essence.len() > start.len() + end.len()
                    && starts_with(essence, start)
                    && ends_with(essence, end)
            }
        })
    }
}

impl Pattern {
    /// The error is advice.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.to_ascii_lowercase();
        if text.contains(';') {
            return Err("parameters such as `charset` do not count: leave them out");
        }
        let (kind, subtype) = text.split_once('/').ok_or("write a type and a subtype, such as `text/*`")?;
        match (kind, subtype) {
            ("*", "*") => Ok(Self::Any),
            ("*", _) => Err("only `*/*` leaves the type open"),
            (_, _) if !is_token(kind) => Err("write a type such as `application/json`"),
            (_, "*") => Ok(Self::Type(format!("{kind}/").into())),
            (_, _) => match subtype.strip_prefix("*+") {
                Some(suffix) if is_token(suffix) => {
                    Ok(Self::Suffix(format!("{kind}/").into(), format!("+{suffix}").into()))
                }
                None if is_token(subtype) => Ok(Self::One(text.into())),
                _ => Err("a star stands for a whole subtype, or for what comes before `+`"),
            },
        }
    }
}

/// A token (RFC 9110 section 5.6.2), but for the star.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'+-.^_`|~".contains(&byte))
}

fn starts_with(text: &[u8], start: &str) -> bool {
    text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
}

fn ends_with(text: &[u8], end: &str) -> bool {
    let tail = text.len().checked_sub(end.len()).map(|at| &text[at..]);
    tail.is_some_and(|tail| tail.eq_ignore_ascii_case(end.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(types: &[&str]) -> OneOrMany<String> {
        OneOrMany::Many(types.iter().map(|text| (*text).to_owned()).collect())
    }

    #[test]
    fn types_are_matched_without_case_and_parameters() {
        let types =
            MediaTypes::compile(&list(&["application/JSON", "application/*+json", "text/*"])).unwrap();
        let check = |value: &str, expected| assert_eq!(types.contains(value.as_bytes()), expected, "{value}");
        check("application/json", true);
        check("Application/Json ; charset=utf-8", true);
        check("application/jsonp", false);
        check("application/problem+JSON", true);
        check("application/+json", false);
        check("text/html;x", true);
        check("textual/html", false);
        check("image/png", false);
        check("", false);
    }

    #[test]
    fn streams_of_events_are_only_compressed_by_name() {
        let of = |text| MediaTypes::compile(&list(&[text])).unwrap().contains(b"text/event-stream; x");
        assert_eq!((of("text/*"), of("*/*"), of("text/event-stream")), (false, false, true));
        assert!(MediaTypes::compile(&list(&["*/*"])).unwrap().contains(b"a/b"));
    }

    #[test]
    fn every_mistake_is_reported() {
        let problems = MediaTypes::compile(&list(&[
            "text",
            "*/json",
            "text/html; charset=utf-8",
            "a b/c",
            "text/h*",
            "application/*+",
            "",
            "text/*",
            "text/*",
        ]))
        .unwrap_err();
        let paths: Vec<_> = problems.iter().map(|problem| &*problem.path).collect();
        let expected: Vec<_> =
            [0, 1, 2, 3, 4, 5, 6, 8].iter().map(|place| format!("types[{place}]")).collect();
        assert_eq!(paths, expected);
        assert_eq!(problems[0].message, "`text` is not a media type");
        assert_eq!(problems[0].hint.as_deref(), Some("write a type and a subtype, such as `text/*`"));
        assert_eq!(problems[7].message, "`text/*` is there twice");
    }

    #[test]
    fn one_type_needs_no_list_and_an_empty_list_is_a_mistake() {
        assert!(MediaTypes::compile(&OneOrMany::One("text/*".to_owned())).is_ok());
        let problems = MediaTypes::compile(&OneOrMany::One("text".to_owned())).unwrap_err();
        assert_eq!(problems[0].path, "types");
        assert!(MediaTypes::compile(&list(&[])).is_err());
    }
}
