use proptest::prelude::*;

use super::*;
use crate::cache::invalidation::{InvalidationLog, Judgement, LogLimits};

fn subject(body: &str) -> Subject {
    PurgeRequest::from_json(body.as_bytes()).expect(body).subject
}

fn refused(body: &str) -> String {
    PurgeRequest::from_json(body.as_bytes()).expect_err(body).to_string()
}

#[test]
fn every_subject_is_understood() {
    let url = |url| UrlName::parse(url).unwrap();
    assert_eq!(subject(r#"{"url":"https://a.org/x?y"}"#), Subject::Urls(vec![url("https://a.org/x?y")]));
    assert_eq!(
        subject(r#"{"urls":["https://a.org/x","http://b.org/"]}"#),
        Subject::Urls(vec![url("https://a.org/x"), url("http://b.org/")])
    );
    assert_eq!(subject(r#"{"pattern":"/x/**"}"#), Subject::Pattern(Glob::parse("/x/**").unwrap()));
    assert_eq!(subject(r#"{"tag":"patient:1"}"#), Subject::Tags(vec!["patient:1".to_owned()]));
    assert_eq!(subject(r#"{"tags":["a","b"]}"#), Subject::Tags(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(subject(r#"{"route":"patients"}"#), Subject::Route("patients".to_owned()));
    assert_eq!(subject(r#"{"all":true}"#), Subject::All);
}

#[test]
fn a_purge_is_hard_unless_it_says_otherwise() {
    let mode = |body: &str| PurgeRequest::from_json(body.as_bytes()).unwrap().mode;
    assert_eq!(mode(r#"{"tag":"a"}"#), Mode::Hard);
    assert_eq!(mode(r#"{"tag":"a","mode":"hard"}"#), Mode::Hard);
    assert_eq!(mode(r#"{"mode":"soft","tag":"a"}"#), Mode::Soft);
    assert_eq!(mode(r#"{"tag":"a","mode":"refresh"}"#), Mode::Refresh);
}

#[test]
fn mistakes_are_named() {
    let check = |body: &str, message: &str| assert_eq!(refused(body), message, "{body}");
    check(r#"{"utl":"https://a.org/"}"#, "unknown key `utl` (did you mean `url`?)");
    check(
        r#"{"path":"/"}"#,
        "unknown key `path`; known are `url`, `urls`, `pattern`, `tag`, `tags`, `route`, `all`, `mode`",
    );
    check(r#"{"tag":"a","mode":"sofd"}"#, "unknown mode `sofd` (did you mean `soft`?)");
    check(r#"{"tag":"a","mode":1}"#, "`mode` has to be text");
    check(r#"{"tag":"a","tag":"b"}"#, "`tag` is there twice");
    check(r#"{"mode":"soft","mode":"hard","tag":"b"}"#, "`mode` is there twice");
    check(
        r#"{"tag":"a","url":"https://a.org/"}"#,
        "`tag` and `url` cannot stand together: purge one after the other",
    );
    check(
        r#"{"mode":"soft"}"#,
        "nothing to purge: give one of `url`, `urls`, `pattern`, `tag`, `tags`, `route`, `all`",
    );
    check(r#"{"url":["https://a.org/"]}"#, "`url` has to be text");
    check(r#"{"urls":"https://a.org/"}"#, "`urls` has to be a list of texts");
    check(r#"{"tags":["a",1]}"#, "`tags` has to be a list of texts");
    check(r#"{"tags":[]}"#, "`tags` is empty");
    check(r#"{"tags":["a",""]}"#, "the tag `` is empty");
    check(r#"{"tag":"a\nb"}"#, "the tag `a\\nb` begins or ends with a space, or holds a control character");
    check(r#"{"route":" a"}"#, "the route ` a` begins or ends with a space, or holds a control character");
    check(r#"{"all":false}"#, "`all` can only be `true`");
    check(r#"{"url":"/x"}"#, "the URL `/x` does not begin with `https://` or `http://`");
    assert!(refused(r#"{"pattern":"**"}"#).ends_with("write `\"all\": true` if that is meant"));
    assert!(refused("[]").starts_with("the request is not a JSON object: invalid type: sequence"));
    assert!(refused("").starts_with("the request is not a JSON object: EOF"));
    assert!(refused(r#"{"all":true} x"#).starts_with("the request is not a JSON object: trailing"));
}

#[test]
fn a_request_has_limits() {
    let tags = |count| format!(r#"{{"tags":[{}]}}"#, vec![r#""a""#; count].join(","));
    assert!(PurgeRequest::from_json(tags(MAX_NAMES).as_bytes()).is_ok());
    assert_eq!(
        refused(&tags(MAX_NAMES + 1)),
        "`tags` has 1001 members; more than 1000 are too many for one purge"
    );
    assert_eq!(refused(&" ".repeat(MAX_BODY + 1)), "the request is longer than 1048576 bytes");
    let long = refused(&format!(r#"{{"tag":"{}"}}"#, "a".repeat(MAX_NAME + 1)));
    assert_eq!(long, format!("the tag `{}…` is longer than 1 KiB", "a".repeat(80)));
}

#[test]
fn a_purge_concerns_what_it_names_and_nothing_else() {
    let keys = KeyMaker::new(Some("secret"));
    let url = UrlName::of_request("A.org", true, "/x?y");
    let tags = [url.tag(&keys), keys.tag("tag", b"t"), keys.tag("route", b"r")];
    let concerned = |body: &str| {
        let log = InvalidationLog::new(LogLimits::default());
        let request = PurgeRequest::from_json(body.as_bytes()).expect(body);
        log.apply_all(&request.records(&keys, Stamp(10)), Stamp(10));
        log.judge_parts(Stamp(10), tags.into_iter(), url.without_query().as_bytes()) == Judgement::Void
    };
    for body in [
        r#"{"url":"https://a.org/x?y"}"#,
        r#"{"urls":["https://b.org/","https://a.org/x?y"]}"#,
        r#"{"pattern":"/x*"}"#,
        r#"{"tags":["u","t"]}"#,
        r#"{"route":"r"}"#,
        r#"{"all":true}"#,
    ] {
        assert!(concerned(body), "{body}");
    }
    for body in [
        r#"{"url":"https://a.org/x"}"#,
        r#"{"url":"https://a.org:8443/x?y"}"#,
        r#"{"pattern":"/y"}"#,
        r#"{"tag":"r"}"#,
        r#"{"route":"t"}"#,
    ] {
        assert!(!concerned(body), "{body}");
    }
}

proptest! {
    #[test]
    fn any_body_has_an_outcome(
        key in "[a-z]{0,4}|url|tag|tags|pattern|all|mode", value in "[^\\\\\"]{0,9}", shape in 0..4,
    ) {
        let body = match shape {
            0 => format!(r#"{{"{key}":"{value}"}}"#),
            1 => format!(r#"{{"{key}":["{value}"]}}"#),
            2 => format!(r#"{{"{key}":{value}}}"#),
            _ => value,
        };
        match PurgeRequest::from_json(body.as_bytes()) {
            Ok(request) => prop_assert!(!request.records(&KeyMaker::new(None), Stamp(1)).is_empty()),
            Err(why) => prop_assert!(!why.to_string().is_empty()),
        }
    }
}
