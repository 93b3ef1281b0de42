//! The words of GraphQL's metrics.

use super::label::label;

label! {
    /// What an operation does.
    OperationType {
        /// It reads.
        Query = "query",
        /// It changes something.
        Mutation = "mutation",
    }
}

label! {
    /// How an operation ended.
    OperationResult {
        /// Without an error.
        Ok = "ok",
        /// With errors, and with what they left of the data.
        Partial = "partial",
        /// Its execution never began: a variable or the caller's rights did not fit.
        Refused = "refused",
    }
}

label! {
    /// How a call for an operation ended.
    SubrequestResult {
        /// With an answer that was stored.
        Hit = "hit",
        /// With an answer of the service.
        Ok = "ok",
        /// With an answer of 400 or more.
        Refused = "refused",
        /// Without an answer.
        Failed = "failed",
    }
}
