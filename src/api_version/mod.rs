//! Which version of the API a request is for, and what there is to say about it.
//!
//! A version is stated in the path, in a header field, in a vendor media type of `Accept` or in
//! a query parameter; [`Versions`] finds it and gives it one canonical form, which routing, the
//! cache key, metrics and the log all use. Whether a version is deprecated, paused or over is
//! its [`life`].

mod accept;
mod detect;
pub mod life;
pub mod listing;
mod target;

pub use detect::{VersionError, VersionIndex, Versions, Wish};
pub use target::Unversioned;
