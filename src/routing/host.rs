//! Host patterns, and finding what applies to a host.

use std::{fmt, net::Ipv6Addr, ops::ControlFlow};

use ahash::AHashMap;

use crate::config::finding::Problem;

/// The longest host name that DNS can carry, in bytes.
const MAX_NAME: usize = 253;

/// The host of an authority: without port and trailing dot, brackets kept.
pub fn name_of(authority: &str) -> &str {
    if authority.starts_with('[')
        && let Some(end) = authority.find(']')
    {
        let (literal, after) = authority.split_at(end + 1);
        // Anything but a port behind the bracket is not this address.
        return if after.is_empty() || after.starts_with(':') { literal } else { authority };
    }
    let end = memchr::memchr(b':', authority.as_bytes()).unwrap_or(authority.len());
    let name = &authority[..end];
    name.strip_suffix('.').unwrap_or(name)
}

/// The hosts a route takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HostPattern {
    /// Every host, also none.
    Any,
    /// One name or IPv4 address, in lower case.
    Name(Box<str>),
    /// One IPv6 address, however it is spelled.
    Address(Ipv6Addr),
    /// Every name below this one, in lower case.
    Below(Box<str>),
}

impl HostPattern {
    /// Reads a host as the operator wrote it.
    ///
    /// # Errors
    /// A [`Problem`] with an empty path.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let problem = |what: &str, hint: &str| Problem::new("", format!("`{text}` {what}")).hint(hint);
        if matches!(text, "*" | "**" | "") {
            return Err(problem("is not a host", "leave `host` out to take every host"));
        }
        if let Some(inner) = text.strip_prefix('[') {
            let address = inner.strip_suffix(']').and_then(|inner| inner.parse().ok());
            return address.map(Self::Address).ok_or_else(|| {
                problem("is not an IPv6 address", "write it as `[2001:db8::1]`, without port")
            });
        }
        if text.parse::<Ipv6Addr>().is_ok() {
            return Err(problem("has no brackets", &format!("write `[{text}]`")));
        }
        if text.contains(':') {
            return Err(problem("has a port", "leave the port out: hosts are compared without it"));
        }
        if !text.is_ascii() {
            return Err(problem("is not in ASCII", "write the `xn--` form that is sent in requests"));
        }
        let lower = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let (name, below) = match lower.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (lower.as_str(), false),
        };
        if name.contains('*') {
            return Err(problem("has `*` in an odd place", "only `*.` at the start is a wildcard"));
        }
        let label = |l: &str| {
            (1..=63).contains(&l.len())
                && l.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        if name.len() > MAX_NAME || !name.split('.').all(label) {
            return Err(problem("is not a host name", "write a name such as `api.example.com`"));
        }
        Ok(if below { Self::Below(name.into()) } else { Self::Name(name.into()) })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any host"),
            Self::Name(name) => f.write_str(name),
            Self::Address(address) => write!(f, "[{address}]"),
            Self::Below(name) => write!(f, "*.{name}"),
        }
    }
}

/// A value for each host pattern.
#[derive(Debug)]
pub(super) struct HostMap<V> {
    names: AHashMap<Box<[u8]>, V>,
    addresses: AHashMap<Ipv6Addr, V>,
    below: AHashMap<Box<[u8]>, V>,
    any: V,
    /// The most labels a key of `below` has: longer suffixes need no lookup.
    deepest: usize,
}

impl<V: Default> Default for HostMap<V> {
    fn default() -> Self {
        Self {
            names: AHashMap::default(),
            addresses: AHashMap::default(),
            below: AHashMap::default(),
            any: V::default(),
            deepest: 0,
        }
    }
}

impl<V: Default> HostMap<V> {
    /// The value for a pattern, made when there is none.
    pub fn entry(&mut self, pattern: &HostPattern) -> &mut V {
        match pattern {
            HostPattern::Any => &mut self.any,
            HostPattern::Name(name) => self.names.entry(name.as_bytes().into()).or_default(),
            HostPattern::Address(address) => self.addresses.entry(*address).or_default(),
            HostPattern::Below(name) => {
                self.deepest = self.deepest.max(name.split('.').count());
                self.below.entry(name.as_bytes().into()).or_default()
            }
        }
    }
}

