//! The words of identity, which metrics, logs and answers share.

use super::label::label;

label! {
    /// Why credentials are not accepted. The word is the code in the answer.
    AuthError {
        /// There are none.
        Missing = "credentials_missing",
        /// They are not what they should look like.
        Malformed = "credentials_malformed",
        /// There is more than one of a kind.
        Duplicate = "credentials_duplicate",
        /// They are of two callers.
        Conflict = "credentials_conflict",
        /// They are larger than any that are taken.
        TooLarge = "credentials_too_large",
        /// The token is signed in a way that is not accepted.
        Algorithm = "token_algorithm",
        /// The token is signed with a key that is not known.
        UnknownKey = "token_key_unknown",
        /// The token is not what was signed.
        BadSignature = "token_signature",
        /// The token is too old.
        Expired = "token_expired",
        /// The token is for later.
        NotYetValid = "token_not_yet_valid",
        /// The token is from somebody else.
        WrongIssuer = "token_issuer",
        /// The token is for somebody else.
        WrongAudience = "token_audience",
        /// Nobody has this key.
        UnknownApiKey = "api_key_unknown",
        /// No such user, or not the user's password.
        BadPassword = "password_wrong",
        /// The service that was asked does not accept them.
        Refused = "credentials_refused",
        /// They are good, but not for this.
        Forbidden = "forbidden",
        /// They cannot be checked now.
        Unavailable = "auth_unavailable",
    }
}

impl std::error::Error for AuthError {}

label! {
    /// What a look at the verified credentials brought.
    Remembered {
        /// They were verified before.
        Hit = "hit",
        /// They had to be verified.
        Miss = "miss",
    }
}
