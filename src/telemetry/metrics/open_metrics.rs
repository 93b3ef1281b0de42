//! OpenMetrics 1.0: the text format that has exemplars.

use std::{collections::HashMap, fmt::Write as _, time::UNIX_EPOCH};

use prometheus::proto::{LabelPair, Metric, MetricFamily, MetricType};

use super::{
    family::Family,
    instrument::{Exemplar, Histogram},
};

/// The content type of what [`render`] writes.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether an `Accept` field prefers OpenMetrics to plain text.
pub fn is_wanted(accept: &str) -> bool {
    let quality = |wanted: &str| {
        let ranges = accept.split(',').filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let (kind, parts) = (parts.next()?, parts.collect::<Vec<_>>());
            let value = |name: &str| {
                parts.iter().find_map(|part| part.strip_prefix(name)?.trim().strip_prefix('=')).map(str::trim)
            };
            let known = value("version").is_none_or(|version| matches!(version, "1.0.0" | "0.0.1" | "0.0.4"));
            let quality = value("q").map_or(Some(1.0), |q| q.parse::<f32>().ok())?;
            (kind.eq_ignore_ascii_case(wanted) && known).then_some(quality)
        });
        ranges.fold(0.0, f32::max)
    };
    let open = quality("application/openmetrics-text");
    open > 0.0 && open >= quality("text/plain")
}

/// All families; buckets of `examples` with their exemplars.
pub fn render(families: &[MetricFamily], examples: &[Family<Histogram>]) -> String {
    let mut out = String::with_capacity(64 * 1024);
    for family in families {
        let histograms = examples.iter().find(|known| known.name() == family.name());
        let histograms = histograms.map(|known| known.all().into_iter().collect()).unwrap_or_default();
        write_family(&mut out, family, &histograms);
    }
    out.push_str("# EOF\n");
    out
}

type Examples = HashMap<Vec<String>, Histogram>;

fn write_family(out: &mut String, family: &MetricFamily, histograms: &Examples) {
    let (name, kind) = match family.get_field_type() {
        MetricType::COUNTER => (family.name().trim_end_matches("_total"), "counter"),
        MetricType::GAUGE => (family.name(), "gauge"),
        MetricType::HISTOGRAM => (family.name(), "histogram"),
        MetricType::SUMMARY | MetricType::UNTYPED => (family.name(), "unknown"),
    };
    // Writing to a String cannot fail.
    let _ = writeln!(out, "# TYPE {name} {kind}");
    out.push_str("# HELP ");
    out.push_str(name);
    out.push(' ');
    escape(out, family.help());
    out.push('\n');
    for metric in family.get_metric() {
        match family.get_field_type() {
            MetricType::COUNTER => {
                sample(out, name, "_total", metric, None, metric.get_counter().get_value());
                out.push('\n');
            }
            MetricType::HISTOGRAM => write_histogram(out, name, metric, histograms),
            _ => {
                sample(out, name, "", metric, None, metric.get_gauge().get_value());
                out.push('\n');
            }
        }
    }
}

fn write_histogram(out: &mut String, name: &str, metric: &Metric, histograms: &Examples) {
    let histogram = metric.get_histogram();
    let values: Vec<String> = metric.get_label().iter().map(|pair| pair.value().to_owned()).collect();
    let examples = histograms.get(&values);
    let bounds =
        histogram.get_bucket().iter().map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()));
    let last = (f64::INFINITY, histogram.get_sample_count());
    for (index, (bound, count)) in bounds.chain([last]).enumerate() {
        sample(out, name, "_bucket", metric, Some(bound), count as f64);
        if let Some(exemplar) = examples.and_then(|histogram| histogram.exemplar(index)) {
            example(out, &exemplar);
        }
        out.push('\n');
    }
    sample(out, name, "_sum", metric, None, histogram.get_sample_sum());
    out.push('\n');
    sample(out, name, "_count", metric, None, histogram.get_sample_count() as f64);
    out.push('\n');
}

fn sample(out: &mut String, name: &str, suffix: &str, metric: &Metric, bound: Option<f64>, value: f64) {
    let _ = write!(out, "{name}{suffix}");
    let labels = metric.get_label();
    if !labels.is_empty() || bound.is_some() {
        let mut separator = '{';
        for pair in labels {
            out.push(separator);
            label(out, pair);
            separator = ',';
        }
        if let Some(bound) = bound {
            let _ = write!(out, "{separator}le=\"");
            number(out, bound);
            out.push('"');
        }
        out.push('}');
    }
    out.push(' ');
    number(out, value);
}

fn example(out: &mut String, Exemplar { trace, value, time }: &Exemplar) {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let _ = write!(out, " # {{trace_id=\"{}\"}} {value} {seconds:.3}", trace.hex().as_str());
}

fn label(out: &mut String, pair: &LabelPair) {
    out.push_str(pair.name());
    out.push_str("=\"");
    escape(out, pair.value());
    out.push('"');
}

fn number(out: &mut String, value: f64) {
    if value == f64::INFINITY {
        out.push_str("+Inf");
    } else {
        let _ = write!(out, "{value}");
    }
}

fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Method;

    use super::*;
    use crate::telemetry::{metrics::Metrics, trace::TraceId};

    #[test]
    fn it_is_written_for_those_who_prefer_it() {
        for accept in [
            "application/openmetrics-text",
            "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/openmetrics-text; version=0.0.1; q=0.75, text/plain; version=0.0.4; q=0.5",
        ] {
            assert!(is_wanted(accept), "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "text/plain",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;version=2.0.0",
            "application/openmetrics-text;q=0.2, text/plain",
        ] {
            assert!(!is_wanted(accept), "{accept}");
        }
    }

    #[test]
    fn requests_of_a_trace_lead_to_it() {
        let metrics = Metrics::new("1", "a\"b\\c").unwrap();
        let route = metrics.route("r");
        let trace = TraceId::parse(b"4bf92f3577b34da6a3ce929d0e0e4736").unwrap();
        route.answered(&Method::GET, 200, Duration::from_millis(3));
        route.answered_in(&Method::GET, 200, Duration::from_millis(700), Some(trace));
        let text = String::from_utf8(metrics.render_open()).unwrap();
        let line = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap_or_default();
        let labels = r#"method="GET",route="r",status_code="200""#;
        let bucket = format!(r#"http_request_duration_seconds_bucket{{{labels},le="1"}} 2 # "#);
        let found = line(&bucket);
        assert!(found.contains(r#"{trace_id="4bf92f3577b34da6a3ce929d0e0e4736"} 0.7 "#), "{text}");
        let other = format!(r#"http_request_duration_seconds_bucket{{{labels},le="0.005"}} 1"#);
        assert_eq!(line(&other), other, "no trace, no exemplar");
        assert!(text.contains("# TYPE http_requests counter\n"));
        assert!(text.contains(&format!("http_requests_total{{{labels}}} 2\n")));
        assert!(text.contains(r#"revision="a\"b\\c"} 1"#), "{text}");
        assert!(text.ends_with("\n# EOF\n"));
    }
}
