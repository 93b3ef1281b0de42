//! The lines that wait to be written.

use std::{
    cell::RefCell,
    hash::Hasher as _,
    io::{self, ErrorKind, IsTerminal, Write},
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::timeout};

use super::{
    line::{Clock, Form, Line},
    record::AccessRecord,
};
use crate::{
    config::telemetry::{AccessLogConfig, AccessLogOutput, AccessLogPath, LogFormat},
    telemetry::metrics::Counter,
};

/// Longest time a line waits for others before the queue is [`ready`](AccessLog::ready).
pub const LINGER: Duration = Duration::from_millis(50);

/// Bytes the queue may hold for each line it may hold: more than a usual line.
const BYTES_PER_LINE: usize = 512;
/// Bytes the queue may hold at least: a few of the longest lines.
const MIN_BYTES: usize = 64 * 1024;
/// Buffers are never shrunk below this size, in bytes.
const KEPT_BYTES: usize = 256 * 1024;

thread_local! {
    /// Where a worker formats its line, so that the lock covers one copy only.
    static SCRATCH: RefCell<(Vec<u8>, Clock)> = RefCell::default();
}

/// The access log: a bounded queue of formatted lines.
pub struct AccessLog {
    form: Form,
    path: AccessLogPath,
    max_lines: usize,
    max_bytes: usize,
    queue: Mutex<Queue>,
    /// The buffer that was written last; whoever holds it is the one who writes.
    spare: Mutex<Vec<u8>>,
    filled: Notify,
    half_full: Notify,
    /// Requests whose mixed id is below this are written.
    sampled_below: u64,
    counters: LineCounters,
}

/// What becomes of lines.
#[derive(Clone, Debug, Default)]
pub struct LineCounters {
    /// Put into the queue.
    pub written: Counter,
    /// Not made, because of sampling.
    pub skipped: Counter,
    /// Lost for want of room or of an output.
    pub dropped: Counter,
}

#[derive(Default)]
struct Queue {
    text: Vec<u8>,
    lines: usize,
}

impl AccessLog {
    /// The access log as configured; `None` when it is switched off.
    pub fn from_config(config: &AccessLogConfig, counters: LineCounters) -> Option<Self> {
        let to_terminal = config.output == AccessLogOutput::Stdout && io::stdout().is_terminal();
        let form = match config.format {
            LogFormat::Json => Form::Json,
            LogFormat::Text => Form::Text,
            LogFormat::Auto if to_terminal => Form::Text,
            LogFormat::Auto => Form::Json,
        };
        config.enabled.then(|| Self {
            form,
            path: config.path,
            max_lines: config.queue,
            max_bytes: config.queue.saturating_mul(BYTES_PER_LINE).max(MIN_BYTES),
            queue: Mutex::default(),
            spare: Mutex::default(),
            filled: Notify::new(),
            half_full: Notify::new(),
            // 1.0 saturates: every id is below or at it, and `is_sampled` knows.
            sampled_below: (config.sample.0 * u64::MAX as f64) as u64,
            counters,
        })
    }

    /// Appends a line. Never waits for the output; allocates nothing once the
    /// buffers have grown to their usual size.
    pub fn write(&self, record: &AccessRecord<'_>) {
        if !self.is_sampled(record) {
            self.counters.skipped.inc();
            return;
        }
        let written = SCRATCH.try_with(|scratch| {
            let (line, clock) = &mut *scratch.borrow_mut();
            record.write(Line::start(line, clock, self.form), self.path);
            self.append(line)
        });
        // An error: the thread is about to end, and its buffer is gone.
        if written == Ok(true) {
            self.counters.written.inc();
        } else {
            self.counters.dropped.inc();
        }
    }

    /// Whether a request is written down: all that failed are.
    fn is_sampled(&self, record: &AccessRecord<'_>) -> bool {
        self.sampled_below == u64::MAX
            || record.error.is_some()
            || record.status.is_none_or(|status| status >= 500)
            || mixed(record.request_id) < self.sampled_below
    }

    /// Lines that wait to be written.
    pub fn waiting(&self) -> usize {
        lock(&self.queue).lines
    }

    /// Whether there was room for the line.
    fn append(&self, line: &[u8]) -> bool {
        let mut queue = lock(&self.queue);
        if queue.lines >= self.max_lines || queue.text.len() + line.len() > self.max_bytes {
            return false;
        }
        let half_before = self.is_half_full(&queue);
        queue.text.extend_from_slice(line);
        queue.lines += 1;
        let first = queue.lines == 1;
        let half_now = self.is_half_full(&queue);
        drop(queue);
        if first {
            self.filled.notify_one();
        }
        if half_now && !half_before {
            self.half_full.notify_one();
        }
        true
    }

    fn is_half_full(&self, queue: &Queue) -> bool {
        queue.lines >= self.max_lines.div_ceil(2) || queue.text.len() >= self.max_bytes / 2
    }

    /// Returns when lines should be written: [`LINGER`] after the first one, or
    /// when the queue is half full. May be cancelled and called again.
    pub async fn ready(&self) {
        while lock(&self.queue).lines == 0 {
            self.filled.notified().await;
        }
        // Elapsed or half full: either way it is time.
        drop(timeout(LINGER, self.half_full.notified()).await);
    }

    /// Writes all waiting lines to `out` and returns how many there were. Blocks
    /// as long as `out` does, but not those who append.
    ///
    /// # Errors
    /// Those of `out`. The lines not written are dropped and counted.
    pub fn flush_to(&self, out: &mut impl Write) -> io::Result<usize> {
        let mut text = lock(&self.spare);
        let lines = {
            let mut queue = lock(&self.queue);
            mem::swap(&mut queue.text, &mut *text);
            mem::take(&mut queue.lines)
        };
        let written = write_all(out, &text).and_then(|()| out.flush().map_err(|error| (error, 0)));
        // Give memory back slowly after a peak, so that steady traffic never allocates.
        if text.len() < text.capacity() / 8 {
            let half = text.capacity() / 2;
            text.clear();
            text.shrink_to(half.max(KEPT_BYTES));
        }
        text.clear();
        match written {
            Ok(()) => Ok(lines),
            Err((error, lost)) => {
                self.counters.dropped.add(lost);
                Err(error)
            }
        }
    }

    /// Lines lost so far, for want of room or of an output.
    pub fn dropped(&self) -> u64 {
        self.counters.dropped.get()
    }
}

/// A number that an id leads to, the same in every process, evenly spread.
fn mixed(id: &str) -> u64 {
    let mut hasher = fnv::FnvHasher::default();
    hasher.write(id.as_bytes());
    // FNV leaves the upper bits of short texts alike: the end of SplitMix64 spreads them.
    let mut n = hasher.finish();
    n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes all of `text`, or tells how many lines did not get out whole.
fn write_all(out: &mut impl Write, mut text: &[u8]) -> Result<(), (io::Error, u64)> {
    while !text.is_empty() {
        match out.write(text) {
            Ok(n) if n > 0 => text = &text[n..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            outcome => {
                let error = outcome.err().unwrap_or_else(|| ErrorKind::WriteZero.into());
                let lost = memchr::memchr_iter(b'\n', text).count() as u64;
                return Err((error, lost));
            }
        }
    }
    Ok(())
}
