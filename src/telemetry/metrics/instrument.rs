//! What is counted with: cheap to clone, cheap to add to.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use prometheus::proto;

use crate::telemetry::trace::TraceId;

/// A kind of metric, as a family needs to know it.
pub trait Instrument: Clone + Send + Sync + 'static {
    /// The type told in the scrape.
    const TYPE: proto::MetricType;
    /// What all series of a family share.
    type Options: Copy + Send + Sync;

    /// A new series at zero.
    fn new(options: Self::Options) -> Self;

    /// Writes the current value.
    fn sample(&self, into: &mut proto::Metric);
}

/// Keeps values that different workers write apart from each other.
#[repr(align(64))]
#[derive(Debug, Default)]
struct CacheLine<T>(T);

/// A number that only grows.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<CacheLine<AtomicU64>>);

impl Counter {
    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.0.fetch_add(n, Relaxed);
    }

    /// Shows a total that is counted elsewhere.
    pub fn show(&self, total: u64) {
        self.0.0.store(total, Relaxed);
    }

    /// The sum so far.
    pub fn get(&self) -> u64 {
        self.0.0.load(Relaxed)
    }
}

impl Instrument for Counter {
    const TYPE: proto::MetricType = proto::MetricType::COUNTER;
    type Options = ();

    fn new((): ()) -> Self {
        Self::default()
    }

    fn sample(&self, into: &mut proto::Metric) {
        let mut counter = proto::Counter::default();
        counter.set_value(self.get() as f64);
        into.set_counter(counter);
    }
}

/// A number that goes up and down.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<CacheLine<AtomicI64>>);

impl Gauge {
    /// Adds one.
    pub fn inc(&self) {
        self.0.0.fetch_add(1, Relaxed);
    }

    /// Takes one away.
    pub fn dec(&self) {
        self.0.0.fetch_sub(1, Relaxed);
    }

    /// Replaces the value.
    pub fn set(&self, value: i64) {
        self.0.0.store(value, Relaxed);
    }

    /// The value.
    pub fn get(&self) -> i64 {
        self.0.0.load(Relaxed)
    }
}

impl Instrument for Gauge {
    const TYPE: proto::MetricType = proto::MetricType::GAUGE;
    type Options = ();

    fn new((): ()) -> Self {
        Self::default()
    }

    fn sample(&self, into: &mut proto::Metric) {
        let mut gauge = proto::Gauge::default();
        gauge.set_value(self.get() as f64);
        into.set_gauge(gauge);
    }
}

/// Time that workers spent, shown in seconds.
#[derive(Clone, Debug, Default)]
pub struct SecondsCounter(Arc<CacheLine<AtomicU64>>);

impl SecondsCounter {
    /// Shows a total kept elsewhere.
    pub fn set(&self, total: Duration) {
        self.0.0.store(u64::try_from(total.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }
}

impl Instrument for SecondsCounter {
    const TYPE: proto::MetricType = proto::MetricType::COUNTER;
    type Options = ();

    fn new((): ()) -> Self {
        Self::default()
    }

    fn sample(&self, into: &mut proto::Metric) {
        let mut counter = proto::Counter::default();
        counter.set_value(self.0.0.load(Relaxed) as f64 / 1e6);
        into.set_counter(counter);
    }
}

/// Upper bounds of a histogram, ascending; the last bucket has none.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    values: &'static [u64],
    /// How many of the values' unit make one of the unit shown.
    per_shown: u32,
}

impl Bounds {
    /// Bounds in microseconds, of what is shown in seconds.
    pub const fn micros(values: &'static [u64]) -> Self {
        Self { values, per_shown: 1_000_000 }
    }

