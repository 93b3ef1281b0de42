//! How slow and how broken a service pretends to be.

use std::time::Duration;

use http::{Method, StatusCode};

use super::{
    dice::Dice,
    message::{Request, fnv1a},
    refusal::Refusal,
};
use crate::config::values::Period;

/// A request that carries this field takes exactly so long, such as `200ms`.
pub const LATENCY_HEADER: &str = "x-demo-latency";
/// A request that carries this field fails with the status it names: `503`, or
/// `503@patients-1` for one service only.
pub const FAIL_HEADER: &str = "x-demo-fail";

/// The longest time a request may ask for.
const MAX_LATENCY: Duration = Duration::from_secs(10);

/// The time services take unless a request says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency(pub Duration);

impl Latency {
    /// How long this request takes.
    ///
    /// Reads take the configured time, writes twice as long, both give or take a
    /// fifth: the same request always takes the same time, different ones differ.
    pub fn of(self, request: &Request) -> Result<Duration, Refusal> {
        if let Some(text) = request.header(LATENCY_HEADER) {
            return match text.parse::<Period>() {
                Ok(period) if period.get() <= MAX_LATENCY => Ok(period.get()),
                Ok(_) => Err(Refusal::new(StatusCode::BAD_REQUEST, "X-Demo-Latency is at most 10s")),
                Err(e) => Err(Refusal::new(StatusCode::BAD_REQUEST, format!("X-Demo-Latency: {e}"))),
            };
        }
        if request.path == "/health" {
            return Ok(Duration::ZERO);
        }
        let base = match request.method {
            Method::GET | Method::HEAD => self.0,
            _ => self.0 * 2,
        };
        let seed = fnv1a(request.path.as_bytes()) ^ fnv1a(request.query.as_deref().unwrap_or("").as_bytes());
        let percent = Dice(seed).between(80, 120);
        Ok(base * percent as u32 / 100)
    }
}

/// Whether this request asks this service to fail.
pub fn failure(service: &str, request: &Request) -> Result<(), Refusal> {
    let Some(text) = request.header(FAIL_HEADER) else { return Ok(()) };
    let (status, only) = match text.split_once('@') {
        Some((status, only)) => (status, Some(only)),
        None => (text, None),
    };
    let status = status.parse().ok().filter(|status| (400..600).contains(status));
    let Some(Ok(status)) = status.map(StatusCode::from_u16) else {
        let detail = "X-Demo-Fail is a status from 400 to 599, such as `503` or `503@patients-1`";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, detail));
    };
    if only.is_some_and(|only| only != service) {
        return Ok(());
    }
    Err(Refusal::new(status, "X-Demo-Fail asked for this"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::message::tests::request;

    const BASE: Latency = Latency(Duration::from_millis(100));

    fn millis(method: &str, target: &str, fields: &[(&str, &str)]) -> Option<u128> {
        BASE.of(&request(method, target, fields, "")).ok().map(|delay| delay.as_millis())
    }

    #[test]
    fn a_request_takes_its_own_time_again_and_again() {
        let time = |target: &str| millis("GET", target, &[]).unwrap();
        assert_eq!(time("/api/v2/patients/1"), time("/api/v2/patients/1"));
        let times: std::collections::BTreeSet<_> =
            (1..=50).map(|id| time(&format!("/api/v2/patients/{id}"))).collect();
        assert!(times.len() > 10, "{times:?}");
        assert!(times.iter().all(|time| (80..=120).contains(time)), "{times:?}");
        assert!(millis("POST", "/api/v2/patients", &[]).unwrap() >= 160);
        assert_eq!(millis("GET", "/health", &[]), Some(0));
    }

    #[test]
    fn a_request_may_name_its_time_within_bounds() {
        let asked = |value| millis("GET", "/api/v2/patients/1", &[(LATENCY_HEADER, value)]);
        assert_eq!(asked("200ms"), Some(200));
        assert_eq!(asked("10s"), Some(10_000));
        for bad in ["11s", "200", "soon", ""] {
            assert_eq!(asked(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_request_may_ask_one_service_to_fail() {
        let status = |service, value| {
            let fields = [(FAIL_HEADER, value)];
            let refused = failure(service, &request("GET", "/api/v2/patients/1", &fields, ""));
            refused.err().map(|refusal| crate::demo::message::Reply::from(refusal).status.as_u16())
        };
        assert_eq!(status("patients-1", "503"), Some(503));
        assert_eq!(status("patients-1", "503@patients-1"), Some(503));
        assert_eq!(status("patients-2", "503@patients-1"), None);
        for bad in ["200", "600", "x", "", "-503"] {
            assert_eq!(status("patients-1", bad), Some(400), "{bad:?}");
        }
    }
}
