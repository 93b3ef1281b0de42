//! GraphQL over REST: a schema, and what becomes of a document under it.
//!
//! An SDL file becomes a model (`sdl`, `directives`, `template` → [`schema`]). A document is
//! checked for its size before anything walks it (`precheck`), validated (`validate`) and
//! compiled to a plan, once (`plan_cache`). Executing a plan asks a [`Fetch`] for answers.
//!
//! Nothing here knows an HTTP server, a route or a cache of responses.

pub mod advice;
mod authorize;
pub mod caching;
pub mod call;
pub mod coerce;
mod complete;
mod cost;
mod directives;
mod document;
mod engine;
pub mod errors;
mod execute;
mod explain;
mod failure;
pub mod json;
mod outcome;
pub mod plan;
mod plan_cache;
mod precheck;
mod read_before;
mod report;
mod response;
mod scan;
pub mod schema;
pub mod sdl;
pub mod template;
mod validate;

pub use call::{Answer, CacheResult, Call, CallFailure, CallRecord, Fetch, Reuse};
pub use engine::Engine;
pub use errors::{ErrorCode, GraphqlError, PathStep};
pub use outcome::{Ask, Caller, Outcome, ResponseCache, Timings};
pub use plan_cache::Prepared;
pub use schema::Schema;
