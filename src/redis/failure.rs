//! What the answers of Redis mean to us.

use redis::{ErrorKind, RedisError};

use crate::telemetry::cache::BackendFailure;

/// The reason that a command was not carried out.
pub fn classify(error: &RedisError) -> BackendFailure {
    // The codes of the server first: the crate knows only some of them by kind.
    match error.code() {
        Some("READONLY" | "NOREPLICAS" | "MISCONF") => BackendFailure::ReadOnly,
        Some("OOM") => BackendFailure::OutOfMemory,
        Some("LOADING" | "BUSY") => BackendFailure::Loading,
        Some("MOVED" | "ASK" | "TRYAGAIN" | "CROSSSLOT") => BackendFailure::Moved,
        Some("CLUSTERDOWN" | "MASTERDOWN") => BackendFailure::Down,
        Some("NOAUTH" | "WRONGPASS" | "NOPERM") => BackendFailure::Denied,
        Some("WRONGTYPE") => BackendFailure::WrongType,
        _ => match error.kind() {
            ErrorKind::Io if error.is_timeout() => BackendFailure::Timeout,
            ErrorKind::Io => BackendFailure::Io,
            ErrorKind::AuthenticationFailed => BackendFailure::Denied,
            ErrorKind::MasterNameNotFoundBySentinel | ErrorKind::ClusterConnectionNotFound => {
                BackendFailure::Down
            }
            ErrorKind::UnexpectedReturnType | ErrorKind::Parse => BackendFailure::WrongType,
            _ => BackendFailure::Other,
        },
    }
}

/// What a failure says about the server and the connection to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// Nothing: it answered, and would answer another command.
    Command,
    /// It may be gone.
    Connection,
    /// It is alive, but not the one to talk to.
    Server,
}

/// Where the fault lies.
pub fn blame(failure: BackendFailure) -> Blame {
    match failure {
        BackendFailure::OutOfMemory
        | BackendFailure::WrongType
        | BackendFailure::Disconnected
        | BackendFailure::BreakerOpen => Blame::Command,
        BackendFailure::ReadOnly => Blame::Server,
        BackendFailure::Timeout
        | BackendFailure::Io
        | BackendFailure::Loading
        | BackendFailure::Moved
        | BackendFailure::Down
        | BackendFailure::Denied
        | BackendFailure::Other => Blame::Connection,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use redis::make_extension_error;

    use super::*;

    #[test]
    fn the_words_of_the_server_have_their_reasons() {
        for (code, expected) in [
            ("READONLY", BackendFailure::ReadOnly),
            ("OOM", BackendFailure::OutOfMemory),
            ("LOADING", BackendFailure::Loading),
            ("MOVED", BackendFailure::Moved),
            ("CLUSTERDOWN", BackendFailure::Down),
            ("NOAUTH", BackendFailure::Denied),
            ("NOPERM", BackendFailure::Denied),
            ("WRONGTYPE", BackendFailure::WrongType),
            ("ERR", BackendFailure::Other),
        ] {
            assert_eq!(classify(&make_extension_error(code.to_owned(), None)), expected, "{code}");
        }
    }

    #[test]
    fn a_broken_connection_is_not_a_slow_one() {
        let of = |kind| classify(&RedisError::from(io::Error::from(kind)));
        assert_eq!(of(io::ErrorKind::TimedOut), BackendFailure::Timeout);
        assert_eq!(of(io::ErrorKind::BrokenPipe), BackendFailure::Io);
    }
}
