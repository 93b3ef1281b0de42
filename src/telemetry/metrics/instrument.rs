//! What is counted with: cheap to clone, cheap to add to.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use prometheus::proto;

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

/// Upper bounds of a histogram in microseconds, ascending; the last bucket has none.
pub type Bounds = &'static [u64];

/// For whole requests. Holds every bound that the objectives of 100 ms, 500 ms, 1 s need.
pub const REQUEST: Bounds = &[
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_000_000,
    5_000_000, 10_000_000, 30_000_000,
];

/// For setting up a connection.
pub const CONNECT: Bounds =
    &[500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000];

/// For looking something up.
pub const LOOKUP: Bounds = &[5, 10, 25, 50, 100, 250, 500, 1_000, 5_000, 25_000, 100_000, 500_000];

/// How long things took.
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
    /// Units of 100 ns: fine enough for a cache hit, and wraps after 58,000 years of waiting.
    sum: AtomicU64,
}

impl Histogram {
    /// Adds one observation.
    pub fn observe(&self, duration: Duration) {
        let micros = duration.as_secs() * 1_000_000 + u64::from(duration.subsec_nanos().div_ceil(1_000));
        let cells = &self.0.0;
        let bucket = cells.bounds.partition_point(|&bound| bound < micros);
        if let Some(bucket) = cells.buckets.get(bucket) {
            bucket.fetch_add(1, Relaxed);
        }
        let ticks = duration.as_secs() * 10_000_000 + u64::from(duration.subsec_nanos() / 100);
        cells.sum.fetch_add(ticks, Relaxed);
    }

    /// Observations so far.
    pub fn count(&self) -> u64 {
        self.0.0.buckets.iter().map(|bucket| bucket.load(Relaxed)).sum()
    }
}

impl Instrument for Histogram {
    const TYPE: proto::MetricType = proto::MetricType::HISTOGRAM;
    type Options = Bounds;

    fn new(bounds: Bounds) -> Self {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(CacheLine(Cells { bounds, buckets, sum: AtomicU64::new(0) })))
    }

    fn sample(&self, into: &mut proto::Metric) {
        let cells = &self.0.0;
        let mut count = 0;
        let mut buckets = Vec::with_capacity(cells.bounds.len());
        for (index, bucket) in cells.buckets.iter().enumerate() {
            count += bucket.load(Relaxed);
            // The encoder adds the last bucket, `+Inf`, from the count.
            if let Some(&micros) = cells.bounds.get(index) {
                let mut sample = proto::Bucket::default();
                sample.set_upper_bound(micros as f64 / 1e6);
                sample.set_cumulative_count(count);
                buckets.push(sample);
            }
        }
        let mut histogram = proto::Histogram::default();
        histogram.set_bucket(buckets);
        histogram.set_sample_count(count);
        histogram.set_sample_sum(cells.sum.load(Relaxed) as f64 / 1e7);
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
        let histogram = Histogram::new(&[1_000, 10_000]);
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
            bounds.iter().map(|&micros| (micros as f64 / 1e6).to_string()).collect()
        };
        assert_eq!(
            written(REQUEST).join(" "),
            "0.0005 0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2 5 10 30"
        );
        assert_eq!(written(CONNECT).join(" "), "0.0005 0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 5");
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
