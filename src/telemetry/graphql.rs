//! The words of GraphQL's metrics.

use super::label::label;

label! {
    /// What an operation does.
    OperationKind {
        /// It reads.
        Query = "query",
        /// It changes something.
        Mutation = "mutation",
    }
}

label! {
    /// How an operation ended.
    OperationOutcome {
        /// Without an error.
        Ok = "ok",
        /// With errors, and with what they left of the data.
        Partial = "partial",
        /// Its execution never began: a variable or the caller's rights did not fit.
        Refused = "refused",
    }
}
