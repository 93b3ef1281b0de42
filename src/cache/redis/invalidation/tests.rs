use super::*;

fn text(text: &str) -> Value {
    Value::BulkString(text.as_bytes().to_vec())
}

fn entry(id: &str, field: &str, data: &str) -> Value {
    Value::Array(vec![text(id), Value::Array(vec![text(field), text(data)])])
}

#[test]
fn a_page_has_records_and_marks() {
    let entries = vec![entry("5-0", "g", ""), entry("7-1", "r", "data")];
    let page = parse(Value::Array(vec![Value::Int(0), Value::Array(entries)])).unwrap();
    assert!(!page.continued);
    let id = |millis, number| StreamId { millis, number };
    assert_eq!(page.records, [(id(5, 0), None), (id(7, 1), Some(b"data".to_vec()))]);
}

#[test]
fn answers_that_make_no_sense_are_none() {
    let page = |entries| Value::Array(vec![Value::Int(1), Value::Array(entries)]);
    for answer in [
        Value::Nil,
        Value::Okay,
        Value::Array(vec![]),
        Value::Array(vec![text("1"), Value::Array(vec![])]),
        page(vec![text("x")]),
        page(vec![entry("5", "r", "x")]),
        page(vec![entry("x-1", "r", "x")]),
        page(vec![Value::Array(vec![text("5-0"), Value::Array(vec![text("r")])])]),
    ] {
        assert!(parse(answer.clone()).is_none(), "{answer:?}");
    }
}

#[test]
fn places_are_ordered_by_number_not_by_text() {
    let place = |text: &str| text.parse::<StreamId>().unwrap();
    assert!(place("9-0") < place("10-0") && place("10-9") < place("10-10"));
    assert_eq!(place("10-9").to_string(), "10-9");
    for bad in ["", "1", "-", "1-", "a-1", "1-2-3", "-1-2"] {
        assert!(bad.parse::<StreamId>().is_err(), "{bad}");
    }
}

#[test]
fn what_waits_is_bounded() {
    let waiting = Unpublished::default();
    (0..=UNPUBLISHED).for_each(|n| waiting.keep(n.to_string().into_bytes()));
    assert_eq!(waiting.0.lock().len(), UNPUBLISHED);
    assert_eq!(waiting.first().unwrap(), b"1", "the oldest one went");
    waiting.done(b"other");
    waiting.done(b"1");
    assert_eq!(waiting.first().unwrap(), b"2");
}
