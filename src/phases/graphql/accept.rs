//! The media type that a GraphQL response is sent in.

use http::{HeaderMap, header};

/// What a response may be sent as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// `application/graphql-response+json`: its status says what became of the request.
    Response,
    /// `application/json`: for clients that know no other. Its status says whether the
    /// request was one at all.
    Json,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The media type. `None`: none that there is.
    pub media: Option<Media>,
    /// Whether a page is wanted at least as much: it is a browser.
    pub page: bool,
}

impl Media {
    /// The value of `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Response => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        }
    }

    fn subtype(self) -> &'static str {
        match self {
            Self::Response => "graphql-response+json",
            Self::Json => "json",
        }
    }
}

/// How much something is wanted: in thousandths, and how exactly it was named.
type Weight = (u16, u8);

/// Chooses by `Accept` (RFC 9110 section 12.5.1). What is named more exactly goes first among
/// equals; without a preference it is `application/json`, which all clients know.
pub fn wanted(headers: &HeaderMap) -> Wanted {
    let mut fields = headers.get_all(header::ACCEPT).iter().peekable();
    if fields.peek().is_none() {
        return Wanted { media: Some(Media::Json), page: false };
    }
    let [mut response, mut json, mut page] = [None::<Weight>; 3];
    let ranges = fields.flat_map(|field| field.to_str().unwrap_or_default().split(','));
    for (range, quality) in ranges.filter_map(parse) {
        let note = |found: &mut Option<Weight>, kind: &str, subtype: &str| {
            let exactness = exactness(range, kind, subtype);
            // The most exact range counts, whatever less exact ones say.
            if let Some(exactness) = exactness
                && found.is_none_or(|(_, before)| before < exactness)
            {
                *found = Some((quality, exactness));
            }
        };
        note(&mut response, "application", Media::Response.subtype());
        note(&mut json, "application", Media::Json.subtype());
        note(&mut page, "text", "html");
    }
    let [response, json, page] =
        [response, json, page].map(|weight| weight.filter(|(quality, _)| *quality > 0));
    let media = match (response, json) {
        (Some(response), Some(json)) if response > json => Some(Media::Response),
        // Both by name, or both by a range that covers them.
        (Some(response), Some(json)) if response == json && response.1 == NAMED => Some(Media::Response),
        (_, Some(_)) => Some(Media::Json),
        (Some(_), None) => Some(Media::Response),
        (None, None) => None,
    };
    let best = response.max(json);
    Wanted { media, page: page.is_some_and(|page| page.1 == NAMED && Some(page) >= best) }
}

/// The exactness of a range that is no range.
const NAMED: u8 = 2;

fn exactness(range: &str, kind: &str, subtype: &str) -> Option<u8> {
    let (range_kind, range_subtype) = range.split_once('/')?;
    match (range_kind, range_subtype) {
        ("*", "*") => Some(0),
        (_, "*") if range_kind.eq_ignore_ascii_case(kind) => Some(1),
        _ if range_kind.eq_ignore_ascii_case(kind) && range_subtype.eq_ignore_ascii_case(subtype) => {
            Some(NAMED)
        }
        _ => None,
    }
}

/// A range with its weight in thousandths. One that cannot be read is as good as none.
fn parse(text: &str) -> Option<(&str, u16)> {
    let mut parts = text.split(';').map(str::trim);
    let range = parts.next().filter(|range| !range.is_empty())?;
    let weight = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
    });
    match weight {
        None => Some((range, 1000)),
        Some(weight) => Some((range, thousandths(weight)?)),
    }
}

/// A weight as RFC 9110 section 12.4.2 writes it.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = fraction.bytes().all(|digit| digit.is_ascii_digit());
    if !matches!(whole, "0" | "1") || fraction.len() > 3 || !digits {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    let weight = if whole == "1" { 1000 + fraction } else { fraction };
    (weight <= 1000).then_some(weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(accept: &str) -> (Option<Media>, bool) {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        let wanted = wanted(&headers);
        (wanted.media, wanted.page)
    }

    #[test]
    fn the_better_wanted_is_sent() {
        const R: Option<Media> = Some(Media::Response);
        const J: Option<Media> = Some(Media::Json);
        for (accept, media) in [
            ("application/graphql-response+json", R),
            ("application/json", J),
            ("*/*", J),
            ("application/*", J),
            ("application/graphql-response+json, application/json", R),
            ("application/json, application/graphql-response+json", R),
            ("application/graphql-response+json;q=0.9, application/json", J),
            ("application/json;q=0.9, application/graphql-response+json", R),
            ("application/graphql-response+json; charset=utf-8, application/json; charset=utf-8", R),
            ("*/*;q=0.1, application/graphql-response+json;q=0.05", J),
            ("application/json;q=0, */*", R),
            ("application/json;q=0, application/graphql-response+json;q=0, */*", None),
            ("APPLICATION/JSON", J),
            ("text/plain", None),
            ("application/json;q=2", None),
            ("", None),
        ] {
            assert_eq!(of(accept).0, media, "{accept}");
        }
        assert_eq!(wanted(&HeaderMap::new()).media, J);
    }

    #[test]
    fn browsers_want_a_page() {
        assert!(of("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8").1);
        assert!(!of("*/*").1 && !of("text/*").1);
        assert!(!of("application/json, text/html;q=0.5").1);
        assert_eq!(of("text/html"), (None, true));
    }
}
