//! What is kept, for whom, for how long, and what takes it out again.

mod coalescing;
mod directives;
mod freshness;
mod invalidation;
mod privacy;
mod purging;
mod ranges;
pub mod tiers;

/// A route that keeps what the origin allows.
pub const CACHED: &str = "\
upstreams:
  origin: { backends: ['@origin@'] }
routes:
  - name: kept
    match: { path: '/**' }
    upstream: origin
    cache: {}
";