impl<V> HostMap<V> {
    /// Visits the values that apply to a host, most specific first, until one breaks.
    pub fn walk<'m, B>(
        &'m self,
        authority: &str,
        mut visit: impl FnMut(&'m V) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let name = name_of(authority);
        if let Some(literal) = name.strip_prefix('[') {
            if !self.addresses.is_empty()
                && let Some(Ok(address)) = literal.strip_suffix(']').map(str::parse)
                && let Some(value) = self.addresses.get(&address)
            {
                visit(value)?;
            }
        } else if name.len() <= MAX_NAME && !(self.names.is_empty() && self.below.is_empty()) {
            // Lower case on the stack: a lookup never allocates.
            let mut buffer = [0; MAX_NAME];
            let lower = &mut buffer[..name.len()];
            lower.copy_from_slice(name.as_bytes());
            lower.make_ascii_lowercase();
            if let Some(value) = self.names.get(&*lower) {
                visit(value)?;
            }
            self.walk_below(lower, &mut visit)?;
        }
        visit(&self.any)
    }

    /// Visits the wildcards above a name, longest first.
    fn walk_below<'m, B>(
        &'m self,
        name: &[u8],
        visit: &mut impl FnMut(&'m V) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let mut dot = memchr::memrchr_iter(b'.', name).take(self.deepest).last();
        while let Some(at) = dot {
            if at > 0
                && let Some(value) = self.below.get(&name[at + 1..])
            {
                visit(value)?;
            }
            dot = memchr::memchr(b'.', &name[at + 1..]).map(|next| at + 1 + next);
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(map: &HostMap<Vec<&'static str>>, host: &str) -> Vec<&'static str> {
        let mut seen = Vec::new();
        let _ = map.walk(host, |values| {
            seen.extend(values);
            ControlFlow::<()>::Continue(())
        });
        seen
    }

    #[test]
    fn the_port_and_the_trailing_dot_are_no_part_of_the_name() {
        for (authority, name) in [
            ("a.com", "a.com"),
            ("a.com.:80", "a.com"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("[::1]x", "[::1]x"),
            ("[::1", "["),
            ("", ""),
            (":80", ""),
        ] {
            assert_eq!(name_of(authority), name, "{authority}");
        }
    }

    #[test]
    fn exact_names_come_first_then_the_longest_wildcard_then_any() {
        let mut map = HostMap::<Vec<&'static str>>::default();
        for text in ["a.b.example.com", "*.example.com", "*.b.example.com", "[2001:db8:0::1]", "10.0.0.1"] {
            map.entry(&HostPattern::parse(text).unwrap()).push(text);
        }
        map.entry(&HostPattern::Any).push("any");
        assert_eq!(
            seen(&map, "A.b.Example.COM.:8080"),
            ["a.b.example.com", "*.b.example.com", "*.example.com", "any"]
        );
        assert_eq!(seen(&map, "x.y.z.example.com"), ["*.example.com", "any"]);
        assert_eq!(seen(&map, "example.com"), ["any"]);
        assert_eq!(seen(&map, ".example.com"), ["any"]);
        assert_eq!(seen(&map, "notexample.com"), ["any"]);
        assert_eq!(seen(&map, "[2001:DB8::1]:443"), ["[2001:db8:0::1]", "any"]);
        assert_eq!(seen(&map, "10.0.0.1:80"), ["10.0.0.1", "any"]);
        assert_eq!(seen(&map, ""), ["any"]);
        assert_eq!(seen(&map, &"a.".repeat(400)), ["any"]);
    }

    #[test]
    fn what_is_no_host_is_explained() {
        for (text, part) in [
            ("*", "leave `host` out"),
            ("", "leave `host` out"),
            ("a.com:80", "leave the port out"),
            ("::1", "write `[::1]`"),
            ("[::1]:80", "without port"),
            ("a.*.com", "only `*.` at the start"),
            ("*a.com", "only `*.` at the start"),
            ("bücher.de", "xn--"),
            ("a..com", "write a name"),
            ("http//a", "write a name"),
        ] {
            let problem = HostPattern::parse(text).unwrap_err();
            assert!(problem.hint.unwrap().contains(part), "{text}");
        }
    }
}
