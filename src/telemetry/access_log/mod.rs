//! One line a request.
//!
//! A worker formats its line into a buffer of its own thread and appends it to
//! the queue of [`AccessLog`] under a short lock; a task writes the queue out
//! with [`AccessLog::flush_to`]. The queue is bounded: when the output does not
//! keep up, lines are dropped and counted, and requests are never held up.
//!
//! What a client sent is escaped and cut; the query is never written, because
//! queries carry tokens.

mod escape;
mod line;
mod queue;
mod record;
mod writer;

pub use queue::{AccessLog, LINGER, LineCounters};
pub use record::AccessRecord;
pub use writer::AccessLogWriter;

#[cfg(test)]
mod tests;
