use proptest::prelude::*;

use super::*;

fn env(name: &str) -> Option<String> {
    match name {
        "PORT" => Some("8080".to_owned()),
        "HOST" => Some("db".to_owned()),
        "EMPTY" => Some(String::new()),
        "SNEAKY" => Some("${PORT}: [x]".to_owned()),
        _ => None,
    }
}

fn file(path: &Path) -> io::Result<String> {
    match path.to_str() {
        Some("/run/secrets/x") => Ok("s3cret\n".to_owned()),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    }
}

fn run(text: &str) -> Result<Option<String>, String> {
    let sources = Sources { env: &env, file: &file };
    substitute(text, &sources, &mut Vec::new()).map_err(|problem| problem.message)
}

#[track_caller]
fn expands(text: &str, expected: &str) {
    assert_eq!(run(text), Ok(Some(expected.to_owned())), "{text}");
}

#[test]
fn variables_defaults_and_files_are_substituted() {
    expands("${PORT}", "8080");
    expands("http://${HOST}:${PORT}/", "http://db:8080/");
    expands("${NONE:-fallback}", "fallback");
    expands("${EMPTY:-fallback}", "fallback");
    expands("${EMPTY}", "");
    expands("${NONE:-}", "");
    expands("${NONE:-${HOST}:1}", "db:1");
    expands("${PORT:?needed}", "8080");
    expands("Bearer ${file:/run/secrets/x}", "Bearer s3cret");
}

#[test]
fn dollars_stay_when_they_mean_nothing_else() {
    assert_eq!(run("^abc$"), Ok(None));
    assert_eq!(run("$HOME"), Ok(None));
    expands("$${PORT}", "${PORT}");
    expands("a$$b", "a$b");
}

#[test]
fn what_is_substituted_is_not_substituted_again() {
    expands("${SNEAKY}", "${PORT}: [x]");
}

#[test]
fn mistakes_are_explained() {
    assert_eq!(run("${NONE}").unwrap_err(), "the environment variable `NONE` is not set");
    assert!(run("${NONE:?the port, please}").unwrap_err().ends_with("is not set: the port, please"));
    assert!(run("${EMPTY:?needed}").is_err());
    assert!(run("${file:/nowhere}").unwrap_err().starts_with("cannot read `/nowhere`"));
    assert!(run("${PORT").unwrap_err().contains("no closing `}`"));
    for text in ["${}", "${a b}", "${PORT:+x}", "${1X}"] {
        assert!(run(text).unwrap_err().contains("is none of"), "{text}");
    }
    assert!(run("${file:}").unwrap_err().contains("names no file"));
}

#[test]
fn only_what_came_from_outside_is_remembered() {
    let sources = Sources { env: &env, file: &file };
    let mut substituted = Vec::new();
    substitute("${HOST} ${NONE:-plain} ${file:/run/secrets/x}", &sources, &mut substituted).unwrap();
    let values: Vec<_> = substituted.iter().map(|s| (s.raw.as_str(), s.value.as_str())).collect();
    assert_eq!(values, [("${HOST}", "db"), ("${file:/run/secrets/x}", "s3cret")]);
}

proptest! {
    #[test]
    fn expansion_never_panics(text in "\\PC*") {
        let _ = run(&text);
    }

    #[test]
    fn expansion_of_near_misses_never_panics(text in "[${}:?\\-aPORT0_é ]*") {
        let _ = run(&text);
    }

    #[test]
    fn text_with_doubled_dollars_comes_back(text in "\\PC*") {
        let doubled = text.replace('$', "$$");
        prop_assert_eq!(run(&doubled).unwrap().unwrap_or(doubled), text);
    }
}
