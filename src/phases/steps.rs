//! How long the steps of a request take.

use std::time::Instant;

use crate::{
    runtime::resources::Resources,
    telemetry::metrics::{Filter, FilterMetrics},
};

/// A clock that is read once between two steps.
pub struct Steps<'a> {
    metrics: &'a FilterMetrics,
    since: Instant,
}

impl<'a> Steps<'a> {
    /// The first step begins.
    pub fn begin(resources: &'a Resources) -> Self {
        Self { metrics: resources.metrics.filters(), since: Instant::now() }
    }

    /// A step is over, the next one begins. What no step claims is part of the next one.
    pub fn done(&mut self, step: Filter) {
        let now = Instant::now();
        self.metrics.took(step, now.saturating_duration_since(self.since));
        self.since = now;
    }
}