    /// Bounds of what is counted one by one.
    pub const fn ones(values: &'static [u64]) -> Self {
        Self { values, per_shown: 1 }
    }
}

/// For whole requests. Holds every bound that the objectives of 100 ms, 500 ms, 1 s need.
pub const REQUEST: Bounds = Bounds::micros(&[
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_000_000,
    5_000_000, 10_000_000, 30_000_000,
]);

/// For setting up a connection.
pub const CONNECT: Bounds = Bounds::micros(&[
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000,
]);

/// For looking something up.
pub const LOOKUP: Bounds =
    Bounds::micros(&[5, 10, 25, 50, 100, 250, 500, 1_000, 5_000, 25_000, 100_000, 500_000]);

/// For the time that connections are open.
pub const AGE: Bounds = Bounds::micros(&[
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
    1_800_000_000,
    7_200_000_000,
]);

/// For sizes in bytes.
pub const BYTES: Bounds =
    Bounds::ones(&[256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864]);

/// For small numbers of things.
pub const COUNT: Bounds = Bounds::ones(&[1, 2, 5, 10, 25, 50, 100, 250, 1_000]);

/// An observation that stands for its bucket.
#[derive(Clone, Copy, Debug)]
pub struct Exemplar {
    /// Where to look it up.
    pub trace: TraceId,
    /// What was observed, in the unit shown.
    pub value: f64,
    /// When.
    pub time: SystemTime,
}

/// How long things took, or how large they were.
///
/// Two atomic additions an observation: one bucket and the sum. The count is the
/// sum of the buckets, so a scrape is consistent without a lock; only the sum of
/// times may run an observation ahead of or behind it.
#[derive(Clone, Debug)]
pub struct Histogram(Arc<CacheLine<Cells>>);

#[derive(Debug)]
struct Cells {
    bounds: Bounds,
    /// One more than bounds.
    buckets: Box<[AtomicU64]>,
    /// Of times in units of 100 ns: fine enough for a cache hit, and wraps after 58,000 years
    /// of waiting. Of amounts as they are.
    sum: AtomicU64,
    /// The last one of each bucket, once there is one.
    exemplars: OnceLock<Box<[Mutex<Option<Exemplar>>]>>,
}

impl Histogram {
    /// Adds one observation.
    pub fn observe(&self, duration: Duration) {
        self.observe_in(duration, None);
    }

    /// Adds one observation, and keeps it as the example of its bucket if it belongs to a trace.
    pub fn observe_in(&self, duration: Duration, trace: Option<TraceId>) {
        let bucket = self.bucket(in_micros(duration));
        self.count_in(bucket);
        let ticks = duration.as_secs() * 10_000_000 + u64::from(duration.subsec_nanos() / 100);
        self.0.0.sum.fetch_add(ticks, Relaxed);
        if let Some(trace) = trace {
            self.keep(bucket, Exemplar { trace, value: duration.as_secs_f64(), time: SystemTime::now() });
        }
    }

    /// Keeps a time that was observed as the example of its bucket.
    pub fn exemplify(&self, duration: Duration, trace: TraceId) {
        let bucket = self.bucket(in_micros(duration));
        self.keep(bucket, Exemplar { trace, value: duration.as_secs_f64(), time: SystemTime::now() });
    }

    /// Adds one size or number.
    pub fn observe_amount(&self, amount: u64) {
        self.count_in(self.bucket(amount));
        self.0.0.sum.fetch_add(amount, Relaxed);
    }

    fn bucket(&self, value: u64) -> usize {
        self.0.0.bounds.values.partition_point(|&bound| bound < value)
    }

    fn count_in(&self, bucket: usize) {
        if let Some(bucket) = self.0.0.buckets.get(bucket) {
            bucket.fetch_add(1, Relaxed);
        }
    }

    fn keep(&self, bucket: usize, exemplar: Exemplar) {
        let cells = &self.0.0;
        let all = cells.exemplars.get_or_init(|| cells.buckets.iter().map(|_| Mutex::default()).collect());
        // Whoever is here at the same moment has an example just as good.
        if let Some(mut kept) = all.get(bucket).and_then(Mutex::try_lock) {
            *kept = Some(exemplar);
        }
    }

    /// The example of a bucket, by its index; the last bucket is the one without a bound.
    pub fn exemplar(&self, bucket: usize) -> Option<Exemplar> {
        *self.0.0.exemplars.get()?.get(bucket)?.lock()
    }

    /// Observations so far.
    pub fn count(&self) -> u64 {
        self.0.0.buckets.iter().map(|bucket| bucket.load(Relaxed)).sum()
    }
}

/// Rounded up: a bound is what a bucket holds at most.
fn in_micros(duration: Duration) -> u64 {
    duration.as_secs() * 1_000_000 + u64::from(duration.subsec_nanos().div_ceil(1_000))
}

impl Instrument for Histogram {
    const TYPE: proto::MetricType = proto::MetricType::HISTOGRAM;
    type Options = Bounds;

    fn new(bounds: Bounds) -> Self {
        let buckets = (0..=bounds.values.len()).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(CacheLine(Cells {
            bounds,
            buckets,
            sum: AtomicU64::new(0),
            exemplars: OnceLock::new(),
        })))
    }

