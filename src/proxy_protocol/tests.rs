use proptest::prelude::*;

use super::*;

/// A version 2 header with this command, family and body.
fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [V2_SIGNATURE, &[command, family], &length, body].concat()
}

const IPV4: &[u8] = &[192, 0, 2, 1, 198, 51, 100, 1, 0x12, 0x34, 0x01, 0xbb];

fn ipv6() -> Vec<u8> {
    let (source, destination) = ("2001:db8::1", "2001:db8::2");
    let octets = |text: &str| text.parse::<std::net::Ipv6Addr>().unwrap().octets();
    [&octets(source)[..], &octets(destination), &[0x12, 0x34, 0x01, 0xbb]].concat()
}

fn done(header: &[u8], addr: Option<&str>) {
    let addr = addr.map(|text| text.parse().unwrap());
    let expected = Parsed::Done { addr, len: header.len() };
    assert_eq!(parse(header), expected, "{}", header.escape_ascii());
    let followed = [header, b"GET / HTTP/1.1\r\n"].concat();
    assert_eq!(parse(&followed), expected, "{}", header.escape_ascii());
}

#[test]
fn version_1_names_the_client() {
    done(b"PROXY TCP4 192.0.2.1 198.51.100.1 4660 443\r\n", Some("192.0.2.1:4660"));
    done(b"PROXY TCP6 2001:db8::1 2001:db8::2 4660 443\r\n", Some("[2001:db8::1]:4660"));
    done(b"PROXY UNKNOWN\r\n", None);
    done(b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None);
    let longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    let header = format!("PROXY UNKNOWN {longest} {longest} 65535 65535\r\n");
    assert_eq!(header.len(), MAX_V1);
    done(header.as_bytes(), None);
}

#[test]
fn version_2_names_the_client() {
    done(&v2(V2_PROXY, V2_TCP4, IPV4), Some("192.0.2.1:4660"));
    done(&v2(V2_PROXY, V2_TCP6, &ipv6()), Some("[2001:db8::1]:4660"));
    let extensions = [IPV4, b"\x02\x00\x0bexample.com"].concat();
    done(&v2(V2_PROXY, V2_TCP4, &extensions), Some("192.0.2.1:4660"));
    done(&v2(V2_LOCAL, 0, b""), None);
    done(&v2(V2_LOCAL, V2_TCP4, IPV4), None);
    done(&v2(V2_LOCAL, 0x77, b"anything"), None);
    done(&v2(V2_PROXY, 0, b"unspecified"), None);
    done(&v2(V2_PROXY, 0x31, &[0; 216]), None);
}

#[test]
fn anything_else_is_refused() {
    use Invalid::*;
    for (header, reason) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], Signature),
        (b"proxy TCP4 ", Signature),
        (b"PROXYxTCP4 192.0.2.1 198.51.100.1 1 2\r\n", Signature),
        (b"\r\n\r\n\0\r\nQUIX", Signature),
        (b"PROXY TCP5 192.0.2.1 198.51.100.1 1 2\r\n", Addresses),
        (b"PROXY UDP4 192.0.2.1 198.51.100.1 1 2\r\n", Addresses),
        (b"PROXY TCP4\r\n", Addresses),
        (b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2\n", Addresses),
        (b"PROXY TCP4 192.0.2.1 198.51.100.1 +1 2\r\n", Addresses),
        (b"PROXY TCP4 192.0.2.1 198.51.100.1 65536 2\r\n", Addresses),
        (b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3\r\n", Addresses),
        (b"PROXY TCP4  192.0.2.1 198.51.100.1 1 2\r\n", Addresses),
        (b"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n", Addresses),
        (b"PROXY TCP4 192.0.2.1 198.51.100.1 1\r2\r\n", Addresses),
        (b"PROXY UNKNOWNX\r\n", Addresses),
        (b"PROXY \r\n", Addresses),
    ] {
        assert_eq!(parse(header), Parsed::Invalid(reason), "{}", header.escape_ascii());
    }
    assert_eq!(parse(&[b"PROXY UNKNOWN ", &[b'x'; 93][..]].concat()), Parsed::Invalid(TooLong));
    assert_eq!(parse(&v2(0x31, V2_TCP4, IPV4)), Parsed::Invalid(Command));
    assert_eq!(parse(&v2(0x22, V2_TCP4, IPV4)), Parsed::Invalid(Command));
    assert_eq!(parse(&v2(V2_PROXY, V2_TCP4, &IPV4[..11])), Parsed::Invalid(Addresses));
    assert_eq!(parse(&v2(V2_PROXY, V2_TCP6, IPV4)), Parsed::Invalid(Addresses));
    let oversize = v2(V2_PROXY, V2_TCP4, &[0; MAX_V2]);
    assert_eq!(parse(&oversize[..V2_START]), Parsed::Invalid(TooLong), "before the rest is read");
}

/// Headers that are sound, nearly sound, or broken.
fn headers() -> impl Strategy<Value = Vec<u8>> {
    let v1 = prop::sample::select(vec![
        "PROXY TCP4 192.0.2.1 198.51.100.1 4660 443\r\nrest",
        "PROXY TCP6 2001:db8::1 2001:db8::2 4660 443\r\nrest",
        "PROXY UNKNOWN anything\r\nrest",
        "PROXY TCP4 nonsense\r\nrest",
    ]);
    let body = prop::collection::vec(any::<u8>(), 0..300);
    prop_oneof![
        v1.prop_map(|text| text.as_bytes().to_vec()),
        (any::<u8>(), any::<u8>(), body.clone())
            .prop_map(|(command, family, body)| v2(command, family, &body)),
        (0x20u8..0x22, prop::sample::select(vec![V2_TCP4, V2_TCP6]), body)
            .prop_map(|(command, family, body)| v2(command, family, &body)),
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        parse(&bytes);
        parse(&[V1_SIGNATURE, &bytes].concat());
        parse(&[V2_SIGNATURE, &bytes].concat());
    }

    /// A header is read the same whichever way it arrives.
    #[test]
    fn splits_do_not_change_what_is_read(header in headers()) {
        let whole = parse(&header);
        for split in 0..header.len() {
            let early = parse(&header[..split]);
            prop_assert!(early == Parsed::Incomplete || early == whole, "{:?} at {} but {:?}", early, split, whole);
        }
    }

    #[test]
    fn every_address_survives(source in any::<[u8; 4]>(), port in any::<u16>(), v6 in any::<[u8; 16]>()) {
        let v4 = SocketAddr::from((source, port));
        let line = format!("PROXY TCP4 {} 198.51.100.1 {port} 443\r\n", v4.ip());
        prop_assert_eq!(parse(line.as_bytes()), Parsed::Done { addr: Some(v4), len: line.len() });
        let v6 = SocketAddr::from((v6, port));
        let line = format!("PROXY TCP6 {} ::1 {port} 443\r\n", v6.ip());
        prop_assert_eq!(parse(line.as_bytes()), Parsed::Done { addr: Some(v6), len: line.len() });
    }
}
