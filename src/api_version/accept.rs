//! Versions in vendor media types: `application/vnd.nilecare.v1+json` (RFC 6838 section 3.2).

use std::iter;

use http::HeaderMap;
use mediatype::MediaType;

/// Media ranges of a request that are looked at; what comes behind them is not asked for.
const MAX_RANGES: usize = 64;
/// The weight of a media range that states none, in thousandths.
const MAX_WEIGHT: u16 = 1000;

/// What `Accept` says of versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepted<'a> {
    /// Nothing: there is no vendor media type, or a plain one is preferred.
    Plain,
    /// This version, as it was written.
    Version(&'a str),
    /// No version that is known: only vendor media types with others.
    Unknown,
}

/// The version that is preferred of those that `known` takes (RFC 9110 section 12.5.1).
///
/// A media type with a version comes before a plain one of the same weight, the first before
/// the later. What is no media type is passed over.
pub(super) fn accepted<'a>(
    headers: &'a HeaderMap,
    vendor: &str,
    known: impl Fn(&str) -> bool,
) -> Accepted<'a> {
    let mut best: (u16, Accepted<'a>) = (0, Accepted::Plain);
    let (mut plain, mut unknown) = (0, false);
    for range in ranges_of(headers) {
        if let Some(version) = bare_version(range, vendor).filter(|version| known(version)) {
            best = (MAX_WEIGHT, Accepted::Version(version));
            break;
        }
        let Some(range) = concerned(range) else { continue };
        let weight = weight(&range);
        match version(&range, vendor) {
            Some(version) if known(version) && weight > best.0 => best = (weight, Accepted::Version(version)),
            Some(version) if !known(version) && weight > 0 => unknown = true,
            Some(_) => {}
            None if takes_json(&range) => plain = plain.max(weight),
            None => {}
        }
        if best.0 == MAX_WEIGHT {
            break;
        }
    }
    match best {
        (weight, version) if weight > 0 && weight >= plain => version,
        _ if plain == 0 && unknown => Accepted::Unknown,
        _ => Accepted::Plain,
    }
}

/// Whether a media type of this vendor's is among those accepted, with a version or without.
pub(super) fn names_vendor(headers: &HeaderMap, vendor: &str) -> bool {
    ranges_of(headers).filter_map(concerned).any(|range| of_vendor(&range, vendor).is_some())
}

/// The media ranges of `Accept`.
fn ranges_of(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(http::header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(ranges).take(MAX_RANGES)
}

/// The members of a list.
fn ranges(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(line);
    iter::from_fn(move || {
        let line = rest?;
        let end = end_of_range(line.as_bytes());
        rest = line.get(end + 1..);
        Some(line[..end].trim_matches([' ', '\t']))
    })
}

/// Where the first member of a list ends; a comma within a quoted string does not part them.
fn end_of_range(line: &[u8]) -> usize {
    let end = match memchr::memchr2(b',', b'"', line) {
        Some(at) if line[at] == b'"' => {
            let (mut quoted, mut escaped) = (false, false);
            line.iter().position(|byte| {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' => escaped = quoted,
                    b'"' => quoted = !quoted,
                    _ => return *byte == b',' && !quoted,
                }
                false
            })
        }
        end => end,
    };
    end.unwrap_or(line.len())
}

/// The version of a media type that says nothing else, such as `application/vnd.nilecare.v1+json`:
/// what most clients send, read without taking it apart.
fn bare_version<'a>(range: &'a str, vendor: &str) -> Option<&'a str> {
    let (start, rest) = range.split_at_checked("application/vnd.".len())?;
    let (name, rest) = rest.split_at_checked(vendor.len())?;
    let version = rest.strip_prefix('.')?;
    let version = version.strip_suffix("+json").unwrap_or(version);
    let ours = start.eq_ignore_ascii_case("application/vnd.") && name.eq_ignore_ascii_case(vendor);
    (ours && version.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(version)
}

/// A media range that can decide. The others are not read further: most of what browsers
/// send is neither a vendor's nor JSON.
fn concerned(range: &str) -> Option<MediaType<'_>> {
    let prefix = range.get(.."application/".len()).unwrap_or(range);
    let concerned = prefix.starts_with("*/*") || prefix.eq_ignore_ascii_case("application/");
    concerned.then(|| MediaType::parse(range).ok()).flatten()
}

/// Whether a media type is one of this vendor's, with a version or without.
pub(super) fn is_vendors(media_type: &str, vendor: &str) -> bool {
    MediaType::parse(media_type).is_ok_and(|media_type| of_vendor(&media_type, vendor).is_some())
}

/// What stands behind the vendor's name: empty, or `.v1`.
fn of_vendor<'a>(media_type: &MediaType<'a>, vendor: &str) -> Option<&'a str> {
    let application = media_type.ty == mediatype::names::APPLICATION;
    let rest = media_type.subty.as_str();
    let (tree, rest) = rest.split_at_checked("vnd.".len())?;
    let (name, rest) = rest.split_at_checked(vendor.len())?;
    let ours = application && tree.eq_ignore_ascii_case("vnd.") && name.eq_ignore_ascii_case(vendor);
    (ours && (rest.is_empty() || rest.starts_with('.'))).then_some(rest)
}

