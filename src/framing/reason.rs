//! The status that each refusal of a request head is answered with.

pub use crate::telemetry::reason::BadRequestReason as Reason;

/// The HTTP status to answer with: 400, 405, 408, 414, 431, 501 or 505.
pub const fn status(reason: Reason) -> u16 {
    match reason {
        Reason::ConnectMethod => 405,
        Reason::TargetTooLong => 414,
        Reason::HeadTooLarge | Reason::TooManyFields => 431,
        Reason::UnsupportedTransferEncoding => 501,
        Reason::UnsupportedVersion => 505,
        Reason::HeaderTimeout => 408,
        Reason::BodyTooLarge => 413,
        _ => 400,
    }
}
