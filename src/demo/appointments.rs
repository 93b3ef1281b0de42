//! The appointments service.

use http::{Method, StatusCode, header};
use serde::Deserialize;

use super::{
    data::{Appointment, AppointmentStatus},
    message::{Reply, Request},
    owned,
    refusal::{FieldError, Refusal},
    resource,
    store::{Id, Store},
};

/// What a client sends to make an appointment.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewAppointment {
    patient_id: Id,
    date: String,
    time: String,
    #[serde(default)]
    reason: String,
}

/// What a client sends to move an appointment on.
#[derive(Debug, Deserialize)]
struct StatusChange {
    status: AppointmentStatus,
}

/// Answers one request below `/api/v1/appointments`.
pub fn handle(rest: &[&str], store: &Store, request: &Request) -> Result<Reply, Refusal> {
    match (rest, &request.method) {
        ([] | [""], &Method::GET | &Method::HEAD) => owned::list(&store.appointments(), request),
        ([] | [""], &Method::POST) => create(store, request),
        ([] | [""], _) => Err(Refusal::method("GET, HEAD, POST")),
        ([id], method) => {
            let id = resource::id(id)?;
            match *method {
                Method::GET | Method::HEAD => owned::show(&store.appointments(), id),
                Method::PATCH => change_status(id, store, request),
                _ => Err(Refusal::method("GET, HEAD, PATCH")),
            }
        }
        _ => Err(Refusal::not_found("such resource")),
    }
}

fn create(store: &Store, request: &Request) -> Result<Reply, Refusal> {
    let new: NewAppointment = request.json()?;
    let mut errors = Vec::new();
    if store.patients().get(new.patient_id).is_none() {
        errors.push(FieldError::new("patientId", format!("there is no patient {}", new.patient_id)));
    }
    if !is_date(&new.date) {
        errors.push(FieldError::new("date", "must be a day as YYYY-MM-DD"));
    }
    if !is_time(&new.time) {
        errors.push(FieldError::new("time", "must be a time of day as HH:MM"));
    }
    let reason = match new.reason.as_str() {
        "" => String::new(),
        reason => resource::text("reason", reason, &mut errors),
    };
    if !errors.is_empty() {
        return Err(Refusal::invalid(errors));
    }
    let appointment = Appointment {
        patient_id: new.patient_id,
        date: new.date,
        time: new.time,
        status: AppointmentStatus::Scheduled,
        reason,
    };
    let record = store.appointments_mut().add(appointment).map_err(resource::full)?;
    let location = format!("/api/v1/appointments/{}", record.id);
    let reply = owned::respond(StatusCode::CREATED, record).cache_control("no-store");
    Ok(reply.text(header::LOCATION, &location))
}

fn change_status(id: Id, store: &Store, request: &Request) -> Result<Reply, Refusal> {
    use AppointmentStatus::{Cancelled, Completed};
    let StatusChange { status } = request.json()?;
    let mut appointments = store.appointments_mut();
    let mut appointment =
        appointments.get(id).ok_or_else(|| owned::missing::<Appointment>(id))?.value.clone();
    let is_final = matches!(appointment.status, Completed | Cancelled);
    if is_final && appointment.status != status {
        return Err(Refusal::new(StatusCode::CONFLICT, "a completed or cancelled appointment stays so"));
    }
    appointment.status = status;
    let record = appointments.put(id, appointment);
    Ok(owned::respond(StatusCode::OK, record).cache_control("no-store"))
}

/// Whether a text has the shape of the pattern, where `0` stands for any digit.
fn has_shape(text: &str, pattern: &str) -> bool {
    let fits = |(have, want): (u8, u8)| if want == b'0' { have.is_ascii_digit() } else { have == want };
    text.len() == pattern.len() && text.bytes().zip(pattern.bytes()).all(fits)
}

fn is_date(text: &str) -> bool {
    if !has_shape(text, "0000-00-00") {
        return false;
    }
    let part = |range| text.get(range).and_then(|digits: &str| digits.parse::<u32>().ok()).unwrap_or(0);
    let (year, month, day) = (part(0..4), part(5..7), part(8..10));
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => 0,
    };
    (1..=days).contains(&day)
}

fn is_time(text: &str) -> bool {
    has_shape(text, "00:00") && text < "24:00" && &text[3..] < "60"
}

#[cfg(test)]
mod tests;
