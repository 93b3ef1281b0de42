//! Tests of one value: a header field line, a cookie or a query parameter.

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};

use crate::config::{
    finding::Problem,
    route::{ConditionConfig, ConditionTest},
};

/// The memory a compiled regular expression may take, in bytes.
const MAX_REGEX_SIZE: usize = 1 << 20;

/// A compiled test.
#[derive(Clone, Debug)]
pub enum ValueTest {
    /// There is a value.
    Present,
    /// There is none.
    Absent,
    /// The value starts with this.
    Prefix(Box<[u8]>),
    /// The value matches as a whole.
    Regex {
        /// As the operator wrote it.
        text: Box<str>,
        /// The same, anchored at both ends.
        anchored: Regex,
    },
    /// The value is one of these: sorted, without duplicates.
    OneOf(Box<[Box<[u8]>]>),
}

impl ValueTest {
    /// Compiles a condition.
    ///
    /// # Errors
    /// A [`Problem`] with a path relative to the condition.
    pub fn compile(config: &ConditionConfig) -> Result<Self, Problem> {
        let test = match config {
            ConditionConfig::Exact(value) => return Ok(Self::one_of(std::slice::from_ref(value))),
            ConditionConfig::Test(test) => test,
        };
        match test {
            ConditionTest::Present(true) => Ok(Self::Present),
            ConditionTest::Present(false) => Ok(Self::Absent),
            ConditionTest::Prefix(prefix) if prefix.is_empty() => {
                Err(Problem::new("prefix", "an empty prefix holds for every value")
                    .hint("write `present: true`"))
            }
            ConditionTest::Prefix(prefix) => Ok(Self::Prefix(prefix.as_bytes().into())),
            ConditionTest::Regex(text) => Self::regex(text),
            ConditionTest::OneOf(values) if values.is_empty() => {
                Err(Problem::new("one_of", "lists nothing, so it never holds")
                    .hint("list at least one value"))
            }
            ConditionTest::OneOf(values) => Ok(Self::one_of(values)),
        }
    }

    fn one_of(values: &[String]) -> Self {
        let mut values: Vec<Box<[u8]>> = values.iter().map(|value| value.as_bytes().into()).collect();
        values.sort_unstable();
        values.dedup();
        Self::OneOf(values.into())
    }

    fn regex(text: &str) -> Result<Self, Problem> {
        let compile = |text: &str| {
            RegexBuilder::new(text).size_limit(MAX_REGEX_SIZE).dfa_size_limit(MAX_REGEX_SIZE).build()
        };
        // First as it stands: `a)|(b` must not slip out of the group put around it.
        compile(text)
            .and_then(|_| compile(&format!(r"\A(?:{text})\z")))
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => {
                    Problem::new("regex", format!("`{text}` takes more than {} MiB", MAX_REGEX_SIZE >> 20))
                        .hint("lower its counted repetitions, or use `[0-9]` instead of `\\d`")
                }
                error => Problem::new("regex", format!("`{text}` is not a regular expression"))
                    .hint(error.to_string().lines().last().unwrap_or_default().trim().to_owned()),
            })
            .map(|anchored| Self::Regex { text: text.into(), anchored })
    }

    /// Whether any of the values passes, or for [`Self::Absent`], whether there is none.
    pub fn holds<V: AsRef<[u8]>>(&self, mut values: impl Iterator<Item = V>) -> bool {
        match self {
            Self::Absent => values.next().is_none(),
            test => values.any(|value| test.passes(value.as_ref())),
        }
    }

    fn passes(&self, value: &[u8]) -> bool {
        match self {
            Self::Present => true,
            Self::Absent => false,
            Self::Prefix(prefix) => value.starts_with(prefix),
            Self::Regex { anchored, .. } => anchored.is_match(value),
            Self::OneOf(values) => values.iter().any(|one| **one == *value),
        }
    }

    /// Whether `other` certainly holds wherever this test does.
    pub fn implies(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Absent, Self::Absent) => true,
            (Self::Absent, _) | (_, Self::Absent) => false,
            (_, Self::Present) => true,
            (Self::OneOf(values), other) => values.iter().all(|value| other.passes(value)),
            (Self::Prefix(longer), Self::Prefix(shorter)) => longer.starts_with(shorter),
            (Self::Regex { text: a, .. }, Self::Regex { text: b, .. }) => a == b,
            _ => false,
        }
    }

    /// The values that must be equal to something, for checks of what can be sent.
    pub fn literals(&self) -> &[Box<[u8]>] {
        match self {
            Self::OneOf(values) => values,
            _ => &[],
        }
    }
}

