//! As much of PromQL as is needed to find the series that a query asks for.

/// A series asked for, and the labels it is asked by.
#[derive(Debug, PartialEq, Eq)]
pub struct Selector {
    /// The name of the metric.
    pub name: String,
    /// The labels in its braces.
    pub labels: Vec<String>,
}

const KEYWORDS: &[&str] = &["and", "or", "unless", "offset", "bool", "inf", "nan"];
const GROUPINGS: &[&str] = &["by", "without", "on", "ignoring", "group_left", "group_right"];

/// All selectors of a query, in order.
pub fn selectors(query: &str) -> Vec<Selector> {
    let mut found = Vec::new();
    let mut rest = query;
    while let Some(start) =
        rest.find(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '[' | '$' | '0'..='9'))
    {
        rest = &rest[start..];
        match rest.as_bytes()[0] {
            b'[' => rest = after(rest, ']'),
            b'$' | b'0'..=b'9' => rest = rest[1..].trim_start_matches(is_word),
            _ => {
                let (name, behind) = split_word(rest);
                rest = behind.trim_start();
                if GROUPINGS.contains(&name) {
                    // Its parentheses hold labels; `group_left` may have none.
                    rest = if rest.starts_with('(') { after(rest, ')') } else { rest };
                } else if rest.starts_with('(')
                    || KEYWORDS.contains(&name)
                    || ["by", "without"].contains(&split_word(rest).0)
                {
                    // A function, an aggregation, or an operator.
                } else {
                    let labels = rest.strip_prefix('{').map(matchers);
                    rest = labels.as_ref().map_or(rest, |(_, behind)| *behind);
                    found.push(Selector {
                        name: name.to_owned(),
                        labels: labels.map_or_else(Vec::new, |(l, _)| l),
                    });
                }
            }
        }
    }
    found
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '.')
}

fn split_word(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c| !is_word(c)).unwrap_or(text.len()))
}

fn after(text: &str, end: char) -> &str {
    text.split_once(end).map_or("", |(_, rest)| rest)
}

/// The labels before the closing brace, and what follows it.
fn matchers(mut text: &str) -> (Vec<String>, &str) {
    let mut labels = Vec::new();
    loop {
        text = text.trim_start_matches([' ', ',']);
        if let Some(rest) = text.strip_prefix('}') {
            return (labels, rest);
        }
        let (label, rest) = split_word(text);
        assert!(!label.is_empty() && rest.contains('"'), "not a matcher: {text}");
        labels.push(label.to_owned());
        text = after(after(rest, '"'), '"');
    }
}

#[test]
fn selectors_are_found_among_everything_else() {
    let query = r#"(histogram_quantile(0.99, sum by (le, x) (rate(a_bucket{job=~"$job", route!="x|y"}[5m] offset 1d)))
        / on (job) group_left b:c:rate5m > 1e3) or on() vector(0) and time() - d{}"#;
    let named = |name: &str, labels: &[&str]| Selector {
        name: name.to_owned(),
        labels: labels.iter().map(|&label| label.to_owned()).collect(),
    };
    assert_eq!(
        selectors(query),
        [named("a_bucket", &["job", "route"]), named("b:c:rate5m", &[]), named("d", &[])]
    );
}
