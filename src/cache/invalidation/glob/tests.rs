use proptest::prelude::*;

use super::*;

fn check(pattern: &str, target: &str, expected: bool) {
    let glob = Glob::parse(pattern).unwrap();
    assert_eq!(glob.matches(target.as_bytes()), expected, "{pattern} on {target}");
}

fn refused(pattern: &str) -> GlobError {
    Glob::parse(pattern).expect_err(pattern)
}

/// The definition, as slow as it is plain.
fn naive(pattern: &[u8], subject: &[u8]) -> bool {
    match (pattern, subject) {
        ([], _) => subject.is_empty(),
        (b"/**", []) => true,
        ([b'*', b'*', rest @ ..], _) => (0..=subject.len()).any(|at| naive(rest, &subject[at..])),
        ([b'*', rest @ ..], _) => {
            let end = subject.iter().position(|b| *b == b'/').unwrap_or(subject.len());
            (0..=end).any(|at| naive(rest, &subject[at..]))
        }
        ([first, rest @ ..], [byte, after @ ..]) => first == byte && naive(rest, after),
        (_, []) => false,
    }
}

proptest! {
    #[test]
    fn matching_agrees_with_the_definition(pattern in "[ab/.*]{1,9}", target in "[ab.]{1,3}/[ab/.]{0,7}") {
        if let Ok(glob) = Glob::parse(&pattern) {
            let path = target.find('/').unwrap();
            let subject = if glob.text().starts_with('/') { &target[path..] } else { &target[..] };
            let expected = naive(glob.text().as_bytes(), subject.as_bytes());
            prop_assert_eq!(glob.matches(target.as_bytes()), expected);
        }
    }

    #[test]
    fn no_text_and_no_target_is_too_much(pattern in ".{0,40}", target in any::<Vec<u8>>()) {
        if let Ok(glob) = Glob::parse(&pattern) {
            glob.matches(&target);
            // What was compiled once compiles again from its own text.
            prop_assert_eq!(Glob::parse(glob.text()), Ok(glob));
        }
    }
}

#[test]
fn a_pattern_with_a_slash_first_is_for_every_host() {
    check("/patients/1", "a/patients/1", true);
    check("/patients/1", "a/patients/12", false);
    check("/patients/*", "a/patients/12", true);
    check("/patients/*", "a/patients/12/notes", false);
    check("/patients/*/notes", "a/patients/12/notes", true);
    check("/patients/**", "a/patients", true);
    check("/patients/**", "a/patients/12/notes", true);
    check("/patients/**", "a/patientsx", false);
    check("**/notes", "a/patients/12/notes", true);
    check("/", "a/", true);
    check("/", "a/b", false);
}

#[test]
fn other_patterns_begin_with_the_host() {
    check("a.org/x/**", "a.org/x/y", true);
    check("a.org/x/**", "b.org/x/y", false);
    check("*.a.org/**", "b.a.org/", true);
    check("*.a.org/**", "x/b.a.org/", false);
    check("A.org:8080/X", "a.org:8080/X", true);
    check("A.org/X", "a.org/x", false);
    check("HTTPS://a.org/x", "a.org/x", true);
    check("**a/B", "xa/B", true);
    check("a.org/.+(x)", "a.org/.+(x)", true);
}

#[test]
fn a_pattern_for_everything_is_refused() {
    for pattern in ["*", "**", "/*", "/**", "*/**", "**/**", "/*/*", "***", "**.**", "https://**"] {
        assert_eq!(refused(pattern), GlobError::Everything, "{pattern}");
    }
}

#[test]
fn what_can_match_nothing_is_refused() {
    assert_eq!(refused(""), GlobError::Empty);
    assert_eq!(refused("https://"), GlobError::Empty);
    assert_eq!(refused("example.org"), GlobError::NoPath);
    assert_eq!(refused("patients*"), GlobError::NoPath);
    assert_eq!(refused("/a?b=*"), GlobError::Query('?'));
    assert_eq!(refused("/a#b"), GlobError::Query('#'));
    assert_eq!(refused("/a b"), GlobError::Character(' '));
    assert_eq!(refused("/é/*"), GlobError::Character('é'));
}

#[test]
fn length_and_wildcards_are_limited() {
    assert_eq!(refused(&format!("/{}", "a".repeat(MAX_LEN))), GlobError::TooLong);
    assert_eq!(refused(&"/a*".repeat(MAX_WILDCARDS + 1)), GlobError::TooManyWildcards);
    let most = "/a*".repeat(MAX_WILDCARDS - 1) + &"b".repeat(900) + "**";
    assert!(Glob::parse(&most).is_ok());
}

#[test]
fn a_pattern_made_to_go_back_and_forth_does_not() {
    // Tried one way after the other, this would take longer than there is time.
    let glob = Glob::parse(&("/**".to_owned() + &"a**".repeat(14) + "b")).unwrap();
    let target = "h/".to_owned() + &"a".repeat(100_000);
    assert!(!glob.matches(target.as_bytes()));
    assert!(glob.matches((target + "b").as_bytes()));
}