    fn sample(&self, into: &mut proto::Metric) {
        let cells = &self.0.0;
        let mut count = 0;
        let mut buckets = Vec::with_capacity(cells.bounds.values.len());
        for (index, bucket) in cells.buckets.iter().enumerate() {
            count += bucket.load(Relaxed);
            // The encoder adds the last bucket, `+Inf`, from the count.
            if let Some(&bound) = cells.bounds.values.get(index) {
                let mut sample = proto::Bucket::default();
                sample.set_upper_bound(bound as f64 / f64::from(cells.bounds.per_shown));
                sample.set_cumulative_count(count);
                buckets.push(sample);
            }
        }
        let mut histogram = proto::Histogram::default();
        histogram.set_bucket(buckets);
        histogram.set_sample_count(count);
        let per_shown = if cells.bounds.per_shown == 1 { 1.0 } else { 1e7 };
        histogram.set_sample_sum(cells.sum.load(Relaxed) as f64 / per_shown);
        into.set_histogram(histogram);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cumulative buckets, then the count.
    fn cumulative(histogram: &Histogram) -> Vec<u64> {
        let mut metric = proto::Metric::default();
        histogram.sample(&mut metric);
        let sample = metric.get_histogram();
        let buckets = sample.get_bucket().iter().map(proto::Bucket::cumulative_count);
        buckets.chain([sample.get_sample_count()]).collect()
    }

    #[test]
    fn an_observation_counts_in_every_bucket_from_its_bound_up() {
        let histogram = Histogram::new(Bounds::micros(&[1_000, 10_000]));
        for micros in [1_000, 1_001, 10_000, 10_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        assert_eq!(cumulative(&histogram), [1, 3, 4]);
        histogram.observe(Duration::from_nanos(1_000_001));
        assert_eq!(cumulative(&histogram), [1, 4, 5], "a nanosecond above the bound is above it");
        assert_eq!(histogram.count(), 5);
    }

    #[test]
    fn the_sum_keeps_what_a_microsecond_would_lose() {
        let histogram = Histogram::new(REQUEST);
        for _ in 0..1_000 {
            histogram.observe(Duration::from_nanos(1_500));
        }
        let mut metric = proto::Metric::default();
        histogram.sample(&mut metric);
        assert!((metric.get_histogram().get_sample_sum() - 0.001_5).abs() < 1e-9);
    }

    #[test]
    fn bounds_are_written_as_in_the_queries() {
        let written = |bounds: Bounds| -> Vec<String> {
            bounds.values.iter().map(|&micros| (micros as f64 / 1e6).to_string()).collect()
        };
        assert_eq!(
            written(REQUEST).join(" "),
            "0.0005 0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2 5 10 30"
        );
        assert_eq!(written(CONNECT).join(" "), "0.0005 0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 5");
    }

    #[test]
    fn amounts_are_shown_as_they_are() {
        let histogram = Histogram::new(COUNT);
        for amount in [1, 2, 3, 5_000] {
            histogram.observe_amount(amount);
        }
        assert_eq!(cumulative(&histogram), [1, 2, 3, 3, 3, 3, 3, 3, 3, 4]);
        let mut metric = proto::Metric::default();
        histogram.sample(&mut metric);
        assert!((metric.get_histogram().get_sample_sum() - 5_006.0).abs() < 1e-9);
    }

    #[test]
    fn a_bucket_keeps_its_last_example() {
        let histogram = Histogram::new(REQUEST);
        histogram.observe(Duration::from_millis(3));
        assert!(histogram.exemplar(3).is_none(), "no trace, no example");
        histogram.observe_in(Duration::from_millis(3), TraceId::padded(b"1"));
        histogram.observe_in(Duration::from_millis(4), TraceId::padded(b"2"));
        let kept = histogram.exemplar(3).unwrap();
        assert_eq!((Some(kept.trace), kept.value), (TraceId::padded(b"2"), 0.004));
        assert!(histogram.exemplar(4).is_none());
    }

    #[test]
    fn a_gauge_goes_both_ways() {
        let gauge = Gauge::default();
        gauge.inc();
        gauge.inc();
        gauge.dec();
        assert_eq!(gauge.get(), 1);
        gauge.set(-3);
        assert_eq!(gauge.get(), -3);
    }
}
