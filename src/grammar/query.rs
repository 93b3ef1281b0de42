//! A query as a form encodes it (`application/x-www-form-urlencoded`), pair by pair.

use std::{borrow::Cow, iter};

/// The pairs as they were sent, without empty ones.
pub fn pairs(query: &str) -> impl Iterator<Item = &str> {
    query.split('&').filter(|pair| !pair.is_empty())
}

/// The name of a pair, encoded, and its value, encoded: empty without `=`.
pub fn split(pair: &str) -> (&str, &str) {
    pair.split_once('=').unwrap_or((pair, ""))
}

/// The first value of a parameter, decoded. A parameter without `=` is empty.
///
/// Allocates only when the value has something to decode.
pub fn first<'q>(query: &'q str, name: &str) -> Option<Cow<'q, [u8]>> {
    all(query, name).next()
}

/// The values of a parameter, decoded, in the order sent.
pub fn all<'q>(query: &'q str, name: &str) -> impl Iterator<Item = Cow<'q, [u8]>> {
    pairs(query).map(split).filter(move |(raw, _)| is_named(raw, name)).map(|(_, value)| decode(value))
}

/// The query with another value for a parameter, or without it. The value is written as it is.
/// `None`: there is no such parameter.
pub fn replace(query: &str, name: &str, value: Option<&str>) -> Option<String> {
    let own = |pair: &str| is_named(split(pair).0, name);
    if !pairs(query).any(own) {
        return None;
    }
    let mut replaced = String::with_capacity(query.len());
    let value = value.map(|value| format!("{name}={value}"));
    let mut value = value.as_deref();
    // Several become one.
    for pair in pairs(query).filter_map(|pair| if own(pair) { value.take() } else { Some(pair) }) {
        if !replaced.is_empty() {
            replaced.push('&');
        }
        replaced.push_str(pair);
    }
    Some(replaced)
}

fn is_named(raw: &str, name: &str) -> bool {
    decoded(raw).eq(name.bytes())
}

/// Decoded bytes. Allocates only if there is something to decode.
pub fn decode(raw: &str) -> Cow<'_, [u8]> {
    match memchr::memchr2(b'%', b'+', raw.as_bytes()) {
        Some(_) => Cow::Owned(decoded(raw).collect()),
        None => Cow::Borrowed(raw.as_bytes()),
    }
}

/// The same, byte by byte. A `%` that starts no escape stands for itself.
pub fn decoded(raw: &str) -> impl Iterator<Item = u8> {
    let mut rest = raw.as_bytes();
    iter::from_fn(move || {
        let (&first, tail) = rest.split_first()?;
        rest = tail;
        match first {
            b'+' => Some(b' '),
            b'%' => match escape(tail) {
                Some(byte) => {
                    rest = &tail[2..];
                    Some(byte)
                }
                None => Some(b'%'),
            },
            byte => Some(byte),
        }
    })
}

fn escape(after_percent: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*after_percent.get(at)?).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_occurrence_counts_and_is_decoded() {
        let get = |query, name| first(query, name).map(|v| String::from_utf8(v.into_owned()).unwrap());
        assert_eq!(get("a=1&a=2", "a").as_deref(), Some("1"));
        assert_eq!(get("&&x&a=b=c", "a").as_deref(), Some("b=c"));
        assert_eq!(get("flag&x=1", "flag").as_deref(), Some(""));
        assert_eq!(get("q=a+b%20c%2B", "q").as_deref(), Some("a b c+"));
        assert_eq!(get("first%20name=x", "first name").as_deref(), Some("x"));
        assert_eq!(get("q=%zz%4", "q").as_deref(), Some("%zz%4"));
        assert_eq!(get("ab=1", "a"), None);
        assert_eq!(get("", ""), None);
    }

    #[test]
    fn a_parameter_is_replaced_or_taken_out() {
        let without = |query| replace(query, "k", None);
        assert_eq!(without("a=1&k=x&b=2&%6B=y").as_deref(), Some("a=1&b=2"));
        assert_eq!(without("k").as_deref(), Some(""));
        assert_eq!((without("kk=1&a=k"), without("")), (None, None));
        assert_eq!(replace("k=1&a=%20&k=2", "k", Some("v3")).as_deref(), Some("k=v3&a=%20"));
    }

    #[test]
    fn a_plain_value_is_borrowed() {
        assert!(matches!(first("a=plain", "a"), Some(Cow::Borrowed(b"plain"))));
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(text in ".{0,16}") {
            let raw = percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC).to_string();
            prop_assert_eq!(&*decode(&raw), text.as_bytes());
        }

        #[test]
        fn no_text_upsets_the_decoder(text in ".{0,16}") {
            prop_assert!(decode(&text).len() <= text.len());
        }

        #[test]
        fn a_pair_that_was_encoded_comes_back(name in ".{1,8}", value in ".{0,16}") {
            let encode = |text: &str| {
                percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
            };
            let query = format!("x=1&{}={}", encode(&name), encode(&value));
            prop_assume!(name != "x");
            let found = first(&query, &name);
            prop_assert_eq!(found.as_deref(), Some(value.as_bytes()));
        }
    }
}
