use proptest::prelude::*;

use super::*;
use crate::config::values::Period;

fn breaker() -> Breaker {
    Breaker::new(CircuitBreakerConfig {
        failure_ratio: 0.5,
        min_requests: 4,
        window: Period::secs(10),
        open_for: Period::secs(5),
        half_open_requests: 2,
    })
}

/// Makes attempts with these outcomes, all of which must be admitted.
fn run(breaker: &Breaker, now: Instant, outcomes: &[bool]) {
    for success in outcomes {
        let ticket = breaker.admit(now).expect("admitted");
        breaker.report(&ticket, *success, now);
    }
}

fn opened(now: Instant) -> Breaker {
    let breaker = breaker();
    run(&breaker, now, &[false; 4]);
    assert_eq!(breaker.state(), BreakerState::Open);
    breaker
}

#[test]
fn it_opens_at_the_ratio_but_not_on_few_requests() {
    let now = Instant::now();
    let breaker = breaker();
    run(&breaker, now, &[false, false, false]);
    assert_eq!(breaker.state(), BreakerState::Closed, "too few to judge");
    run(&breaker, now, &[true, true, true, true]);
    run(&breaker, now, &[false]);
    assert_eq!(breaker.state(), BreakerState::Open, "4 of 8 failed");
    let refused = breaker.admit(now + Duration::from_secs(1)).unwrap_err();
    assert_eq!(refused.retry_after, Duration::from_secs(4));
}

#[test]
fn old_failures_are_forgotten() {
    let now = Instant::now();
    let breaker = breaker();
    run(&breaker, now, &[false; 3]);
    run(&breaker, now + Duration::from_secs(20), &[false; 3]);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn trials_that_succeed_close_it() {
    let start = Instant::now();
    let breaker = opened(start);
    let now = start + Duration::from_secs(5);
    let first = breaker.admit(now).expect("first trial");
    let second = breaker.admit(now).expect("second trial");
    assert_eq!(breaker.admit(now), Err(Refused { retry_after: Duration::ZERO }), "only two at once");
    breaker.report(&first, true, now);
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    assert!(breaker.admit(now).is_err(), "one succeeded, one runs: enough to decide");
    breaker.report(&second, true, now);
    assert_eq!(breaker.state(), BreakerState::Closed);
    assert!(BreakerState::ALL.iter().all(|state| breaker.entered(*state) == 1));
    run(&breaker, now, &[false; 3]);
    assert_eq!(breaker.state(), BreakerState::Closed, "the failures before do not count again");
}

#[test]
fn a_trial_that_fails_opens_it_again_and_the_other_has_no_say() {
    let start = Instant::now();
    let breaker = opened(start);
    let now = start + Duration::from_secs(5);
    let (first, second) = (breaker.admit(now).expect("trial"), breaker.admit(now).expect("trial"));
    breaker.report(&first, false, now);
    assert_eq!(breaker.state(), BreakerState::Open);
    let later = now + Duration::from_secs(5);
    let third = breaker.admit(later).expect("a new episode");
    breaker.report(&second, false, later);
    assert_eq!(breaker.state(), BreakerState::HalfOpen, "a trial of the episode before");
    breaker.report(&third, true, later);
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
}

#[test]
fn a_trial_given_up_makes_room_for_another() {
    let start = Instant::now();
    let breaker = opened(start);
    let now = start + Duration::from_secs(5);
    let (first, _second) = (breaker.admit(now).expect("trial"), breaker.admit(now).expect("trial"));
    assert!(breaker.admit(now).is_err());
    breaker.release(&first);
    assert!(breaker.admit(now).is_ok());
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Wait(u64),
    Admit,
    Report(bool),
    Release,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(
        prop_oneof![
            (0u64..4_000).prop_map(Step::Wait),
            Just(Step::Admit),
            Just(Step::Admit),
            any::<bool>().prop_map(Step::Report),
            Just(Step::Report(false)),
            Just(Step::Release),
        ],
        1..300,
    )
}

proptest! {
    /// Whatever happens: never more trials at once than allowed, none while it
    /// is open, and once all is quiet it can always close again.
    #[test]
    fn it_never_overruns_and_never_gets_stuck(steps in steps()) {
        let breaker = breaker();
        let mut now = Instant::now();
        let mut running: Vec<Ticket> = Vec::new();
        for step in steps {
            match step {
                Step::Wait(millis) => now += Duration::from_millis(millis),
                Step::Admit => {
                    let before = breaker.state();
                    match breaker.admit(now) {
                        Ok(ticket) => running.push(ticket),
                        Err(refused) => prop_assert!(
                            before == BreakerState::HalfOpen || refused.retry_after > Duration::ZERO
                        ),
                    }
                    prop_assert!(breaker.state() != BreakerState::Open || breaker.admit(now).is_err());
                }
                Step::Report(success) => if let Some(ticket) = running.pop() {
                    breaker.report(&ticket, success, now);
                },
                Step::Release => if let Some(ticket) = running.pop() {
                    breaker.release(&ticket);
                },
            }
            let episode = breaker.lock().episode;
            let trials = running.iter().filter(|t| **t == Ticket::Trial { episode }).count();
            prop_assert!(breaker.state() != BreakerState::HalfOpen || trials <= 2);
        }
        for ticket in running.drain(..) {
            breaker.release(&ticket);
        }
        now += Duration::from_secs(60);
        run(&breaker, now, &[true, true]);
        prop_assert_eq!(breaker.state(), BreakerState::Closed);
    }
}
