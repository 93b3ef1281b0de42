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
    (0..UNPUBLISHED).for_each(|n| waiting.keep(n.to_string().into_bytes()));
    waiting.done(b"other");
    assert_eq!(waiting.first().unwrap(), b"0");
    assert_eq!(waiting.0.lock().kept.len(), UNPUBLISHED);
    waiting.keep(b"one too many".to_vec());
    assert_eq!(waiting.0.lock().kept, [EVERYTHING, b"one too many"], "none is lost");
    assert!(crate::cache::invalidation::decode(EVERYTHING).is_err());
    waiting.done(EVERYTHING);
    assert_eq!(waiting.first().unwrap(), b"one too many");
}

#[test]
fn what_redis_took_and_lost_is_published_again() {
    let id = |millis| StreamId { millis, number: 0 };
    let waiting = Unpublished::default();
    waiting.seen(id(1));
    (1..=3).for_each(|n| waiting.taken(id(n), &[n as u8]));
    waiting.look_for_all();
    waiting.taken(id(4), &[4]);
    waiting.seen(id(2));
    waiting.keep_unseen();
    // The first one was read before it was noted, the fourth came while reading.
    assert_eq!(waiting.0.lock().kept, [[3]]);
    waiting.look_for_all();
    waiting.keep_unseen();
    assert_eq!(waiting.0.lock().kept, [[3], [4]]);
}

#[test]
fn a_strangers_record_is_a_mark() {
    let odd = |fields| Value::Array(vec![text("5-0"), Value::Array(fields)]);
    for fields in [vec![], vec![text("r")], vec![text("x"), text("y")], vec![text("r"), Value::Nil]] {
        assert_eq!(record(odd(fields)), Some((StreamId { millis: 5, number: 0 }, None)));
    }
}
