//! Request targets and authorities: RFC 9112 section 3.2, narrowed to what one parser
//! cannot read differently from another.

use std::net::Ipv6Addr;

use super::Reason;

/// Bytes that may stand in a request target: visible ASCII but for `"`, `#`, `<` and `>`,
/// which no browser sends raw. `#` would start a fragment, which some parsers cut off.
const TARGET_BYTE: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0x21;
    while byte < 0x7f {
        table[byte] = !matches!(byte as u8, b'"' | b'#' | b'<' | b'>');
        byte += 1;
    }
    table
};

/// The longest host accepted, in bytes (RFC 1035 section 2.3.4 has 253, and a dot may end it).
const MAX_HOST: usize = 255;

/// Checks a request target; gives the authority of the absolute form.
pub(super) fn check_target<'a>(method: &str, target: &'a [u8]) -> Result<Option<&'a [u8]>, Reason> {
    if !target.iter().all(|&byte| TARGET_BYTE[usize::from(byte)]) {
        return Err(Reason::InvalidTarget);
    }
    match target {
        [b'/', ..] => check_path(target).map(|()| None),
        b"*" if method == "OPTIONS" => Ok(None),
        _ => absolute_form(target).map(Some),
    }
}

/// A backslash is a separator to some servers and a letter to others; in a query it is harmless.
/// A backtick Pingora would refuse: in a path browsers encode it, in a query they do not.
fn check_path(path: &[u8]) -> Result<(), Reason> {
    match memchr::memchr3(b'\\', b'`', b'?', path) {
        Some(at) if path[at] != b'?' => Err(Reason::InvalidTarget),
        _ => Ok(()),
    }
}

fn absolute_form(target: &[u8]) -> Result<&[u8], Reason> {
    let rest = strip_scheme(target).ok_or(Reason::InvalidTarget)?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    check_authority(authority).map_err(|_| Reason::InvalidTarget)?;
    check_path(path)?;
    Ok(authority)
}

fn strip_scheme(target: &[u8]) -> Option<&[u8]> {
    [&b"http://"[..], b"https://"].iter().find_map(|scheme| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}

/// Checks `host [":" port]`: a name, an IPv4 address or an IPv6 address in brackets.
///
/// Stricter than RFC 3986: no user information, no percent-encoding, no empty host or port.
pub(super) fn check_authority(authority: &[u8]) -> Result<(), Reason> {
    let (host_is_valid, port) = match authority.strip_prefix(b"[") {
        Some(rest) => {
            let end = memchr::memchr(b']', rest).ok_or(Reason::InvalidHost)?;
            let address =
                std::str::from_utf8(&rest[..end]).ok().and_then(|text| text.parse::<Ipv6Addr>().ok());
            (address.is_some(), &rest[end + 1..])
        }
        None => {
            let end = memchr::memchr(b':', authority).unwrap_or(authority.len());
            let (name, port) = authority.split_at(end);
            (is_name(name), port)
        }
    };
    if host_is_valid && is_port(port) { Ok(()) } else { Err(Reason::InvalidHost) }
}

fn is_name(name: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    (1..=MAX_HOST).contains(&name.len()) && name.iter().all(allowed)
}

/// Nothing, or a colon and a number below 65536.
fn is_port(text: &[u8]) -> bool {
    match text {
        [] => true,
        [b':', digits @ ..] if (1..=5).contains(&digits.len()) => {
            digits.iter().all(u8::is_ascii_digit)
                && digits.iter().fold(0u32, |port, digit| port * 10 + u32::from(digit - b'0')) <= 65535
        }
        _ => false,
    }
}
