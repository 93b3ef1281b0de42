use proptest::prelude::*;

use super::*;

fn maker() -> KeyMaker {
    KeyMaker::new(None)
}

fn of(fields: &[(&'static str, &str)]) -> Result<Vec<Tag>, Unkept> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, value.parse().unwrap());
    }
    let mut tags = Vec::new();
    of_response(&maker(), &headers, &mut tags).map(|()| tags)
}

fn tags(names: &[&str]) -> Vec<Tag> {
    names.iter().map(|name| tag(&maker(), name.as_bytes())).collect()
}

#[test]
fn surrogate_keys_are_separated_by_blanks_and_cache_tags_by_commas() {
    let found = of(&[("surrogate-key", " a  b,c"), ("surrogate-key", "d"), ("cache-tag", "e f, ,g,")]);
    assert_eq!(found, Ok(tags(&["a", "b,c", "d", "e f", "g"])));
}

#[test]
fn tags_that_cannot_be_kept_are_an_error() {
    assert!(of(&[("surrogate-key", &"a ".repeat(MAX_TAGS))]).is_ok());
    assert_eq!(of(&[("surrogate-key", &"a ".repeat(MAX_TAGS)), ("cache-tag", "b")]), Err(Unkept));
    assert!(of(&[("cache-tag", &"a".repeat(MAX_TAG_BYTES))]).is_ok());
    assert_eq!(of(&[("cache-tag", &"a".repeat(MAX_TAG_BYTES + 1))]), Err(Unkept));
}

#[test]
fn templates_insert_captures() {
    let texts = ["patient:{id}", "all", "{a}-{id}"].map(str::to_owned);
    let templates = TagTemplates::compile(&texts, &["id", "a"]).unwrap();
    let mut found = Vec::new();
    let value = |name: &str| Some(if name == "id" { "7" } else { "x" });
    templates.expand(&maker(), value, &mut found).unwrap();
    assert_eq!(found, tags(&["patient:7", "all", "x-7"]));
    assert_eq!(templates.expand(&maker(), |_| None, &mut found), Err(Unkept));
}

#[test]
fn what_is_wrong_with_templates_is_said_at_once() {
    let texts = ["{idd}", "a b", "{", "", "ok"].map(str::to_owned);
    let problems = TagTemplates::compile(&texts, &["id"]).unwrap_err();
    let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, ["[0]", "[1]", "[2]", "[3]"]);
    assert_eq!(problems[0].hint.as_deref(), Some("did you mean `id`?"));
    let many = vec!["a".to_owned(); MAX_TEMPLATES + 1];
    assert_eq!(TagTemplates::compile(&many, &[]).unwrap_err().len(), 1);
}

proptest! {
    #[test]
    fn no_text_upsets_the_compiler(text in ".{0,20}") {
        let _ = TagTemplates::compile(&[text], &["a"]);
    }

    #[test]
    fn no_bytes_upset_the_reader(line in proptest::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(value) = http::HeaderValue::from_bytes(&line) {
            let mut headers = HeaderMap::new();
            headers.append("surrogate-key", value.clone());
            headers.append("cache-tag", value);
            let _ = check(&headers);
        }
    }
}
