//! Response fields that browsers understand as protection.

use http::{HeaderName, HeaderValue, header};
use pingora::{Result, http::ResponseHeader};

use crate::config::{finding::Problem, headers::SecurityHeadersConfig};

/// Protective fields, ready to be put on responses.
#[derive(Clone, Debug, Default)]
pub struct SecurityHeaders {
    /// On every response.
    always: Vec<Field>,
    /// `Strict-Transport-Security`, which means nothing on plain text (RFC 6797 section 7.2).
    hsts: Option<Field>,
}

#[derive(Clone, Debug)]
struct Field {
    written: &'static str,
    name: HeaderName,
    value: HeaderValue,
}

impl SecurityHeaders {
    /// Compiles the section.
    ///
    /// # Errors
    /// Every value that cannot stand in a header field.
    pub fn compile(config: &SecurityHeadersConfig) -> std::result::Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let no_sniff = if config.no_sniff { "nosniff" } else { "" };
        let fields = [
            ("no_sniff", "X-Content-Type-Options", header::X_CONTENT_TYPE_OPTIONS, no_sniff),
            ("frame_options", "X-Frame-Options", header::X_FRAME_OPTIONS, &config.frame_options),
            ("referrer_policy", "Referrer-Policy", header::REFERRER_POLICY, &config.referrer_policy),
            (
                "content_security_policy",
                "Content-Security-Policy",
                header::CONTENT_SECURITY_POLICY,
                &config.content_security_policy,
            ),
        ];
        let mut always = Vec::with_capacity(fields.len());
        for (key, written, name, text) in fields {
            if text.is_empty() {
                continue;
            }
            match HeaderValue::from_str(text) {
                Ok(value) => always.push(Field { written, name, value }),
                Err(_) => problems.push(
                    Problem::new(key, format!("the value of `{written}` has a control character"))
                        .hint("field values are one line of text; YAML's `>-` folds several into one"),
                ),
            }
        }
        if problems.is_empty() { Ok(Self { always, hsts: hsts(config) }) } else { Err(problems) }
    }

    /// Adds the fields that the backend has not set itself; `tls` says how the client is connected.
    ///
    /// # Errors
    /// When the response would hold more fields than Pingora can.
    pub fn apply(&self, response: &mut ResponseHeader, tls: bool) -> Result<()> {
        let hsts = self.hsts.as_ref().filter(|_| tls);
        for field in self.always.iter().chain(hsts) {
            if !response.headers.contains_key(&field.name) {
                response.insert_header(field.written, field.value.clone())?;
            }
        }
        Ok(())
    }
}

fn hsts(config: &SecurityHeadersConfig) -> Option<Field> {
    let seconds = config.hsts.get().as_secs();
    let subdomains = if config.hsts_subdomains { "; includeSubDomains" } else { "" };
    // Digits and fixed text always make a value.
    let value = HeaderValue::try_from(format!("max-age={seconds}{subdomains}")).ok()?;
    (seconds > 0).then_some(Field {
        written: "Strict-Transport-Security",
        name: header::STRICT_TRANSPORT_SECURITY,
        value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::values::Period;

    fn applied(
        config: &SecurityHeadersConfig,
        tls: bool,
        backend: &[(&'static str, &str)],
    ) -> ResponseHeader {
        let mut response = ResponseHeader::build(200, None).unwrap();
        for (name, value) in backend {
            response.insert_header(*name, *value).unwrap();
        }
        SecurityHeaders::compile(config).unwrap().apply(&mut response, tls).unwrap();
        response
    }

    #[test]
    fn defaults_protect_and_hsts_needs_tls() {
        let config = SecurityHeadersConfig::default();
        let plain = applied(&config, false, &[]);
        assert_eq!(plain.headers["x-content-type-options"], "nosniff");
        assert_eq!(plain.headers["x-frame-options"], "DENY");
        assert_eq!(plain.headers["referrer-policy"], "no-referrer");
        assert_eq!(plain.headers.len(), 3);
        let tls = applied(&config, true, &[]);
        assert_eq!(tls.headers["strict-transport-security"], "max-age=31536000");
    }

    #[test]
    fn the_backend_has_the_last_word() {
        let response = applied(&SecurityHeadersConfig::default(), true, &[("x-frame-options", "SAMEORIGIN")]);
        assert_eq!(response.headers.get_all("x-frame-options").iter().count(), 1);
        assert_eq!(response.headers["x-frame-options"], "SAMEORIGIN");
    }

    #[test]
    fn every_field_can_be_left_out_or_added() {
        let config = SecurityHeadersConfig {
            hsts: Period::secs(0),
            hsts_subdomains: true,
            no_sniff: false,
            frame_options: String::new(),
            referrer_policy: String::new(),
            content_security_policy: "default-src 'self'".to_owned(),
        };
        let response = applied(&config, true, &[]);
        assert_eq!(response.headers.len(), 1);
        assert_eq!(response.headers["content-security-policy"], "default-src 'self'");

        let config = SecurityHeadersConfig { hsts: Period::secs(60), hsts_subdomains: true, ..config };
        let response = applied(&config, true, &[]);
        assert_eq!(response.headers["strict-transport-security"], "max-age=60; includeSubDomains");
    }

    #[test]
    fn line_breaks_are_refused() {
        let config = SecurityHeadersConfig {
            content_security_policy: "default-src 'self';\nimg-src *".to_owned(),
            frame_options: "\0".to_owned(),
            ..SecurityHeadersConfig::default()
        };
        let problems = SecurityHeaders::compile(&config).unwrap_err();
        let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(paths, ["frame_options", "content_security_policy"]);
    }
}
