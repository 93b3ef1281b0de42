//! Fields that tell backends who calls, which nobody but the gateway may write.

use http::HeaderName;
use pingora::http::RequestHeader;

use super::{fields::Fields, forwarding::claims::looks_like};

/// The names of all such fields, over all routes.
#[derive(Clone, Debug, Default)]
pub struct IdentityFields(Box<[HeaderName]>);

impl IdentityFields {
    /// The fields of these names. What is no name is left out.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let names = names.into_iter().filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok());
        let mut names: Vec<HeaderName> = names.collect();
        names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        names.dedup();
        Self(names.into())
    }

    /// Removes a client's own copies, and what some server would take for them: `_` counts as
    /// `-`, because CGI and WSGI servers see no difference.
    pub fn strip(&self, request: &mut RequestHeader) {
        if self.0.is_empty() {
            return;
        }
        let is_claim = |name: &&HeaderName| self.0.iter().any(|own| looks_like(name, own));
        // Seldom any, so collecting seldom allocates.
        let claims: Vec<HeaderName> = request.headers.keys().filter(is_claim).cloned().collect();
        for name in &claims {
            request.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_and_look_alikes_are_removed() {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        for name in ["X-User-Id", "x_user_id", "X-User_ID", "X-User", "X-Roles", "X-Roles"] {
            request.append_header(name, "root").unwrap();
        }
        IdentityFields::new(["X-User-Id", "x-roles", "no name:"]).strip(&mut request);
        let left: Vec<_> = request.headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["x-user"]);
    }
}
