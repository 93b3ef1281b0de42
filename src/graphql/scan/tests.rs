use proptest::prelude::*;

use super::*;

const BOUNDS: Bounds = Bounds { tokens: 100, nesting: 8 };

fn fault(text: &str) -> String {
    let fault = scan(text, &BOUNDS).unwrap_err();
    format!("{}: {}", fault.at, fault.message)
}

#[test]
fn tokens_are_counted_without_white_space_and_comments() {
    let text = "\u{feff}query Q($a: [Int!] = [-1.5e+3]) # a ( comment\n{ f(s: \"a ) \\\" \", b: \"\"\"x \\\"\"\" ) \n\"\"\") ...F }";
    assert_eq!(scan(text, &BOUNDS).unwrap().tokens, 28);
    assert_eq!(scan("", &BOUNDS).unwrap().tokens, 0);
}

#[test]
fn names_that_stand_twice_in_an_input_object_are_found() {
    let repeated = |text: &str| -> Vec<String> {
        let scanned = scan(text, &BOUNDS).unwrap();
        scanned.repeated.iter().map(|twice| format!("{} {}", twice.at, twice.name)).collect()
    };
    assert_eq!(repeated("{ f(a: { b: 1, b: 2 }) }"), ["1:16 b"]);
    assert_eq!(repeated("{ f(a: { b: { b: 1 }, c: { b: 2 } }) }"), [""; 0]);
    assert_eq!(repeated("query($a: I = { b: \"é\", b: 1 }) { a }"), ["1:25 b"]);
    assert_eq!(repeated("{ a: f a: g }"), [""; 0]);
    assert_eq!(repeated("input I { a: J = { x: 1\n x: 2 } }"), ["2:2 x"]);
    assert_eq!(repeated("type T { a: Int a: Int }"), [""; 0]);
    assert_eq!(repeated("{ f(a: [{ b: 1 b: 1 }, { b: 1 }]) }"), ["1:16 b"]);
}

#[test]
fn brackets_match_and_are_bounded() {
    assert_eq!(fault("{ a"), "1:4: syntax error: expected `}`, found the end");
    assert_eq!(fault("{ a )"), "1:5: syntax error: expected `}`, found `)`");
    assert_eq!(fault("\r\n ]"), "2:2: syntax error: unexpected `]`");
    assert_eq!(fault("query () { a }"), "1:8: syntax error: expected a name, found `)`");
    assert_eq!(fault("{ a(s: \"x\n\") }"), "1:8: syntax error: unterminated string");
    assert_eq!(fault("{ a(s: \"\"\"x"), "1:8: syntax error: unterminated string");
    assert_eq!(fault("{ a ; }"), "1:5: syntax error: unexpected character ';'");
    assert_eq!(fault("{ a .. }"), "1:5: syntax error: unexpected character '.'");
    assert_eq!(scan(&"[".repeat(9), &BOUNDS).unwrap_err().bound, Some("nesting"));
    assert_eq!(scan(&"a ".repeat(101), &BOUNDS).unwrap_err().bound, Some("tokens"));
}

proptest! {
    #[test]
    fn no_text_makes_scanning_panic(text in "\\PC*") {
        let _ = scan(&text, &BOUNDS);
    }

    #[test]
    fn no_punctuation_makes_scanning_panic(text in "[\\[\\](){}\":a\\\\\r\n=.é#]*") {
        let _ = scan(&text, &BOUNDS);
    }
}
