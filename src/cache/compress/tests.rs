use http::{HeaderName, HeaderValue};

use super::*;
use crate::config::values::{ByteSize, OneOrMany};

fn fields(list: &[(&'static str, &'static str)]) -> HeaderMap {
    let field = |(name, value): &(&'static str, &'static str)| {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    list.iter().map(field).collect()
}

#[test]
fn the_default_compresses_text_above_its_size() {
    let compression = Compression::compile(&CompressionConfig::default()).unwrap();
    let check = |status: u16, list, length, expected| {
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!(
            compression.applies(status, &fields(list), length),
            expected,
            "{status} {list:?} {length:?}"
        );
    };
    let json: &[_] = &[("content-type", "application/json; charset=utf-8")];
    check(200, json, Some(1025), true);
    check(200, json, None, true);
    check(200, json, Some(1024), false);
    check(404, json, Some(5000), true);
    for status in [101, 204, 205, 206, 304] {
        check(status, json, None, false);
    }
    check(200, &[("content-type", "image/png")], None, false);
    check(200, &[], None, false);
    check(200, &[("content-type", "text/css"), ("content-encoding", "gzip")], None, false);
    check(200, &[("content-type", "text/css"), ("cache-control", "no-transform")], None, false);
}

#[test]
fn a_request_chooses_from_what_is_offered() {
    let config = CompressionConfig { encodings: vec![Encoding::Gzip], ..CompressionConfig::default() };
    let compression = Compression::compile(&config).unwrap();
    assert_eq!(compression.encodings(), [Encoding::Gzip]);
    let choose = |list| compression.choose(&fields(list));
    assert_eq!(
        choose(&[("accept-encoding", "br"), ("accept-encoding", "gzip")]),
        Choice::Encoded(Encoding::Gzip)
    );
    assert_eq!(choose(&[("accept-encoding", "br")]), Choice::Identity);
    assert_eq!(choose(&[]), Choice::Identity);
}

#[test]
fn every_mistake_of_the_section_is_reported() {
    let paths = |encodings, types: &str| {
        let types = OneOrMany::One(types.to_owned());
        let config = CompressionConfig { encodings, above: ByteSize::kib(1), types };
        let problems = Compression::compile(&config).unwrap_err();
        problems.into_iter().map(|problem| problem.path).collect::<Vec<_>>()
    };
    assert_eq!(paths(vec![], "text"), ["encodings", "types"]);
    assert_eq!(paths(vec![Encoding::Br, Encoding::Gzip, Encoding::Br], "text/*"), ["encodings[2]"]);
}
