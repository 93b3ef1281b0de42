//! A part of a stored response, for a client that asked for one.

use http::{StatusCode, header};
use pingora_core::Result;
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::RangeType;

use crate::cache::{
    conditional::Validators,
    entry::Stamp,
    range::{Selection, content_range, select},
};

/// What is sent of the body; brings the head in line with it.
///
/// # Errors
/// If a field cannot be set.
pub fn range(request: &RequestHeader, response: &mut ResponseHeader) -> Result<RangeType> {
    let length = response.headers.get(header::CONTENT_LENGTH);
    let length: Option<usize> = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let Some(length) = length else { return Ok(RangeType::None) };
    let validators = Validators::of_headers(&response.headers).unwrap_or_else(|| Validators::of_fields(b""));
    let whole = length as u64;
    let selection =
        select(&request.method, &request.headers, response.status, &validators, whole, Stamp::now());
    match selection {
        Selection::Whole => Ok(RangeType::None),
        Selection::Unsatisfiable => {
            response.set_status(StatusCode::RANGE_NOT_SATISFIABLE)?;
            response.insert_header(header::CONTENT_RANGE, content_range(None, whole).to_string())?;
            response.insert_header(header::CONTENT_LENGTH, 0)?;
            response.remove_header(&header::CONTENT_TYPE);
            Ok(RangeType::Invalid)
        }
        Selection::Part(part) => {
            let place = content_range(Some(&part), whole).to_string();
            response.set_status(StatusCode::PARTIAL_CONTENT)?;
            response.insert_header(header::CONTENT_RANGE, place)?;
            response.insert_header(header::CONTENT_LENGTH, part.end - part.start)?;
            let within = |at: u64| usize::try_from(at).unwrap_or(length);
            Ok(RangeType::Single(within(part.start)..within(part.end)))
        }
    }
}
