//! The fields that frame and address a message: `Content-Length`, `Transfer-Encoding`,
//! `Host`, and `Connection` where it meddles with them.

use super::{Body, Reason, target};

/// The fields that decide where a message goes and where it ends.
#[derive(Default)]
pub(super) struct FramingFields<'a> {
    host: Option<&'a [u8]>,
    content_length: Option<u64>,
    transfer_encoding: bool,
}

impl<'a> FramingFields<'a> {
    /// Takes a field in; most are none of these.
    pub(super) fn read(&mut self, name: &str, value: &'a [u8]) -> Result<(), Reason> {
        // Lengths first: most fields are told apart by theirs.
        match name.len() {
            4 if name.eq_ignore_ascii_case("host") => match self.host.replace(value) {
                None => Ok(()),
                Some(_) => Err(Reason::DuplicateHost),
            },
            10 if name.eq_ignore_ascii_case("connection") && connection_option_is_protected(value) => {
                Err(Reason::ProtectedConnectionOption)
            }
            14 if name.eq_ignore_ascii_case("content-length") => {
                let length = content_length(value).ok_or(Reason::InvalidContentLength)?;
                match self.content_length.replace(length) {
                    None => Ok(()),
                    Some(_) => Err(Reason::DuplicateContentLength),
                }
            }
            17 if name.eq_ignore_ascii_case("transfer-encoding") => {
                match std::mem::replace(&mut self.transfer_encoding, true) {
                    true => Err(Reason::DuplicateTransferEncoding),
                    false if value.eq_ignore_ascii_case(b"chunked") => Ok(()),
                    false => Err(Reason::UnsupportedTransferEncoding),
                }
            }
            14 | 17 if imitates_framing(name) => Err(Reason::InvalidFieldName),
            _ => Ok(()),
        }
    }

    /// How the end of the body is found.
    pub(super) fn body(&self) -> Body {
        match self.content_length {
            _ if self.transfer_encoding => Body::Chunked,
            None | Some(0) => Body::None,
            Some(length) => Body::Length(length),
        }
    }

    /// Judges the fields together; `authority` is that of a target in absolute form.
    pub(super) fn check(&self, authority: Option<&[u8]>, http10: bool) -> Result<(), Reason> {
        if self.transfer_encoding && http10 {
            return Err(Reason::TransferEncodingInHttp10);
        }
        if self.transfer_encoding && self.content_length.is_some() {
            return Err(Reason::AmbiguousLength);
        }
        match (self.host, authority) {
            (None, _) if http10 => Ok(()),
            (None, _) => Err(Reason::MissingHost),
            (Some(host), None) => target::check_authority(host),
            // Byte by byte, as Pingora compares: a client makes one from the other.
            (Some(host), Some(authority)) if host == authority => Ok(()),
            (Some(_), Some(_)) => Err(Reason::HostMismatch),
        }
    }
}

/// The value as one decimal number below 2^63. No sign, no list, no space.
pub(super) fn content_length(value: &[u8]) -> Option<u64> {
    const DIGITS: usize = 19; // of i64::MAX
    if value.is_empty() || value.len() > DIGITS || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // 19 digits fit in a u64.
    let length = value.iter().fold(0u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    (length <= i64::MAX as u64).then_some(length)
}

/// Whether a name becomes a framing field where `_` is read as `-`, as CGI and WSGI do.
pub(super) fn imitates_framing(name: &str) -> bool {
    let same = |framing: &str| {
        name.len() == framing.len()
            && name.bytes().zip(framing.bytes()).all(|(byte, expected)| {
                byte.to_ascii_lowercase() == expected || (byte == b'_' && expected == b'-')
            })
    };
    name.contains('_') && (same("content-length") || same("transfer-encoding"))
}

/// Whether `Connection` asks to drop a field that frames or addresses the message on its way.
fn connection_option_is_protected(value: &[u8]) -> bool {
    const PROTECTED: [&[u8]; 3] = [b"content-length", b"transfer-encoding", b"host"];
    // The usual values: `close`, `keep-alive`, `Upgrade`.
    if !value.contains(&b',') && value.len() <= 10 && value.len() != 4 {
        return false;
    }
    value
        .split(|&byte| byte == b',')
        .map(<[u8]>::trim_ascii)
        .any(|option| PROTECTED.iter().any(|name| name.eq_ignore_ascii_case(option)))
}
