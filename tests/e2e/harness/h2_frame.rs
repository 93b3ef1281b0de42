//! Frames of HTTP/2 as bytes (RFC 9113 section 4.1), for peers that no library would be.

/// What a client sends first.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes ahead of every payload.
pub const FRAME_HEAD: usize = 9;
/// A type.
pub const DATA: u8 = 0;
/// A type.
pub const HEADERS: u8 = 1;
/// A type.
pub const RST_STREAM: u8 = 3;
/// A type.
pub const SETTINGS: u8 = 4;
/// A type.
pub const GOAWAY: u8 = 7;
/// A flag of `SETTINGS`.
pub const ACK: u8 = 1;
/// A flag of `DATA` and `HEADERS`.
pub const END_STREAM: u8 = 1;
/// A flag of `HEADERS`.
pub const END_HEADERS: u8 = 4;

/// The fields of a GET of `/` at `a` (RFC 7541 appendix A, and one literal).
pub const GET_ROOT: &[u8] = b"\x82\x86\x84\x01\x01a";

/// A frame of a received stream of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The type.
    pub kind: u8,
    /// The flags.
    pub flags: u8,
    /// The payload.
    pub payload: Vec<u8>,
}

/// A frame to send.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The whole frames at the beginning of what was received.
pub fn frames(mut bytes: &[u8]) -> Vec<Frame> {
    let mut found = Vec::new();
    while let [a, b, c, kind, flags, _, _, _, _, rest @ ..] = bytes {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let Some((payload, next)) = rest.split_at_checked(length) else { break };
        found.push(Frame { kind: *kind, flags: *flags, payload: payload.to_vec() });
        bytes = next;
    }
    found
}
