//! A metric family: series by label values, with a limit on their number.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use prometheus::{
    core::{Collector, Desc},
    proto,
};

use super::instrument::{Counter, Instrument};

/// The label value of every series that came after the limit.
pub const OVERFLOW: &str = "_overflow";

/// All series of one name.
///
/// Series are looked up under a lock, once; what is kept is the instrument.
/// (`prometheus::MetricVec` is not used: it has no limit, and it takes `a`+`bc`
/// and `ab`+`c` for the same labels.)
#[derive(Clone)]
pub struct Family<M: Instrument>(Arc<Inner<M>>);

struct Inner<M: Instrument> {
    desc: Desc,
    options: M::Options,
    limit: usize,
    overflowed: Counter,
    series: Mutex<BTreeMap<Vec<String>, M>>,
}

impl<M: Instrument> Family<M> {
    /// An empty family of at most `limit` series. Each further one is folded into
    /// [`OVERFLOW`] and counted by `overflowed`.
    ///
    /// # Errors
    /// When the name, the help text or a label name is not acceptable to Prometheus.
    pub fn new(
        name: &str,
        help: &str,
        labels: &[&str],
        options: M::Options,
        limit: usize,
        overflowed: Counter,
    ) -> Result<Self, prometheus::Error> {
        let labels = labels.iter().map(|&label| label.to_owned()).collect();
        let desc = Desc::new(name.to_owned(), help.to_owned(), labels, HashMap::new())?;
        Ok(Self(Arc::new(Inner { desc, options, limit, overflowed, series: Mutex::default() })))
    }

    fn series(&self) -> MutexGuard<'_, BTreeMap<Vec<String>, M>> {
        self.0.series.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The series of these label values, in the order of the label names; made if need be.
    pub fn get(&self, values: &[&str]) -> M {
        debug_assert_eq!(values.len(), self.0.desc.variable_labels.len(), "{}", self.0.desc.fq_name);
        let key: Vec<String> = values.iter().map(|&value| value.to_owned()).collect();
        let mut series = self.series();
        if let Some(known) = series.get(&key) {
            return known.clone();
        }
        let key = if series.len() < self.0.limit {
            key
        } else {
            self.0.overflowed.inc();
            vec![OVERFLOW.to_owned(); values.len()]
        };
        series.entry(key).or_insert_with(|| M::new(self.0.options)).clone()
    }

    /// All series with their label values.
    pub fn all(&self) -> Vec<(Vec<String>, M)> {
        self.series().iter().map(|(values, instrument)| (values.clone(), instrument.clone())).collect()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.desc.fq_name
    }

    /// Whether `more` series may be made before they are needed: never more than
    /// half of the limit, so that what really happens still finds room.
    pub fn has_room(&self, more: usize) -> bool {
        self.series().len() + more <= self.0.limit / 2
    }

    /// Drops the series whose label values `keep` does not want.
    pub fn retain(&self, keep: impl Fn(&[String]) -> bool) {
        self.series().retain(|values, _| keep(values));
    }

    /// Drops the series whose value of label `index` is `value`.
    pub fn remove(&self, index: usize, value: &str) {
        self.retain(|values| values.get(index).is_none_or(|own| own != value));
    }
}

impl<M: Instrument> Collector for Family<M> {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.0.desc]
    }

    fn collect(&self) -> Vec<proto::MetricFamily> {
        let desc = &self.0.desc;
        let metric = |(values, instrument): (&Vec<String>, &M)| {
            let pairs = desc.variable_labels.iter().zip(values).map(|(name, value)| {
                let mut pair = proto::LabelPair::default();
                pair.set_name(name.clone());
                pair.set_value(value.clone());
                pair
            });
            let mut metric = proto::Metric::from_label(pairs.collect());
            instrument.sample(&mut metric);
            metric
        };
        let mut family = proto::MetricFamily::default();
        family.set_name(desc.fq_name.clone());
        family.set_help(desc.help.clone());
        family.set_field_type(M::TYPE);
        family.set_metric(self.series().iter().map(metric).collect());
        vec![family]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family(limit: usize) -> (Family<Counter>, Counter) {
        let overflowed = Counter::default();
        let family = Family::new("x_total", "X.", &["a", "b"], (), limit, overflowed.clone()).unwrap();
        (family, overflowed)
    }

    fn values(family: &Family<Counter>) -> Vec<(String, f64)> {
        let collected = family.collect();
        let metrics = collected[0].get_metric().iter();
        metrics
            .map(|metric| {
                let labels: Vec<_> = metric.get_label().iter().map(proto::LabelPair::value).collect();
                (labels.join(","), metric.get_counter().get_value())
            })
            .collect()
    }

    #[test]
    fn label_values_that_read_alike_when_joined_stay_apart() {
        let (family, _) = family(10);
        family.get(&["web1", "0"]).inc();
        family.get(&["web", "10"]).add(5);
        assert_eq!(values(&family), [("web,10".into(), 5.0), ("web1,0".into(), 1.0)]);
    }

    #[test]
    fn series_over_the_limit_are_folded_and_counted() {
        let (family, overflowed) = family(2);
        for n in 0..5 {
            family.get(&["x", &n.to_string()]).inc();
        }
        family.get(&["x", "0"]).inc();
        assert_eq!(overflowed.get(), 3);
        assert_eq!(
            values(&family),
            [("_overflow,_overflow".into(), 3.0), ("x,0".into(), 2.0), ("x,1".into(), 1.0)]
        );
        family.remove(1, "0");
        assert_eq!(values(&family).len(), 2);
    }
}
