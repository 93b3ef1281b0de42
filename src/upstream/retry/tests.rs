use proptest::prelude::*;

use super::*;

const ALL: [Failure; 4] = [Failure::Connect, Failure::Reset, Failure::Timeout, Failure::GatewayError];

fn policy(attempts: u8) -> RetryPolicy {
    RetryPolicy::new(RetryConfig { attempts, on: ALL.to_vec(), budget: 0.2, min_per_second: 1 })
}

fn request(method: &Method) -> Request<'_> {
    Request { method, has_idempotency_key: false, body_replayable: true }
}

#[test]
fn attempts_and_kinds_are_limited() {
    let policy = RetryPolicy::new(RetryConfig { attempts: 3, ..RetryConfig::default() });
    let get = request(&Method::GET);
    assert!(policy.may_retry(get, Stage::Sent, Failure::Reset, 1));
    assert!(policy.may_retry(get, Stage::Sent, Failure::Reset, 2));
    assert!(!policy.may_retry(get, Stage::Sent, Failure::Reset, 3));
    assert!(!policy.may_retry(get, Stage::Sent, Failure::Timeout, 1), "not in `on`");
}

#[test]
fn only_what_is_idempotent_is_sent_twice() {
    let policy = policy(2);
    for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE, Method::TRACE] {
        assert!(policy.may_retry(request(&method), Stage::Sent, Failure::Reset, 1), "{method}");
    }
    for method in [Method::POST, Method::PATCH, Method::CONNECT] {
        let plain = request(&method);
        assert!(!policy.may_retry(plain, Stage::Sent, Failure::Reset, 1), "{method}");
        assert!(
            policy.may_retry(plain, Stage::Connecting, Failure::Connect, 1),
            "{method}: nothing was sent"
        );
        let keyed = Request { has_idempotency_key: true, ..plain };
        assert!(policy.may_retry(keyed, Stage::Sent, Failure::Reset, 1), "{method} with a key");
    }
    for method in [Method::GET, Method::POST] {
        let plain = request(&method);
        assert!(policy.may_retry(plain, Stage::Unprocessed, Failure::Reset, 1), "{method}: not processed");
        let spent = Request { body_replayable: false, ..plain };
        assert!(!policy.may_retry(spent, Stage::Unprocessed, Failure::Reset, 1), "{method}");
    }
    let spent = Request { body_replayable: false, ..request(&Method::PUT) };
    assert!(!policy.may_retry(spent, Stage::Sent, Failure::Reset, 1));
    assert!(policy.may_retry(spent, Stage::Connecting, Failure::Connect, 1));
}

#[test]
fn a_response_that_began_ends_it() {
    let policy = policy(2);
    let get = request(&Method::GET);
    for failure in ALL {
        assert!(!policy.may_retry(get, Stage::Responding, failure, 1), "{failure:?}");
        let allowed = failure == Failure::GatewayError;
        assert_eq!(policy.may_retry(get, Stage::Answered, failure, 1), allowed, "{failure:?}");
    }
}

#[test]
fn the_budget_is_a_share_above_a_floor() {
    let policy = policy(2);
    let start = Instant::now();
    for _ in 0..100 {
        policy.deposit(start);
    }
    let granted = (0..100).filter(|_| policy.withdraw(start)).count();
    assert_eq!(granted, 30, "a fifth of 100 and one a second for ten seconds");
    let later = start + Duration::from_secs(20);
    assert_eq!((0..100).filter(|_| policy.withdraw(later)).count(), 10, "only the floor is left");
}

proptest! {
    #[test]
    fn the_budget_is_never_exceeded(
        steps in prop::collection::vec((0u64..1_500, any::<bool>()), 1..400),
    ) {
        let policy = policy(2);
        let mut now = Instant::now();
        let (mut requests, mut retries) = (Vec::new(), Vec::new());
        for (millis, repeat) in steps {
            now += Duration::from_millis(millis);
            let recent = |times: &[Instant]| {
                times.iter().filter(|at| now.duration_since(**at) <= BUDGET_WINDOW).count() as f64
            };
            if !repeat {
                policy.deposit(now);
                requests.push(now);
            } else if policy.withdraw(now) {
                retries.push(now);
                let inner = retries.iter().filter(|at| now.duration_since(**at) < BUDGET_WINDOW * 9 / 10).count();
                prop_assert!(inner as f64 <= 0.2 * recent(&requests) + 10.0);
            }
        }
    }

    #[test]
    fn nothing_unsafe_is_ever_repeated_after_it_was_sent(
        key in any::<bool>(), replayable in any::<bool>(), attempt in 1u8..10,
        failure in prop::sample::select(ALL.to_vec()),
        stage in prop::sample::select(
            vec![Stage::Connecting, Stage::Unprocessed, Stage::Sent, Stage::Answered, Stage::Responding],
        ),
    ) {
        let post = Request { method: &Method::POST, has_idempotency_key: key, body_replayable: replayable };
        if policy(10).may_retry(post, stage, failure, attempt) {
            let allowed = match stage {
                Stage::Connecting => true,
                Stage::Unprocessed => replayable,
                _ => key && replayable,
            };
            prop_assert!(allowed);
            prop_assert!(stage < Stage::Responding);
        }
    }
}
