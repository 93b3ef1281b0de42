use proptest::prelude::*;

use super::*;

#[test]
fn every_value_knows_its_place() {
    let tree = parse("a: 1\nlist:\n  - \"x y\"\n  - { é: 1.5, on: yes }\n", 3).unwrap();
    let list = tree.get("list").unwrap();
    let Value::List(items) = &list.value else { panic!("{list:?}") };
    assert_eq!(items[0].place, Place { file: 3, line: 3, column: 5, width: 5 });
    assert_eq!(items[1].entries()[1].0.place, Place { file: 3, line: 4, column: 15, width: 2 });
    assert_eq!(items[1].get("é").unwrap().value, Value::Float(1.5));
    assert_eq!(items[1].get("on").unwrap().value, Value::Text("yes".into()));
}

#[test]
fn repeated_keys_survive_parsing() {
    assert_eq!(parse("a: 1\na: 2\n", 0).unwrap().entries().len(), 2);
}

#[test]
fn syntax_errors_have_a_place_and_no_position_in_the_text() {
    let error = parse("a: b\n c: d\n", 0).unwrap_err();
    assert_eq!((error.place.line, error.place.column), (2, 3));
    assert!(error.message.starts_with("not valid YAML: "), "{error:?}");
    assert!(!error.message.contains("line 2"), "{error:?}");
}

#[test]
fn nothing_is_an_empty_map() {
    assert_eq!(parse("", 0).unwrap().value, Value::Map(Vec::new()));
    assert_eq!(parse("# a comment\n", 0).unwrap().value, Value::Map(Vec::new()));
}

#[test]
fn a_second_document_is_refused() {
    assert!(parse("a: 1\n---\nb: 2\n", 0).unwrap_err().message.contains("more than one document"));
}

#[test]
fn an_alias_points_at_what_it_repeats() {
    let tree = parse("a: &x { k: v }\nb: *x\n", 0).unwrap();
    assert_eq!(tree.get("b").unwrap().get("k").unwrap().place.line, 1);
}

proptest! {
    #[test]
    fn parsing_never_panics(text in "\\PC*") {
        let _ = parse(&text, 0);
    }

    #[test]
    fn parsing_of_yaml_like_text_never_panics(text in "[ab:\\-\\[\\]{}&*!|>'\"#%@,?~<0. \\n\\t]*") {
        let _ = parse(&text, 0);
    }
}
