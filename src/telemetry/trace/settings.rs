//! The `tracing:` section, compiled.

use std::{sync::Arc, time::Duration};

use super::{
    export::Export,
    handover::Handover,
    keep::{Keep, KeepRule},
    queue::SpanQueue,
    sampling::{Parents, Threshold},
    spans::Detail,
};
use crate::{
    config::{
        finding::Problem,
        telemetry::TelemetryConfig,
        trace::{RouteTracingConfig, TraceFormat},
    },
    telemetry::metrics::TraceMetrics,
};

/// What holds for the whole process.
pub struct Tracing {
    /// The formats understood, the preferred one first.
    pub accept: Vec<TraceFormat>,
    /// What holds on routes that do not say otherwise.
    pub common: RouteTracing,
    /// How far callers decide what is sampled.
    pub parents: Parents,
    /// Whether trusted callers may ask for `Server-Timing`.
    pub server_timing: bool,
    /// Traces on their way to background requests.
    pub handover: Handover,
    /// Where spans go. `None`: nowhere.
    pub spans: Option<Spans>,
}

/// Spans, from their making to their export.
pub struct Spans {
    /// How much they tell.
    pub detail: Detail,
    /// How many are made although the request was not sampled.
    pub keep: Keep,
    /// Where they wait.
    pub queue: SpanQueue,
    /// Where they go.
    pub export: Export,
    /// Longest time that the end of the process waits for them.
    pub flush_timeout: Duration,
}

/// What may differ from route to route.
#[derive(Clone, Debug)]
pub struct RouteTracing {
    /// Which new traces are sampled.
    pub threshold: Threshold,
    /// Formats in which backends are told of the trace beside W3C's.
    pub also_send: Box<[TraceFormat]>,
    /// Which requests are kept although they were not sampled.
    pub keep: KeepRule,
}

impl Tracing {
    /// The section, compiled. `None`: there is none.
    ///
    /// # Errors
    /// All problems, with their paths.
    pub fn compile(
        telemetry: &TelemetryConfig,
        metrics: &Arc<TraceMetrics>,
    ) -> Result<Option<Self>, Vec<Problem>> {
        let Some(config) = &telemetry.tracing else { return Ok(None) };
        let spans = config.export.as_ref().map(|export| -> Result<_, Vec<Problem>> {
            let compiled = Export::compile(export).map_err(|found| {
                let at = |it: Problem| it.within("process.telemetry.tracing.export");
                found.into_iter().map(at).collect::<Vec<_>>()
            })?;
            Ok(Spans {
                detail: Detail::new(telemetry, &config.spans),
                keep: Keep::new(&config.sampling.keep),
                queue: SpanQueue::new(export.queue, export.batch, Arc::clone(metrics)),
                export: compiled,
                flush_timeout: export.flush_timeout.get(),
            })
        });
        Ok(Some(Self {
            accept: config.accept.clone(),
            common: RouteTracing {
                threshold: Threshold::of(config.sampling.ratio),
                also_send: config.also_send.clone().into(),
                keep: KeepRule::new(&config.sampling.keep),
            },
            parents: Parents::new(&config.sampling),
            server_timing: config.server_timing,
            handover: Handover::default(),
            spans: spans.transpose()?,
        }))
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
        if let Some(keep) = config.and_then(|config| config.keep.as_ref()) {
            own.keep = own.keep.with(keep);
        }
        own
    }
}
