//! Where a request carries what.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, header};
use subtle::ConstantTimeEq as _;

use super::AuthError;
use crate::{
    config::auth::{ApiKeysConfig, TokenSource},
    grammar::{cookies, query},
};

/// Whether a request carries this bearer token, and it alone. The time that takes says nothing
/// about the token.
pub fn has_bearer(headers: &HeaderMap, token: &str) -> bool {
    let given = Place::Scheme("Bearer").find(headers, None).ok().flatten();
    given.is_some_and(|given| bool::from(given.as_bytes().ct_eq(token.as_bytes())))
}

/// The largest credential taken, in bytes.
pub(super) const CREDENTIAL_MAX: usize = 8 * 1024;

/// A place in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Behind this scheme in `Authorization`.
    Scheme(&'static str),
    /// A field by itself.
    Field(HeaderName),
    /// A cookie.
    Cookie(Box<str>),
    /// A field or a query parameter.
    FieldOrQuery(Option<HeaderName>, Option<Box<str>>),
    /// Several fields together.
    Fields(Box<[HeaderName]>),
}

impl Place {
    pub fn of_token(source: &TokenSource) -> Self {
        match source {
            TokenSource::Cookie(name) => Self::Cookie(name.as_str().into()),
            TokenSource::Header(name) => match HeaderName::from_bytes(name.as_bytes()) {
                Ok(name) if name != header::AUTHORIZATION => Self::Field(name),
                // A name that is none has been reported.
                _ => Self::Scheme("Bearer"),
            },
        }
    }

    pub fn of_api_key(config: &ApiKeysConfig) -> Self {
        let header = config.header.as_deref().and_then(|name| HeaderName::from_bytes(name.as_bytes()).ok());
        Self::FieldOrQuery(header, config.query.as_deref().map(Box::from))
    }

    /// The query parameter that it may be in.
    pub fn parameter(&self) -> Option<&str> {
        match self {
            Self::FieldOrQuery(_, parameter) => parameter.as_deref(),
            _ => None,
        }
    }

    /// Whether it is a part of `Authorization`, where others may be in the way.
    pub fn is_in_authorization(&self) -> bool {
        match self {
            Self::Scheme(_) => true,
            Self::FieldOrQuery(Some(name), _) | Self::Field(name) => *name == header::AUTHORIZATION,
            Self::Fields(names) => names.contains(&header::AUTHORIZATION),
            Self::Cookie(_) | Self::FieldOrQuery(None, _) => false,
        }
    }

    /// The credential there, if there is one.
    ///
    /// # Errors
    /// More than one, one that is no text, and one that is too large.
    pub fn find<'r>(
        &self,
        headers: &'r HeaderMap,
        query: Option<&'r str>,
    ) -> Result<Option<Cow<'r, str>>, AuthError> {
        let found = match self {
            Self::Scheme(scheme) => single(headers, &header::AUTHORIZATION)?
                .and_then(|value| behind(scheme, value))
                .map(Cow::Borrowed),
            Self::Field(name) => single(headers, name)?.map(Cow::Borrowed),
            Self::Cookie(name) => one(cookies(headers, name))?.map(Cow::Borrowed),
            Self::FieldOrQuery(name, parameter) => {
                let field = name.as_ref().map(|name| single(headers, name)).transpose()?.flatten();
                let in_query = parameter.as_deref().map(|name| in_query(query, name)).transpose()?.flatten();
                match (field, in_query) {
                    (Some(_), Some(_)) => return Err(AuthError::Duplicate),
                    (Some(field), None) => Some(Cow::Borrowed(field)),
                    (None, value) => value,
                }
            }
            Self::Fields(_) => None,
        };
        let Some(bytes) = found else { return Ok(None) };
        if bytes.len() > CREDENTIAL_MAX {
            return Err(AuthError::TooLarge);
        }
        let text = match bytes {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed).ok(),
            Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).ok(),
        };
        text.filter(|text| !text.is_empty()).map(Some).ok_or(AuthError::Malformed)
    }
}

fn one<'r>(mut values: impl Iterator<Item = &'r [u8]>) -> Result<Option<&'r [u8]>, AuthError> {
    match (values.next(), values.next()) {
        (first, None) => Ok(first),
        _ => Err(AuthError::Duplicate),
    }
}

