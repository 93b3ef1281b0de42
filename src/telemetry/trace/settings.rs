//! The `tracing:` section, compiled.

use super::sampling::Threshold;
use crate::config::trace::{RouteTracingConfig, TraceFormat, TracingConfig};

/// What holds for the whole process.
#[derive(Clone, Debug)]
pub struct Tracing {
    /// The formats understood, the preferred one first.
    pub accept: Vec<TraceFormat>,
    /// What holds on routes that do not say otherwise.
    pub common: RouteTracing,
}

/// What may differ from route to route.
#[derive(Clone, Debug)]
pub struct RouteTracing {
    /// Which new traces are sampled.
    pub threshold: Threshold,
    /// Formats in which backends are told of the trace beside W3C's.
    pub also_send: Box<[TraceFormat]>,
}

impl Tracing {
    /// The section, compiled.
    pub fn new(config: &TracingConfig) -> Self {
        Self {
            accept: config.accept.clone(),
            common: RouteTracing {
                threshold: Threshold::of(config.sampling.ratio),
                also_send: config.also_send.clone().into(),
            },
        }
    }

    /// What holds on a route.
    pub fn on_route(&self, config: Option<&RouteTracingConfig>) -> RouteTracing {
        let mut own = self.common.clone();
        if let Some(ratio) = config.and_then(|config| config.ratio) {
            own.threshold = Threshold::of(ratio);
        }
        if let Some(formats) = config.and_then(|config| config.also_send.clone()) {
            own.also_send = formats.into();
        }
        own
    }
}
