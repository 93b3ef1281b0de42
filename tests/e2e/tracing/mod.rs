//! One trace through the gateway: ids to backends and into the log, spans to a collector.

mod propagation;
