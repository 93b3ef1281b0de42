//! Header fields: names and values as RFC 9110 section 5 allows them.

use http::{HeaderName, HeaderValue};

use crate::config::{
    finding::Problem,
    headers::{ForwardingConfig, HeaderRulesConfig, HeadersConfig, SecurityHeadersConfig},
    path,
};

/// The name of a header field.
pub(super) fn name(path: &str, name: &str, problems: &mut Vec<Problem>) {
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        problems.push(Problem::new(path, format!("`{name}` is not a header name")));
    }
}

/// The value of a header field.
pub(super) fn value(path: &str, value: &str, problems: &mut Vec<Problem>) {
    if HeaderValue::from_str(value).is_err() {
        problems.push(
            Problem::new(path, "not a header value: it holds a line break or another control character")
                .hint("end a block text with `|-` instead of `|` to cut its last line break"),
        );
    }
}

/// The rules on requests and responses.
pub(super) fn headers(here: &str, headers: &HeadersConfig, problems: &mut Vec<Problem>) {
    rules(&format!("{here}.request"), &headers.request, problems);
    rules(&format!("{here}.response"), &headers.response, problems);
}

fn rules(here: &str, rules: &HeaderRulesConfig, problems: &mut Vec<Problem>) {
    for (index, removed) in rules.remove.iter().enumerate() {
        name(&format!("{here}.remove[{index}]"), removed, problems);
    }
    for (section, fields) in [("set", &rules.set), ("append", &rules.append)] {
        for (field, text) in fields {
            let path = path::key(&format!("{here}.{section}"), field);
            name(&path, field, problems);
            value(&path, text, problems);
        }
    }
}

/// The fields that name the gateway.
pub(super) fn forwarding(forwarding: &ForwardingConfig, problems: &mut Vec<Problem>) {
    name("traffic.forwarding.request_id_header", &forwarding.request_id_header, problems);
}

/// The fields that browsers understand.
pub(super) fn security(here: &str, security: &SecurityHeadersConfig, problems: &mut Vec<Problem>) {
    for (key, text) in [
        ("frame_options", &security.frame_options),
        ("referrer_policy", &security.referrer_policy),
        ("content_security_policy", &security.content_security_policy),
    ] {
        value(&format!("{here}.{key}"), text, problems);
    }
}
