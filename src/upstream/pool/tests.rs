use std::{
    io,
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use tokio::net::TcpListener;

use super::*;
use crate::{
    config::{
        tls::UpstreamTlsConfig,
        upstream::{
            BackendConfig, CircuitBreakerConfig, HashOn, HealthCheckConfig, RetryConfig, UpstreamProtocol,
            WeightedBackend,
        },
        values::Period,
    },
    upstream::{Prober, health::tests::mark, retry::Failure, tests_support::config},
};

fn build(config: &UpstreamConfig, previous: Option<&Arc<Upstream>>) -> Arc<Upstream> {
    Upstream::build("origin", config, previous).unwrap()
}

fn attempt(upstream: &Arc<Upstream>, now: Instant) -> Result<Attempt, Unavailable> {
    upstream.attempt(None, &Tried::default(), now)
}

fn addresses(upstream: &Upstream) -> Vec<String> {
    upstream.backends().iter().map(|b| format!("{} x{}", b.address(), b.weight())).collect()
}

fn probed_every(seconds: u64) -> HealthCheckConfig {
    HealthCheckConfig {
        path: None,
        host: None,
        interval: Period::secs(seconds),
        timeout: Period::secs(1),
        healthy: 1,
        unhealthy: 1,
    }
}

#[test]
fn all_problems_come_at_once() {
    let mut config = config(&["10.0.0.1:80", "nonsense"]);
    config.balance = BalanceConfig::ConsistentHash(HashOn::Header("a b".into()));
    config.health_check = Some(HealthCheckConfig { path: Some("live".into()), ..probed_every(1) });
    let problems = Upstream::build("origin", &config, None).unwrap_err();
    let paths: Vec<_> = problems.iter().map(|p| p.path.as_str()).collect();
    assert_eq!(paths, ["backends[1]", "health_check.path", "balance.consistent_hash.header"]);
}

/// The loader compiles a broken configuration too, to find everything at once.
#[test]
fn values_out_of_range_do_no_harm() {
    let mut config = config(&["10.0.0.1:80", "10.0.0.1:80"]);
    config
        .backends
        .push(BackendConfig::Weighted(WeightedBackend { address: "10.0.0.2:80".into(), weight: 0 }));
    config.protocol = UpstreamProtocol::Auto;
    config.retry = RetryConfig { attempts: 0, budget: -1.5, ..RetryConfig::default() };
    config.ejection.max_share = -0.1;
    let zero = Period::secs(0);
    config.circuit_breaker =
        Some(CircuitBreakerConfig { failure_ratio: 0.0, window: zero, ..CircuitBreakerConfig::default() });
    config.health_check = Some(probed_every(0));
    for balance in [
        BalanceConfig::RoundRobin,
        BalanceConfig::Random,
        BalanceConfig::LeastRequests,
        BalanceConfig::PeakEwma,
        BalanceConfig::ConsistentHash(HashOn::ClientAddress),
    ] {
        config.balance = balance;
        build(&config, None);
        build(&UpstreamConfig { backends: Vec::new(), ..config.clone() }, None);
    }
}

#[test]
fn tls_problems_have_their_place() {
    let mut config = config(&["10.0.0.1:443"]);
    config.tls =
        Some(UpstreamTlsConfig { ca: Some("/nonexistent/ca.pem".into()), ..UpstreamTlsConfig::default() });
    let problems = Upstream::build("origin", &config, None).unwrap_err();
    assert_eq!(problems[0].path, "tls.ca");
}

#[test]
fn an_unchanged_upstream_stays_the_same_one() {
    let config = config(&["10.0.0.1:80"]);
    let first = build(&config, None);
    assert!(Arc::ptr_eq(&first, &build(&config, Some(&first))));
    let renamed = Upstream::build("other", &config, Some(&first)).unwrap();
    assert!(!Arc::ptr_eq(&first, &renamed));
}

#[test]
fn a_changed_upstream_keeps_what_it_learnt() {
    let now = Instant::now();
    let mut config = config(&["10.0.0.1:80", "10.0.0.2:80"]);
    config.circuit_breaker =
        Some(CircuitBreakerConfig { min_requests: 1, ..CircuitBreakerConfig::default() });
    config.health_check = Some(HealthCheckConfig {
        path: None,
        host: None,
        interval: Period::secs(5),
        timeout: Period::secs(1),
        healthy: 1,
        unhealthy: 1,
    });
    let old = build(&config, None);
    let mut running = attempt(&old, now).unwrap();
    running.observe(Outcome::Failure(Failure::Reset), now + Duration::from_secs(1));
    mark(&old.backends()[1], false);

    config.backends.push(BackendConfig::Address("10.0.0.3:80".into()));
    let new = build(&config, Some(&old));
    let state = new.state(now);
    assert_eq!(state.backends.iter().map(|b| b.in_flight).collect::<Vec<_>>(), [1, 0, 0]);
    assert_eq!(state.backends[0].failures, 1);
    assert_eq!(state.backends[0].latency_ms.round(), 1000.0);
    let health: Vec<_> = state.backends.iter().map(|b| b.health).collect();
    assert_eq!(health, [Health::Unknown, Health::Unhealthy, Health::Unknown]);
    assert_eq!(new.breaker_state(), Some(BreakerState::Open), "the same rules: the same breaker");
    drop(running);
    assert_eq!(new.backends()[0].in_flight(), 0);

    config.health_check = None;
    config.circuit_breaker = None;
    let unprobed = build(&config, Some(&new));
    assert_eq!(unprobed.backends()[1].health(), Health::Unknown, "nobody would bring it back");
    assert_eq!(unprobed.breaker_state(), None);
}

#[test]
fn an_attempt_counts_until_it_is_dropped() {
    let now = Instant::now();
    let upstream = build(&config(&["10.0.0.1:80"]), None);
    let mut first = attempt(&upstream, now).unwrap();
    let second = attempt(&upstream, now).unwrap();
    first.observe(Outcome::Success, now + Duration::from_millis(20));
    first.observe(Outcome::Failure(Failure::Reset), now + Duration::from_secs(9));
    let state = &upstream.state(now + Duration::from_millis(20)).backends[0];
    assert_eq!((state.in_flight, state.attempts, state.failures), (2, 2, 0), "only the first report counts");
    assert_eq!(state.latency_ms, 20.0);
    drop((first, second));
    assert_eq!(upstream.backends()[0].in_flight(), 0);
}

#[test]
fn a_failing_backend_is_left_alone_until_its_time_is_over() {
    let now = Instant::now();
    let mut config = config(&["10.0.0.1:80", "10.0.0.2:80"]);
    config.ejection.consecutive_failures = 2;
    let upstream = build(&config, None);
    for _ in 0..4 {
        let mut attempt = attempt(&upstream, now).unwrap();
        let outcome = match attempt.backend().name() {
            "10.0.0.1:80" => Outcome::Failure(Failure::Connect),
            _ => Outcome::Success,
        };
        attempt.observe(outcome, now);
    }
    assert_eq!(upstream.healthy_count(now), 1);
    let names = |now| {
        (0..10).map(|_| attempt(&upstream, now).unwrap().backend().name().to_owned()).collect::<Vec<_>>()
    };
    assert!(names(now).iter().all(|name| name == "10.0.0.2:80"));
    assert!(names(now + Duration::from_secs(11)).contains(&"10.0.0.1:80".to_owned()));
}

#[test]
fn an_open_breaker_refuses_and_a_cancelled_trial_is_given_back() {
    let now = Instant::now();
    let mut config = config(&["10.0.0.1:80"]);
    config.circuit_breaker = Some(CircuitBreakerConfig {
        min_requests: 1,
        half_open_requests: 1,
        ..CircuitBreakerConfig::default()
    });
    let upstream = build(&config, None);
    attempt(&upstream, now).unwrap().observe(Outcome::Failure(Failure::Timeout), now);
    assert_eq!(
        attempt(&upstream, now).unwrap_err(),
        Unavailable::BreakerOpen { retry_after: Duration::from_secs(5) }
    );
    let later = now + Duration::from_secs(5);
    let trial = attempt(&upstream, later).unwrap();
    assert!(attempt(&upstream, later).is_err());
    drop(trial);
    attempt(&upstream, later).unwrap().observe(Outcome::Success, later);
    assert_eq!(upstream.breaker_state(), Some(BreakerState::Closed));
    assert_eq!(upstream.breaker_entered(BreakerState::Open), 1);
}

#[test]
fn no_healthy_backend_means_no_attempt_and_not_available() {
    let now = Instant::now();
    let mut config = config(&["10.0.0.1:80"]);
    config.health_check = Some(HealthCheckConfig {
        path: None,
        host: None,
        interval: Period::secs(5),
        timeout: Period::secs(1),
        healthy: 1,
        unhealthy: 1,
    });
    let upstream = build(&config, None);
    assert!(upstream.is_available() && attempt(&upstream, now).is_ok());
    mark(&upstream.backends()[0], false);
    assert!(!upstream.is_available());
    assert_eq!(upstream.healthy_count(now), 0);
    assert_eq!(attempt(&upstream, now).unwrap_err(), Unavailable::NoBackend);
}

#[tokio::test]
async fn names_are_looked_up_again_and_a_failure_keeps_the_last_answer() {
    let answers: Vec<io::Result<Vec<&str>>> = vec![
        Err(io::ErrorKind::NotFound.into()),
        Ok(vec!["10.0.0.2:80", "10.0.0.1:80"]),
        Err(io::ErrorKind::TimedOut.into()),
        Ok(vec![]),
        Ok(vec!["10.0.0.2:80", "10.0.0.3:80"]),
    ];
    let expected: [&[&str]; 5] = [
        &["10.0.0.9:80 x1"],
        &["10.0.0.1:80 x1", "10.0.0.2:80 x1", "10.0.0.9:80 x1"],
        &["10.0.0.1:80 x1", "10.0.0.2:80 x1", "10.0.0.9:80 x1"],
        &["10.0.0.1:80 x1", "10.0.0.2:80 x1", "10.0.0.9:80 x1"],
        &["10.0.0.2:80 x1", "10.0.0.3:80 x1", "10.0.0.9:80 x1"],
    ];
    let upstream = build(&config(&["orders.internal:80", "10.0.0.9:80"]), None);
    let round = AtomicUsize::new(0);
    for (answer, expected) in answers.into_iter().zip(expected) {
        let answer = answer.map(|list| list.iter().map(|a| a.parse().unwrap()).collect::<Vec<SocketAddr>>());
        let answer = Mutex::new(Some(answer));
        upstream
            .resolve(&mut Upkeep::default(), |host, port| {
                assert_eq!((&*host, port), ("orders.internal", 80));
                round.fetch_add(1, Relaxed);
                std::future::ready(answer.lock().unwrap().take().unwrap())
            })
            .await;
        assert_eq!(addresses(&upstream), expected);
        upstream.backends()[0].observe_success(Duration::from_millis(5), Instant::now());
    }
    assert_eq!(round.load(Relaxed), 5);
    let measured = upstream.backends()[0].latency(Instant::now());
    assert!(measured < Duration::from_millis(6), "10.0.0.2 was there before: {measured:?}");
    let mut changed = config(&["orders.internal:80"]);
    changed.required = true;
    let next = build(&changed, Some(&upstream));
    assert_eq!(addresses(&next), ["10.0.0.2:80 x1", "10.0.0.3:80 x1"], "a reload keeps the answers");
}

#[tokio::test]
async fn two_names_of_one_address_share_it() {
    let upstream = build(&config(&["a.internal:80", "b.internal:80"]), None);
    upstream
        .resolve(&mut Upkeep::default(), |_, _| std::future::ready(Ok(vec!["10.0.0.1:80".parse().unwrap()])))
        .await;
    assert_eq!(addresses(&upstream), ["10.0.0.1:80 x2"]);
}

#[tokio::test(start_paused = true)]
async fn a_look_up_that_hangs_is_given_up() {
    let upstream = build(&config(&["a.internal:80"]), None);
    let started = tokio::time::Instant::now();
    upstream.resolve(&mut Upkeep::default(), |_, _| std::future::pending()).await;
    assert_eq!(started.elapsed(), Duration::from_secs(2));
    assert!(upstream.backends().is_empty());
}

#[tokio::test]
async fn maintaining_warms_up_and_waits_for_the_next_round() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut config = config(&[&format!("localhost:{port}")]);
    config.health_check = Some(HealthCheckConfig {
        path: None,
        host: None,
        interval: Period::secs(5),
        timeout: Period::secs(1),
        healthy: 1,
        unhealthy: 1,
    });
    let upstream = build(&config, None);
    let now = Instant::now();
    assert!(!upstream.is_available(), "no address yet");
    assert!(upstream.is_due(now));
    let prober = Prober::new();
    upstream.maintain(&prober, now).await;
    let v4 = upstream.backends().into_iter().find(|b| b.address().is_ipv4()).expect("127.0.0.1");
    assert_eq!(v4.health(), Health::Healthy);
    assert!(!upstream.is_due(now + Duration::from_secs(4)));
    assert!(upstream.is_due(now + Duration::from_secs(6)));
    drop(listener);
    upstream.maintain(&prober, now + Duration::from_secs(6)).await;
    assert_eq!(v4.health(), Health::Unhealthy);
}
