use proptest::prelude::*;

use super::*;

const LIMITS: HeadLimits = HeadLimits { headers: 16, header_bytes: 2048, uri_bytes: 128 };

fn verdict(head: impl AsRef<[u8]>) -> Head {
    check(head.as_ref(), &LIMITS)
}

fn complete(head: &str) {
    let whole = matches!(verdict(head), Head::Complete { len, .. } if len == head.len());
    assert!(whole, "{head:?}: {:?}", verdict(head));
}

fn refused(head: impl AsRef<[u8]>, reason: Reason) {
    let head = head.as_ref();
    assert_eq!(verdict(head), Head::Refused(reason), "{}", head.escape_ascii());
}

/// A POST with these field lines after `Host`.
fn post(fields: &str) -> String {
    format!("POST /submit HTTP/1.1\r\nHost: example.com\r\n{fields}\r\n\r\n")
}

/// A GET with this target and host.
fn get(target: &str, host: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

#[test]
fn sound_heads_are_complete() {
    complete("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n");
    complete("GET / HTTP/1.0\r\n\r\n");
    complete("get /a?b=c&d[]=%7B|`{} HTTP/1.1\r\nhOsT:example.com:8080\r\n\r\n");
    complete("OPTIONS * HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n");
    complete("GET http://Example.com/a HTTP/1.1\r\nHost: Example.com\r\n\r\n");
    complete(&post("Content-Length: 5"));
    complete(&post("Content-Length: \t0 "));
    complete(&post("Transfer-Encoding: Chunked"));
    complete(&post("Connection: keep-alive, Upgrade\r\nUpgrade: websocket"));
    complete(&post("X-Latin: caf\u{e9}\tau lait\r\nEmpty:"));
    complete("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
}

#[test]
fn the_end_of_the_body_is_told_by_length_or_by_what_is_in_it() {
    for (fields, expected) in [
        ("X: y", Body::None),
        ("Content-Length: 0", Body::None),
        ("Content-Length: 17", Body::Length(17)),
        ("Transfer-Encoding: chunked", Body::Chunked),
        ("Connection: Upgrade\r\nUpgrade: websocket", Body::None),
    ] {
        let verdict = verdict(post(fields));
        assert!(matches!(verdict, Head::Complete { body, .. } if body == expected), "{fields}: {verdict:?}");
    }
}

#[test]
fn bytes_after_the_head_are_left_alone() {
    let head = post("Content-Length: 4");
    let message = format!("{head}\n\n\0\nGET bad");
    assert_eq!(verdict(&message), Head::Complete { len: head.len(), body: Body::Length(4) });
}

#[test]
fn smuggling_vectors_are_refused() {
    use Reason::*;
    for (fields, reason) in [
        // CL.TE and TE.CL
        ("Content-Length: 6\r\nTransfer-Encoding: chunked", AmbiguousLength),
        ("Transfer-Encoding: chunked\r\nContent-Length: 6", AmbiguousLength),
        // CL.CL
        ("Content-Length: 6\r\nContent-Length: 5", DuplicateContentLength),
        ("Content-Length: 6\r\ncontent-length: 6", DuplicateContentLength),
        ("Content-Length: 6, 6", InvalidContentLength),
        ("Content-Length: 6 6", InvalidContentLength),
        ("Content-Length: +6", InvalidContentLength),
        ("Content-Length: -6", InvalidContentLength),
        ("Content-Length: 0x6", InvalidContentLength),
        ("Content-Length: 6.0", InvalidContentLength),
        ("Content-Length:", InvalidContentLength),
        ("Content-Length: 9223372036854775808", InvalidContentLength),
        ("Content-Length: 18446744073709551622", InvalidContentLength),
        ("Content-Length: 00000000000000000006", InvalidContentLength),
        ("Content_Length: 6", InvalidFieldName),
        // TE.TE
        ("Transfer-Encoding: xchunked", UnsupportedTransferEncoding),
        ("Transfer-Encoding: chunked, identity", UnsupportedTransferEncoding),
        ("Transfer-Encoding: identity, chunked", UnsupportedTransferEncoding),
        ("Transfer-Encoding: gzip, chunked", UnsupportedTransferEncoding),
        ("Transfer-Encoding: \"chunked\"", UnsupportedTransferEncoding),
        ("Transfer-Encoding: chunked;q=1", UnsupportedTransferEncoding),
        ("Transfer-Encoding:", UnsupportedTransferEncoding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", DuplicateTransferEncoding),
        ("Transfer-Encoding: chunked\r\ntransfer-encoding: chunked", DuplicateTransferEncoding),
        ("Transfer-Encoding: \u{b}chunked", InvalidFieldValue),
        ("Transfer-Encoding: chunked\0", InvalidFieldValue),
        ("Transfer-Encoding : chunked", InvalidFieldName),
        ("Transfer-Encoding\t: chunked", InvalidFieldName),
        ("Transfer_Encoding: chunked", InvalidFieldName),
        ("transfer-encoding\u{a0}: chunked", InvalidFieldName),
        ("X: y\r\n Transfer-Encoding: chunked", ObsFold),
        ("Transfer-Encoding:\r\n\tchunked", ObsFold),
        // Line ends
        ("X: y\nTransfer-Encoding: chunked", BareLineFeed),
        ("X: y\rTransfer-Encoding: chunked", BareCarriageReturn),
        ("X: y\r\rZ: w", BareCarriageReturn),
        // Fields dropped on the way
        ("Connection: close, content-length\r\nContent-Length: 6", ProtectedConnectionOption),
        ("Connection: Host", ProtectedConnectionOption),
        ("Connection: Transfer-Encoding", ProtectedConnectionOption),
    ] {
        refused(post(fields), reason);
    }
    refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", TransferEncodingInHttp10);
}

#[test]
fn names_and_values_are_tokens_and_text() {
    use Reason::*;
    for (fields, reason) in [
        ("Bad Name: x", InvalidFieldName),
        (": x", InvalidFieldName),
        ("NoColon", InvalidFieldName),
        ("N\u{e9}: x", InvalidFieldName),
        ("X: a\0b", InvalidFieldValue),
        ("X: a\u{7f}b", InvalidFieldValue),
        ("X: a\u{1b}b", InvalidFieldValue),
    ] {
        refused(post(fields), reason);
    }
    refused("GET / HTTP/1.1\r\n Host: a\r\n\r\n", ObsFold);
}

#[test]
fn hosts_are_present_once_and_well_formed() {
    use Reason::*;
    refused("GET / HTTP/1.1\r\nAccept: */*\r\n\r\n", MissingHost);
    refused("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", DuplicateHost);
    refused("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", DuplicateHost);
    for host in [
        "",
        "a b",
        "a/b",
        "a,b",
        "user@a",
        "a:",
        "a:x",
        "a:65536",
        "a:1:2",
        "[::1",
        "[::1]x",
        "[1.2.3.4]",
        "::1",
        "a%2eb",
        "a#b",
        "a\\b",
    ] {
        refused(get("/", host), InvalidHost);
    }
    refused(get("/", &"a".repeat(256)), InvalidHost);
}

#[test]
fn targets_have_one_reading() {
    use Reason::*;
    for target in
        ["*", "a", "/a#b", "/a\\..\\b", "/\"", "ftp://example.com/", "http:///", "http://u@example.com/"]
    {
        refused(get(target, "example.com"), InvalidTarget);
    }
    refused("GET /caf\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n", InvalidTarget);
    refused("GET /a`b HTTP/1.1\r\nHost: a\r\n\r\n", InvalidTarget);
    refused("GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n", InvalidTarget);
    refused(get("http://example.com/", "example.com:80"), HostMismatch);
    refused(get("http://example.com/", "other.example"), HostMismatch);
    refused(get("http://Example.com/", "example.com"), HostMismatch);
    refused("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n", ConnectMethod);
}

#[test]
fn request_lines_have_three_parts() {
    use Reason::*;
    refused("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", InvalidTarget);
    refused("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", InvalidRequestLine);
    refused("GET / HTTP/1.1 x\r\nHost: a\r\n\r\n", InvalidRequestLine);
    refused("G\u{e9}T / HTTP/1.1\r\nHost: a\r\n\r\n", InvalidMethod);
    refused("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", InvalidMethod);
    refused(" GET / HTTP/1.1\r\nHost: a\r\n\r\n", InvalidMethod);
    refused(format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "M".repeat(33)), InvalidMethod);
    refused("GET / HTTP/2.0\r\nHost: a\r\n\r\n", UnsupportedVersion);
    refused("GET / HTTP/1.2\r\nHost: a\r\n\r\n", UnsupportedVersion);
    refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", UnsupportedVersion);
    refused("GET / http/1.1\r\nHost: a\r\n\r\n", InvalidRequestLine);
    refused("GET / HTTP/11\r\nHost: a\r\n\r\n", InvalidRequestLine);
    refused("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", InvalidRequestLine);
    refused("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", BareLineFeed);
}

#[test]
fn limits_are_told_apart() {
    use Reason::*;
    refused(get(&format!("/{}", "a".repeat(128)), "a"), TargetTooLong);
    complete(&get(&format!("/{}", "a".repeat(127)), "a"));
    refused(format!("GET /{}", "a".repeat(128)), TargetTooLong);
    refused(post(&format!("X: {}", "a".repeat(2048))), HeadTooLarge);
    refused(format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(2048)), HeadTooLarge);
    // `Host` is one of the sixteen.
    complete(&post(&["a: b"; 15].join("\r\n")));
    refused(post(&["a: b"; 16].join("\r\n")), TooManyFields);
    refused(format!("GET / HTTP/1.1\r\n{}", "a: b\r\n".repeat(17)), TooManyFields);
}

#[test]
fn other_protocols_are_refused_at_once() {
    refused(b"\x16\x03\x01\x02\x00\x01\x00", Reason::InvalidMethod);
    refused(b"\0", Reason::InvalidMethod);
    refused("A".repeat(33), Reason::InvalidMethod);
    assert_eq!(verdict(""), Head::Incomplete);
    assert_eq!(verdict("\r"), Head::Incomplete);
    assert_eq!(verdict("GET / HTTP/1.1\r\nHost: a\r\n\r"), Head::Incomplete);
}

#[test]
fn every_reason_has_a_status_that_refuses() {
    use crate::telemetry::label::Label;
    for reason in Reason::ALL {
        assert!(matches!(status(*reason), 400 | 405 | 408 | 413 | 414 | 431 | 501 | 505), "{reason}");
    }
}

/// Heads close to sound ones: pieces that parsers trip over, in any order.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "GET / HTTP/1.1\r\n",
        "Host: a\r\n",
        "Content-Length: 1\r\n",
        "Transfer-Encoding: chunked\r\n",
        "X: y\r\n",
        "\r\n",
        "\r",
        "\n",
        " ",
        ":",
        "\0",
        "\t",
        "a",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn any_bytes_are_judged_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
        if let Head::Complete { len, .. } = verdict(&bytes) {
            prop_assert!(len <= bytes.len());
        }
    }

    /// A head is judged the same whichever way it arrives.
    #[test]
    fn splits_do_not_change_the_verdict(bytes in pieces()) {
        let whole = verdict(&bytes);
        for split in 0..bytes.len() {
            match (verdict(&bytes[..split]), whole) {
                (Head::Incomplete, _) => {}
                (Head::Refused(_), Head::Refused(_)) => {}
                (Head::Complete { len: early, .. }, Head::Complete { len, .. }) => prop_assert_eq!(early, len),
                (early, _) => prop_assert!(false, "{:?} at {} but {:?} at the end", early, split, whole),
            }
        }
    }

    /// What passes is read by Pingora's parser to the same length and with one meaning.
    #[test]
    fn what_passes_has_one_length_and_one_host(bytes in pieces()) {
        if let Head::Complete { len, .. } = verdict(&bytes) {
            let text = String::from_utf8_lossy(&bytes[..len]).to_lowercase();
            prop_assert_eq!(text.matches("\r\nhost:").count(), 1);
            let lengths = text.matches("\r\ncontent-length:").count();
            prop_assert!(lengths + text.matches("\r\ntransfer-encoding:").count() <= 1);
            let mut slots = [httparse::EMPTY_HEADER; 256];
            let parsed = httparse::Request::new(&mut slots).parse(&bytes).unwrap();
            prop_assert_eq!(parsed, httparse::Status::Complete(len));
        }
    }
}
