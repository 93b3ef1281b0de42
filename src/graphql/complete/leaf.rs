//! Leaves: what a service's value may be for each type (October 2021, section 3.5 "Result
//! Coercion"), as lenient as the reference implementation.

use chrono::DateTime;

use crate::graphql::{
    json::{Json, Kind, NodeId},
    plan::Leaf,
    schema::{Schema, TypeKind},
};

/// A value that its type cannot be.
pub(super) struct Unfit;

/// Writes a value that is not null.
pub(super) fn write(
    schema: &Schema,
    leaf: Leaf,
    json: &Json,
    at: NodeId,
    out: &mut Vec<u8>,
) -> Result<(), Unfit> {
    let kind = json.kind(at);
    match (leaf, kind) {
        (Leaf::Any, _) | (Leaf::String | Leaf::Id, Kind::String) | (Leaf::Float, Kind::Number) => {
            out.extend_from_slice(json.raw(at));
        }
        (Leaf::Boolean, Kind::True | Kind::False) => out.extend_from_slice(json.raw(at)),
        (Leaf::Int, Kind::Number) => {
            let raw = json.raw(at);
            // Most are digits within the range as they stand.
            if raw.len() <= 9 && raw.iter().all(u8::is_ascii_digit) {
                out.extend_from_slice(raw);
            } else {
                integer(number(json, at).ok_or(Unfit)?, out)?;
            }
        }
        (Leaf::Int | Leaf::Float, Kind::True) => out.push(b'1'),
        (Leaf::Int | Leaf::Float, Kind::False) => out.push(b'0'),
        (Leaf::Int, Kind::String) => integer(number(json, at).ok_or(Unfit)?, out)?,
        (Leaf::Float, Kind::String) => float(number(json, at).ok_or(Unfit)?, out),
        (Leaf::Boolean, Kind::Number) => {
            let is_zero = number(json, at).ok_or(Unfit)? == 0.0;
            out.extend_from_slice(if is_zero { b"false" } else { b"true" });
        }
        (Leaf::String, Kind::Number | Kind::True | Kind::False) => quoted(json.raw(at), out),
        (Leaf::Id, Kind::Number) => {
            let raw = json.raw(at);
            if raw.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-') {
                quoted(raw, out);
            } else {
                out.push(b'"');
                whole(number(json, at).ok_or(Unfit)?, out)?;
                out.push(b'"');
            }
        }
        (Leaf::DateTime, Kind::String) if is_time(&json.string(at).ok_or(Unfit)?) => {
            out.extend_from_slice(json.raw(at));
        }
        (Leaf::Date, Kind::String) if is_date(&json.string(at).ok_or(Unfit)?) => {
            out.extend_from_slice(json.raw(at));
        }
        (Leaf::Enum(id), Kind::String) => {
            let TypeKind::Enum(def) = &schema.get(id).kind else { return Err(Unfit) };
            let value = def.by_wire(&json.string(at).ok_or(Unfit)?).ok_or(Unfit)?;
            quoted(value.name.as_bytes(), out);
        }
        _ => return Err(Unfit),
    }
    Ok(())
}

/// A number, or a text that is one.
fn number(json: &Json, at: NodeId) -> Option<f64> {
    let text = json.scalar(at)?;
    let text = text.trim();
    // Rust would take `inf` and `nan` as well.
    let is_decimal = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    text.parse::<f64>().ok().filter(|number| is_decimal && number.is_finite())
}

fn integer(number: f64, out: &mut Vec<u8>) -> Result<(), Unfit> {
    if number < f64::from(i32::MIN) || number > f64::from(i32::MAX) {
        return Err(Unfit);
    }
    whole(number, out)
}

/// A number without a fraction, up to where doubles have units.
fn whole(number: f64, out: &mut Vec<u8>) -> Result<(), Unfit> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() != 0.0 || number.abs() > EXACT {
        return Err(Unfit);
    }
    #[expect(clippy::cast_possible_truncation, reason = "whole, and within 53 bits")]
    out.extend_from_slice(itoa::Buffer::new().format(number as i64).as_bytes());
    Ok(())
}

/// A double in JSON.
fn float(number: f64, out: &mut Vec<u8>) {
    if let Ok(text) = serde_json::to_string(&number) {
        out.extend_from_slice(text.as_bytes());
    }
}

/// A text without anything to escape.
fn quoted(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(text);
    out.push(b'"');
}

fn is_time(text: &str) -> bool {
    DateTime::parse_from_rfc3339(text).is_ok()
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && DateTime::parse_from_rfc3339(&format!("{text}T00:00:00Z")).is_ok()
}
