//! The cache's part in a request: may it be used, what is found, what is kept.

mod admission;
pub mod coding;
pub mod manage;
mod names;
mod range;
mod ready;
mod report;
mod request;
pub mod words;

pub use self::{
    admission::{admit, confirm},
    names::names,
    range::range,
    ready::{Ready, ready, served},
    report::{Lookup, close, lookup, result, to_downstream},
    request::{
        CacheUse, begin, enable, is_not_modified, judge_hit, key, may_serve_stale, only_if_cached, sent, vary,
    },
};
