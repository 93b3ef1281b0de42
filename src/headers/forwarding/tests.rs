use super::*;

const TRUSTED: &str = "10.0.0.1";
const STRANGER: &str = "192.0.2.1";

fn config() -> ForwardingConfig {
    ForwardingConfig {
        trusted_peers: vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
        ..ForwardingConfig::default()
    }
}

/// What a backend sees of a request from `peer` that came in over TLS on port 8443.
fn sent(config: &ForwardingConfig, peer: &str, fields: &[(&'static str, &str)]) -> RequestHeader {
    let forwarding = Forwarding::compile(config).unwrap();
    let mut request = RequestHeader::build("GET", b"/", None).unwrap();
    request.insert_header("Host", "example.com:8443").unwrap();
    for (name, value) in fields {
        request.append_header(*name, *value).unwrap();
    }
    let client = Client::identify(peer.parse().unwrap(), &request.headers, forwarding.trusted());
    let id = forwarding.request_id(&client, &request.headers);
    let listener = ListenerFields::new(true, 8443);
    let hop = Hop { client: &client, listener: &listener, version: Version::HTTP_2, id: &id };
    forwarding.to_upstream(&mut request, &hop).unwrap();
    request
}

#[test]
fn a_strangers_claims_are_replaced() {
    let request = sent(
        &config(),
        STRANGER,
        &[
            ("X-Forwarded-For", "10.0.0.9"),
            ("X-Forwarded-For", "10.0.0.8"),
            ("X-Forwarded-Proto", "http"),
            ("X-Forwarded-Host", "admin.internal"),
            ("X-Forwarded-Port", "1"),
            ("X-Forwarded-Prefix", "/admin"),
            ("X_Forwarded_For", "10.0.0.9"),
            ("Forwarded", "for=10.0.0.9"),
            ("X-Real-IP", "10.0.0.9"),
            ("X-Original-URL", "/admin"),
            ("True-Client-IP", "10.0.0.9"),
            ("X-Forwarded", "for=10.0.0.9"),
            ("Forwarded-For", "10.0.0.9"),
            ("CF-Connecting-IP", "10.0.0.9"),
            ("X-Request-Id", "chosen"),
            ("X_Request_Id", "chosen"),
            ("X-App", "1"),
        ],
    );
    let headers = &request.headers;
    assert_eq!(headers["x-forwarded-for"], STRANGER);
    assert_eq!(headers["x-forwarded-proto"], "https");
    assert_eq!(headers["x-forwarded-host"], "example.com:8443");
    assert_eq!(headers["x-forwarded-port"], "8443");
    assert_eq!(headers["x-request-id"].len(), 32);
    assert_eq!(headers["x-app"], "1");
    // Host, X-App, the four and the id: nothing else is left.
    assert_eq!(headers.len(), 7);
}

#[test]
fn a_trusted_peers_claims_are_extended() {
    let request = sent(
        &config(),
        TRUSTED,
        &[
            ("X-Forwarded-For", "198.51.100.1"),
            ("X-Forwarded-For", "10.0.0.8"),
            ("X-Forwarded-Proto", "http"),
            ("X-Forwarded-Host", "www.example.com"),
            ("X-Forwarded-Port", "80"),
            ("X-Real-IP", "198.51.100.1"),
            ("X-Request-Id", "trace-1"),
        ],
    );
    assert_eq!(request.headers["x-forwarded-for"], "198.51.100.1, 10.0.0.8, 10.0.0.1");
    assert_eq!(request.headers.get_all("x-forwarded-for").iter().count(), 1);
    assert_eq!(request.headers["x-forwarded-proto"], "http");
    assert_eq!(request.headers["x-forwarded-host"], "www.example.com");
    assert_eq!(request.headers["x-forwarded-port"], "80");
    assert_eq!(request.headers["x-real-ip"], "198.51.100.1");
    assert_eq!(request.headers["x-request-id"], "trace-1");
}

#[test]
fn nonsense_of_a_trusted_peer_is_replaced() {
    let fields = [
        ("X-Forwarded-Proto", "gopher"),
        ("X-Forwarded-Host", "a, b"),
        ("X-Forwarded-Port", "eighty"),
        ("X-Request-Id", "a b"),
    ];
    let request = sent(&config(), TRUSTED, &fields);
    assert_eq!(request.headers["x-forwarded-proto"], "https");
    assert_eq!(request.headers["x-forwarded-host"], "example.com:8443");
    assert_eq!(request.headers["x-forwarded-port"], "8443");
    assert_eq!(request.headers["x-request-id"].len(), 32);
}

#[test]
fn forwarded_quotes_what_is_no_token() {
    let config = ForwardingConfig { forwarded: true, x_forwarded: false, ..config() };
    let request = sent(&config, STRANGER, &[]);
    assert_eq!(request.headers["forwarded"], "for=192.0.2.1;host=\"example.com:8443\";proto=https");
    assert!(!request.headers.contains_key("x-forwarded-for"));

    let request = sent(&config, "2001:db8::1", &[("Forwarded", "for=198.51.100.1")]);
    let expected = "for=198.51.100.1, for=\"[2001:db8::1]\";host=\"example.com:8443\";proto=https";
    assert_eq!(request.headers["forwarded"], expected);
}

#[test]
fn fields_that_are_off_are_not_sent_and_not_believed() {
    let config = ForwardingConfig { x_forwarded: false, ..config() };
    let request = sent(&config, STRANGER, &[("X-Forwarded-For", "10.0.0.9"), ("Forwarded", "for=10.0.0.9")]);
    assert_eq!(request.headers.len(), 2); // Host and the id
}

#[test]
fn the_host_of_an_http2_request_is_its_authority() {
    let forwarding = Forwarding::compile(&config()).unwrap();
    let mut request = RequestHeader::build("GET", b"/", None).unwrap();
    request.set_uri("https://example.com/".parse().unwrap());
    let client = Client::identify(STRANGER.parse().unwrap(), &request.headers, forwarding.trusted());
    let (listener, id) = (ListenerFields::new(false, 80), RequestId::random());
    let hop = Hop { client: &client, listener: &listener, version: Version::HTTP_2, id: &id };
    forwarding.to_upstream(&mut request, &hop).unwrap();
    assert_eq!(request.headers["x-forwarded-host"], "example.com");
    assert_eq!(request.headers["x-forwarded-proto"], "http");
}

#[test]
fn via_and_server_follow_the_policy() {
    let id = RequestId::accept(b"id-1").unwrap();
    let answered = |config: &ForwardingConfig| {
        let mut response = ResponseHeader::build(200, None).unwrap();
        response.insert_header("Server", "backend/1").unwrap();
        response.insert_header("Via", "1.1 inner").unwrap();
        let forwarding = Forwarding::compile(config).unwrap();
        forwarding.to_downstream(&mut response, Some(Version::HTTP_10), &id).unwrap();
        response
    };
    let response = answered(&config());
    assert_eq!(response.headers["server"], "backend/1");
    assert_eq!(response.headers.get_all("via").iter().count(), 1);
    assert_eq!(response.headers["x-request-id"], "id-1");

    let response = answered(&ForwardingConfig { via: true, server: ServerHeader::Nilegate, ..config() });
    assert_eq!(response.headers["server"], "nilegate");
    let via: Vec<_> = response.headers.get_all("via").iter().collect();
    assert_eq!(via, ["1.1 inner", "1.0 nilegate"]);

    let response = answered(&ForwardingConfig { server: ServerHeader::Remove, ..config() });
    assert!(!response.headers.contains_key("server"));

    let request = sent(&ForwardingConfig { via: true, ..config() }, STRANGER, &[]);
    assert_eq!(request.headers["via"], "2 nilegate");
}

#[test]
fn the_request_id_field_is_checked_and_keeps_its_letter_case() {
    for name in ["", "no colon:", "Content-Length", "host"] {
        let config = ForwardingConfig { request_id_header: name.to_owned(), ..config() };
        let problems = Forwarding::compile(&config).unwrap_err();
        assert_eq!(problems[0].path, "request_id_header", "{name}");
    }
    let config = ForwardingConfig { request_id_header: "X-Correlation-ID".to_owned(), ..config() };
    let mut wire = Vec::new();
    sent(&config, STRANGER, &[]).header_to_h1_wire(&mut wire);
    assert!(String::from_utf8(wire).unwrap().contains("\r\nX-Correlation-ID: "));
}