fn single<'r>(headers: &'r HeaderMap, name: &HeaderName) -> Result<Option<&'r [u8]>, AuthError> {
    one(headers.get_all(name).iter().map(|line| line.as_bytes()))
}

/// What follows a scheme (RFC 9110 section 11.4), which may be written in any letter case.
fn behind<'r>(scheme: &str, value: &'r [u8]) -> Option<&'r [u8]> {
    let (start, rest) = value.split_at_checked(scheme.len())?;
    if !start.eq_ignore_ascii_case(scheme.as_bytes()) || !matches!(rest.first(), None | Some(b' ' | b'\t')) {
        return None;
    }
    Some(rest.trim_ascii())
}

fn in_query<'r>(query: Option<&'r str>, name: &str) -> Result<Option<Cow<'r, [u8]>>, AuthError> {
    let mut values = query::all(query.unwrap_or_default(), name);
    match (values.next(), values.next()) {
        (first, None) => Ok(first),
        _ => Err(AuthError::Duplicate),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn find(
        place: &Place,
        fields: &[(&'static str, &str)],
        query: Option<&str>,
    ) -> Result<Option<String>, AuthError> {
        place.find(&headers(fields), query).map(|found| found.map(Cow::into_owned))
    }

    #[test]
    fn a_scheme_is_read_in_any_letter_case_and_others_are_not() {
        let bearer = Place::Scheme("Bearer");
        let read = |value| find(&bearer, &[("authorization", value)], None);
        assert_eq!(read("bEARER  a.b.c "), Ok(Some("a.b.c".to_owned())));
        assert_eq!(read("Basic abc"), Ok(None));
        assert_eq!(read("Bearertoken"), Ok(None));
        assert_eq!(read("Bearer"), Err(AuthError::Malformed));
        assert_eq!(find(&bearer, &[], None), Ok(None));
    }

    #[test]
    fn a_bearer_token_is_given_once_and_whole() {
        let has = |values: &[&str]| {
            let fields: Vec<_> = values.iter().map(|value| ("authorization", *value)).collect();
            has_bearer(&headers(&fields), "sesame")
        };
        assert!(has(&["Bearer sesame"]) && has(&["bearer sesame"]));
        assert!(!has(&[]) && !has(&["Bearer sesam"]) && !has(&["Basic sesame"]) && !has(&["sesame"]));
        assert!(!has(&["Bearer sesame", "Bearer sesame"]));
    }

    #[test]
    fn two_are_one_too_many() {
        let twice = [("authorization", "Bearer a"), ("authorization", "Bearer a")];
        assert_eq!(find(&Place::Scheme("Bearer"), &twice, None), Err(AuthError::Duplicate));
        let cookie = Place::Cookie("session".into());
        assert_eq!(find(&cookie, &[("cookie", "session=a; b=1")], None), Ok(Some("a".to_owned())));
        assert_eq!(find(&cookie, &[("cookie", "session=a; session=b")], None), Err(AuthError::Duplicate));
        let key = Place::FieldOrQuery(Some(HeaderName::from_static("x-api-key")), Some("key".into()));
        assert_eq!(find(&key, &[], Some("key=a%2Bb&x=1")), Ok(Some("a+b".to_owned())));
        assert_eq!(find(&key, &[], Some("key=a&k%65y=a")), Err(AuthError::Duplicate));
        assert_eq!(find(&key, &[("x-api-key", "a")], Some("key=a")), Err(AuthError::Duplicate));
    }

    #[test]
    fn large_ones_are_not_even_looked_at() {
        let large = format!("Bearer {}", "a".repeat(CREDENTIAL_MAX + 1));
        let found = find(&Place::Scheme("Bearer"), &[("authorization", &large)], None);
        assert_eq!(found, Err(AuthError::TooLarge));
    }

    proptest! {
        #[test]
        fn no_field_upsets_it(value in proptest::collection::vec(32_u8..=255, 0..40), query in ".{0,20}") {
            let mut headers = HeaderMap::new();
            if let Ok(value) = http::HeaderValue::from_bytes(&value) {
                headers.insert("authorization", value.clone());
                headers.insert("x-api-key", value.clone());
                headers.insert("cookie", value);
            }
            for place in [
                Place::Scheme("Basic"),
                Place::Cookie("a".into()),
                Place::FieldOrQuery(Some(HeaderName::from_static("x-api-key")), Some("a".into())),
            ] {
                let _ = place.find(&headers, Some(&query));
            }
        }
    }
}