/// What had to be, as the end of "is not …".
impl fmt::Display for ValueTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Present => f.write_str("present"),
            Self::Absent => f.write_str("absent"),
            Self::Prefix(prefix) => write!(f, "starting with `{}`", prefix.escape_ascii()),
            Self::Regex { text, .. } => write!(f, "matching `{text}`"),
            Self::OneOf(values) => {
                for (at, value) in values.iter().enumerate() {
                    write!(f, "{}`{}`", if at == 0 { "" } else { " or " }, value.escape_ascii())?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(config: ConditionTest) -> ValueTest {
        ValueTest::compile(&ConditionConfig::Test(config)).unwrap()
    }

    fn exact(value: &str) -> ValueTest {
        ValueTest::compile(&ConditionConfig::Exact(value.to_owned())).unwrap()
    }

    fn one_of(values: &[&str]) -> ValueTest {
        test(ConditionTest::OneOf(values.iter().map(|&v| v.to_owned()).collect()))
    }

    fn regex(text: &str) -> ValueTest {
        test(ConditionTest::Regex(text.to_owned()))
    }

    fn prefix(text: &str) -> ValueTest {
        test(ConditionTest::Prefix(text.to_owned()))
    }

    #[test]
    fn each_test_does_what_it_says() {
        let holds = |test: &ValueTest, values: &[&str]| test.holds(values.iter().map(|v| v.as_bytes()));
        assert!(holds(&exact("a"), &["b", "a"]));
        assert!(!holds(&exact("a"), &["A"]));
        assert!(holds(&one_of(&["a", "b"]), &["b"]));
        assert!(!holds(&one_of(&["a", "b"]), &["ab"]));
        assert!(holds(&prefix("ab"), &["abc"]));
        assert!(!holds(&prefix("ab"), &["a"]));
        assert!(holds(&test(ConditionTest::Present(true)), &[""]));
        assert!(!holds(&test(ConditionTest::Present(true)), &[]));
        assert!(holds(&test(ConditionTest::Present(false)), &[]));
        assert!(!holds(&test(ConditionTest::Present(false)), &[""]));
    }

    #[test]
    fn a_regex_matches_the_whole_value() {
        let holds = |text, value: &[u8]| regex(text).holds([value].into_iter());
        assert!(holds("a|ab", b"ab"));
        assert!(!holds("a|b", b"ab"));
        assert!(!holds("a", b"a\nb"));
        assert!(!holds("(?m)a$", b"a\nb"));
        assert!(holds(".*", b""));
        assert!(!holds(".*", b"\xff"));
    }

    #[test]
    fn what_cannot_hold_or_compile_is_explained() {
        let problem = |config: ConditionTest| ValueTest::compile(&ConditionConfig::Test(config)).unwrap_err();
        let text = |text: &str| ConditionTest::Regex(text.to_owned());
        for bad in ["a)|(b", "(", "(?x)a # comment", "\\"] {
            assert!(problem(text(bad)).message.contains("is not a regular expression"), "{bad}");
        }
        assert!(problem(text(r"(\w{100}){100}")).message.contains("more than 1 MiB"));
        assert_eq!(problem(ConditionTest::OneOf(vec![])).path, "one_of");
        assert_eq!(problem(ConditionTest::Prefix(String::new())).path, "prefix");
    }

    #[test]
    fn implication_is_certain() {
        let present = test(ConditionTest::Present(true));
        let absent = test(ConditionTest::Present(false));
        for (stronger, weaker) in [
            (exact("a"), one_of(&["b", "a"])),
            (one_of(&["a", "b", "a"]), one_of(&["b", "a"])),
            (one_of(&["ab", "ac"]), prefix("a")),
            (one_of(&["1", "22"]), regex("[0-9]+")),
            (prefix("ab"), prefix("a")),
            (regex("a+"), regex("a+")),
            (regex("a+"), present.clone()),
            (absent.clone(), absent.clone()),
        ] {
            assert!(stronger.implies(&weaker), "{stronger} implies {weaker}");
        }
        for (one, other) in [
            (one_of(&["b", "a"]), exact("a")),
            (one_of(&["ab", "b"]), prefix("a")),
            (prefix("a"), prefix("ab")),
            (regex("a+"), regex("a*")),
            (present, absent.clone()),
            (absent, exact("a")),
        ] {
            assert!(!one.implies(&other), "{one} does not imply {other}");
        }
    }
}