/// The version of a vendor media type: in its name, or in its parameter `version`.
fn version<'a>(media_type: &MediaType<'a>, vendor: &str) -> Option<&'a str> {
    match of_vendor(media_type, vendor)?.strip_prefix('.') {
        Some(version) => Some(version),
        None => Some(parameter(media_type, "version")?.trim_matches('"')),
    }
}

/// Whether a media range takes JSON without a version.
fn takes_json(range: &MediaType<'_>) -> bool {
    match (range.ty.as_str(), range.subty.as_str()) {
        ("*", "*") => true,
        (kind, name) => {
            kind.eq_ignore_ascii_case("application") && (name == "*" || name.eq_ignore_ascii_case("json"))
        }
    }
}

/// The weight of a media range in thousandths (RFC 9110 section 12.4.2); 0 for one that is none.
fn weight(range: &MediaType<'_>) -> u16 {
    let Some(text) = parameter(range, "q") else { return MAX_WEIGHT };
    let (whole, thousandths) = text.split_once('.').unwrap_or((text, ""));
    if thousandths.len() > 3 || !thousandths.bytes().all(|byte| byte.is_ascii_digit()) {
        return 0;
    }
    let digits = thousandths.bytes().chain(std::iter::repeat(b'0')).take(3);
    let weight = digits.fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    match (whole, weight) {
        ("0", weight) => weight,
        ("1", 0) => MAX_WEIGHT,
        _ => 0,
    }
}

/// The last value of a parameter.
fn parameter<'a>(media_type: &MediaType<'a>, name: &str) -> Option<&'a str> {
    let named = media_type.params.iter().rev().find(|(own, _)| own.as_str().eq_ignore_ascii_case(name));
    named.map(|&(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("accept", line.parse().unwrap());
        }
        headers
    }

    fn read(lines: &[&str]) -> String {
        match accepted(&of(lines), "nilecare", |version| matches!(version, "v1" | "v2")) {
            Accepted::Plain => "plain".to_owned(),
            Accepted::Unknown => "unknown".to_owned(),
            Accepted::Version(version) => version.to_owned(),
        }
    }

    #[test]
    fn the_vendors_media_type_names_the_version() {
        assert_eq!(read(&["application/vnd.nilecare.v1+json"]), "v1");
        assert_eq!(read(&["application/VND.NileCare.v2"]), "v2");
        assert_eq!(read(&["application/vnd.nilecare+json; version=v2"]), "v2");
        assert_eq!(read(&["application/vnd.nilecare+json; version=\"v2\""]), "v2");
        assert_eq!(read(&["application/vnd.nilecare+json"]), "plain");
        assert_eq!(read(&["application/vnd.nilecarex.v1+json"]), "plain");
        assert_eq!(read(&["text/vnd.nilecare.v1+json"]), "plain");
        assert_eq!(read(&[]), "plain");
    }

    #[test]
    fn rfc9110_12_4_2_weights_decide() {
        assert_eq!(
            read(&["application/vnd.nilecare.v1+json;q=0.2, application/vnd.nilecare.v2+json;q=0.3"]),
            "v2"
        );
        assert_eq!(
            read(&["application/vnd.nilecare.v1+json;q=0.2", "application/vnd.nilecare.v2+json"]),
            "v2"
        );
        assert_eq!(read(&["application/vnd.nilecare.v1+json, application/vnd.nilecare.v2+json"]), "v1");
        assert_eq!(read(&["application/vnd.nilecare.v1+json;q=0"]), "plain");
        assert_eq!(read(&["application/vnd.nilecare.v1+json;q=0.5, application/json"]), "plain");
        assert_eq!(read(&["application/vnd.nilecare.v1+json, */*"]), "v1");
        assert_eq!(read(&["application/vnd.nilecare.v1+json;q=1.5, */*;q=0.1"]), "plain");
        assert_eq!(read(&["text/html;a=\", application/vnd.nilecare.v1+json,\", */*"]), "plain");
        assert_eq!(read(&["application, , ;;, application/vnd.nilecare.v2+json;a=\",\";q=0.1"]), "v2");
    }

    #[test]
    fn an_unknown_version_alone_is_not_acceptable() {
        assert_eq!(read(&["application/vnd.nilecare.v9+json"]), "unknown");
        assert_eq!(read(&["application/vnd.nilecare.v9+json, application/vnd.nilecare.v2+json;q=0.1"]), "v2");
        assert_eq!(read(&["application/vnd.nilecare.v9+json, application/json;q=0.1"]), "plain");
        assert_eq!(read(&["application/vnd.nilecare.v9+json, text/html"]), "unknown");
    }

    proptest! {
        #[test]
        fn no_field_upsets_the_reader(line in "[ -~]{0,60}", tail in "(application/vnd\\.nilecare\\.v[0-9]{0,3}(\\+json)?(;q=[0-9.]{0,6})?,? ?){0,3}") {
            let mut headers = HeaderMap::new();
            if let Ok(value) = http::HeaderValue::from_str(&format!("{line}{tail}")) {
                headers.append("accept", value);
            }
            let read = accepted(&headers, "nilecare", |version| version == "v1");
            prop_assert!(matches!(read, Accepted::Plain | Accepted::Unknown | Accepted::Version("v1")));
        }
    }
}
