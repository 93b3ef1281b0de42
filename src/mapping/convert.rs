//! Scalars from one type to another, digit for digit.

use std::borrow::Cow;

use super::{scan, value};
use crate::config::mapping::ScalarType;

/// The scalar in another type, or as it is if it has that type; `None` if it cannot have it.
pub fn convert(scalar: &str, to: ScalarType) -> Option<Cow<'_, str>> {
    let inside = scalar.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).map(value::decode);
    match (to, inside.as_deref()) {
        (ScalarType::String, Some(_)) => Some(Cow::Borrowed(scalar)),
        (ScalarType::String, None) => Some(Cow::Owned(format!("\"{scalar}\""))),
        (ScalarType::Number, Some(text)) if is_number(text) => Some(Cow::Owned(text.to_owned())),
        (ScalarType::Number, None) if is_number(scalar) => Some(Cow::Borrowed(scalar)),
        (ScalarType::Number, _) => None,
        (ScalarType::Boolean, None) if matches!(scalar, "true" | "false") => Some(Cow::Borrowed(scalar)),
        (ScalarType::Boolean, text) => match text.unwrap_or(scalar) {
            "true" | "1" => Some(Cow::Owned("true".to_owned())),
            "false" | "0" => Some(Cow::Owned("false".to_owned())),
            _ => None,
        },
    }
}

/// What a value would have to be.
pub fn expected(to: ScalarType) -> &'static str {
    match to {
        ScalarType::Number => "a number",
        ScalarType::String => "text, a number or a boolean",
        ScalarType::Boolean => "a boolean",
    }
}

fn is_number(text: &str) -> bool {
    text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
        && text.ends_with(|last: char| last.is_ascii_digit())
        && scan::scan(text.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stay() {
        let number = |scalar| convert(scalar, ScalarType::Number).map(Cow::into_owned);
        assert_eq!(number("\"1.50\"").as_deref(), Some("1.50"));
        assert_eq!(number("-1e400").as_deref(), Some("-1e400"));
        for bad in ["\"\"", "\"01\"", "\" 1\"", "\"1 \"", "\"[1,1\"", "\"1x\"", "true", "\"NaN\""] {
            assert_eq!(number(bad), None, "{bad}");
        }
        let string = |scalar| convert(scalar, ScalarType::String).map(Cow::into_owned);
        assert_eq!(string("12345678901234567890.0").as_deref(), Some("\"12345678901234567890.0\""));
        assert_eq!(string("true").as_deref(), Some("\"true\""));
        assert_eq!(string("\"\\u0041\"").as_deref(), Some("\"\\u0041\""));
    }

    #[test]
    fn booleans_have_six_forms() {
        let boolean = |scalar| convert(scalar, ScalarType::Boolean).map(Cow::into_owned);
        for (scalar, expected) in
            [("true", "true"), ("\"false\"", "false"), ("1", "true"), ("\"0\"", "false")]
        {
            assert_eq!(boolean(scalar).as_deref(), Some(expected), "{scalar}");
        }
        for bad in ["2", "\"yes\"", "\"TRUE\"", "1.0"] {
            assert_eq!(boolean(bad), None, "{bad}");
        }
    }
}
