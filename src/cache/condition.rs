//! Tests of one value of a request: of a field, a cookie or a query parameter.

use regex::bytes::{Regex, RegexBuilder};

use crate::config::{
    finding::Problem,
    route::{ConditionConfig, ConditionTest},
};

/// The memory a compiled regular expression may take, in bytes.
const MAX_REGEX_SIZE: usize = 1 << 20;

/// A compiled test. It means what it means in a route's `match`.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    /// Whether there is a value.
    Present(bool),
    /// A value starts with this.
    Prefix(Box<[u8]>),
    /// A value matches as a whole.
    Regex(Regex),
    /// A value is one of these.
    OneOf(Box<[Box<[u8]>]>),
}

impl Condition {
    /// Compiles a condition.
    ///
    /// # Errors
    /// A [`Problem`] with a path relative to the condition.
    pub fn compile(config: &ConditionConfig) -> Result<Self, Problem> {
        let bytes = |text: &String| text.as_bytes().into();
        match config {
            ConditionConfig::Exact(value) => Ok(Self::OneOf([bytes(value)].into())),
            ConditionConfig::Test(ConditionTest::Present(present)) => Ok(Self::Present(*present)),
            ConditionConfig::Test(ConditionTest::Prefix(prefix)) if prefix.is_empty() => {
                Err(Problem::new("prefix", "an empty prefix holds for every value")
                    .hint("write `present: true`"))
            }
            ConditionConfig::Test(ConditionTest::Prefix(prefix)) => Ok(Self::Prefix(bytes(prefix))),
            ConditionConfig::Test(ConditionTest::OneOf(values)) if values.is_empty() => {
                Err(Problem::new("one_of", "lists nothing, so it never holds")
                    .hint("list at least one value"))
            }
            ConditionConfig::Test(ConditionTest::OneOf(values)) => {
                Ok(Self::OneOf(values.iter().map(bytes).collect()))
            }
            ConditionConfig::Test(ConditionTest::Regex(text)) => regex(text).map(Self::Regex),
        }
    }

    /// Whether any of the values passes, or for `present: false`, whether there is none.
    pub fn holds<V: AsRef<[u8]>>(&self, mut values: impl Iterator<Item = V>) -> bool {
        match self {
            Self::Present(present) => values.next().is_some() == *present,
            Self::Prefix(prefix) => values.any(|value| value.as_ref().starts_with(prefix)),
            Self::Regex(regex) => values.any(|value| regex.is_match(value.as_ref())),
            Self::OneOf(wanted) => values.any(|value| wanted.iter().any(|one| **one == *value.as_ref())),
        }
    }
}

fn regex(text: &str) -> Result<Regex, Problem> {
    let compile = |text: &str| {
        RegexBuilder::new(text).size_limit(MAX_REGEX_SIZE).dfa_size_limit(MAX_REGEX_SIZE).build()
    };
    // First as it stands: `a)|(b` must not slip out of the group put around it.
    compile(text).and_then(|_| compile(&format!(r"\A(?:{text})\z"))).map_err(|error| {
        let last = error.to_string().lines().last().unwrap_or_default().trim().to_owned();
        Problem::new("regex", format!("`{text}` is not a regular expression that can be used")).hint(last)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(test: ConditionTest, values: &[&str]) -> bool {
        Condition::compile(&ConditionConfig::Test(test)).unwrap().holds(values.iter())
    }

    #[test]
    fn each_test_does_what_it_says() {
        assert!(holds(ConditionTest::Present(true), &[""]));
        assert!(!holds(ConditionTest::Present(true), &[]));
        assert!(holds(ConditionTest::Present(false), &[]));
        assert!(holds(ConditionTest::Prefix("a".into()), &["b", "ab"]));
        assert!(holds(ConditionTest::OneOf(vec!["a".into(), "b".into()]), &["b"]));
        assert!(holds(ConditionTest::Regex("a|ab".into()), &["ab"]));
        assert!(!holds(ConditionTest::Regex("a|b".into()), &["ab"]));
        let exact = Condition::compile(&ConditionConfig::Exact("a".into())).unwrap();
        assert!(exact.holds(["a"].iter()) && !exact.holds(["A"].iter()));
    }

    #[test]
    fn what_never_or_always_holds_is_a_problem() {
        let path = |test| Condition::compile(&ConditionConfig::Test(test)).unwrap_err().path;
        assert_eq!(path(ConditionTest::Prefix(String::new())), "prefix");
        assert_eq!(path(ConditionTest::OneOf(Vec::new())), "one_of");
        assert_eq!(path(ConditionTest::Regex("a)|(b".into())), "regex");
    }
}
