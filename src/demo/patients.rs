//! The patients service. It speaks version 2 of the API alone: name and contact in groups, and
//! links. Clients of version 1, which was flat, are served by the gateway's mapping.

use http::{Method, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    data::Patient,
    message::{Reply, Request, from_value, merge},
    refusal::{FieldError, Refusal},
    resource::{self, LIST_CACHING, RECORD_CACHING},
    store::{Id, Record, Store},
};

/// A patient as it is sent.
#[derive(Debug, Serialize, Deserialize)]
struct Sent {
    name: Name,
    #[serde(default)]
    contact: Contact,
}

#[derive(Debug, Serialize, Deserialize)]
struct Name {
    given: String,
    family: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Contact {
    email: Option<String>,
    phone: Option<String>,
}

/// Answers one request below `/api/v2/patients`.
pub fn handle(rest: &[&str], store: &Store, request: &Request) -> Result<Reply, Refusal> {
    match (rest, &request.method) {
        ([] | [""], &Method::GET | &Method::HEAD) => list(store, request),
        ([] | [""], &Method::POST) => create(store, request),
        ([] | [""], _) => Err(Refusal::method("GET, HEAD, POST")),
        ([id], method) => {
            let id = resource::id(id)?;
            match *method {
                Method::GET | Method::HEAD => Ok(show(&find(store, id)?)),
                Method::PUT => replace(id, store, request),
                Method::PATCH => change(id, store, request),
                Method::DELETE => remove(id, store),
                _ => Err(Refusal::method("GET, HEAD, PUT, PATCH, DELETE")),
            }
        }
        _ => Err(Refusal::not_found("such resource")),
    }
}

fn list(store: &Store, request: &Request) -> Result<Reply, Refusal> {
    let page = resource::page(request)?;
    let patients = store.patients();
    let changed = patients.changed();
    let (records, total) = patients.page(page, |_| true);
    drop(patients);
    let mut tags = vec!["patient-list".to_owned()];
    tags.extend(records.iter().map(|record| tag(record.id)));
    let data: Vec<Value> = records.iter().map(document).collect();
    let link = |offset: usize| format!("/api/v2/patients?limit={}&offset={offset}", page.limit);
    let next = page.offset + page.limit;
    let body = json!({
        "data": data,
        "page": { "total": total, "limit": page.limit, "offset": page.offset },
        "links": {
            "self": link(page.offset),
            "next": (next < total).then(|| link(next)),
            "prev": (page.offset > 0).then(|| link(page.offset.saturating_sub(page.limit))),
        },
    });
    let reply = Reply::json(StatusCode::OK, &body);
    Ok(reply.cache_control(LIST_CACHING).modified(changed).tags(&tags))
}

fn create(store: &Store, request: &Request) -> Result<Reply, Refusal> {
    let patient = parse(request.json()?)?;
    let record = store.patients_mut().add(patient).map_err(resource::full)?;
    let location = format!("/api/v2/patients/{}", record.id);
    Ok(written(StatusCode::CREATED, &record).text(header::LOCATION, &location))
}

fn replace(id: Id, store: &Store, request: &Request) -> Result<Reply, Refusal> {
    let patient = parse(request.json()?)?;
    let mut patients = store.patients_mut();
    patients.get(id).ok_or_else(|| missing(id))?;
    Ok(written(StatusCode::OK, &patients.put(id, patient)))
}

fn change(id: Id, store: &Store, request: &Request) -> Result<Reply, Refusal> {
    let patch: Value = request.json()?;
    let mut patients = store.patients_mut();
    let mut document = document(patients.get(id).ok_or_else(|| missing(id))?);
    merge(&mut document, patch);
    let patient = parse(document)?;
    Ok(written(StatusCode::OK, &patients.put(id, patient)))
}

fn remove(id: Id, store: &Store) -> Result<Reply, Refusal> {
    if !store.remove_patient(id) {
        return Err(missing(id));
    }
    Ok(Reply::empty(StatusCode::NO_CONTENT).cache_control("no-store").tags(&[tag(id)]))
}

fn find(store: &Store, id: Id) -> Result<Record<Patient>, Refusal> {
    store.patients().get(id).cloned().ok_or_else(|| missing(id))
}

fn missing(id: Id) -> Refusal {
    Refusal::not_found(format_args!("patient {id}"))
}

fn tag(id: Id) -> String {
    format!("patient:{id}")
}

fn show(record: &Record<Patient>) -> Reply {
    respond(StatusCode::OK, record).cache_control(RECORD_CACHING)
}

fn written(status: StatusCode, record: &Record<Patient>) -> Reply {
    respond(status, record).cache_control("no-store")
}

fn respond(status: StatusCode, record: &Record<Patient>) -> Reply {
    Reply::json(status, &document(record)).modified(record.changed).tags(&[tag(record.id)])
}

/// The record as it is shown.
fn document(record: &Record<Patient>) -> Value {
    let Patient { first_name, last_name, email, phone } = &record.value;
    let id = record.id;
    json!({
        "id": id,
        "name": { "given": first_name, "family": last_name },
        "contact": { "email": email, "phone": phone },
        "links": {
            "self": format!("/api/v2/patients/{id}"),
            "appointments": format!("/api/v1/appointments?patientId={id}"),
            "medications": format!("/api/v1/medications?patientId={id}"),
            "labOrders": format!("/api/v1/lab-orders?patientId={id}"),
        },
    })
}

/// A patient from a document, or every field that is not valid.
fn parse(document: Value) -> Result<Patient, Refusal> {
    let Sent { name, contact: Contact { email, phone } } = from_value(document)?;
    let mut errors = Vec::new();
    let patient = Patient {
        first_name: resource::text("name.given", &name.given, &mut errors),
        last_name: resource::text("name.family", &name.family, &mut errors),
        email,
        phone,
    };
    if patient.email.as_deref().is_some_and(|email| !is_email(email)) {
        errors.push(FieldError::new("contact.email", "must be an address such as name@example.org"));
    }
    if patient.phone.as_deref().is_some_and(|phone| !is_phone(phone)) {
        errors.push(FieldError::new("contact.phone", "must be digits with an optional +, spaces and dashes"));
    }
    if errors.is_empty() { Ok(patient) } else { Err(Refusal::invalid(errors)) }
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let is_plain = |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || c == '@');
    text.len() <= 254 && is_plain(local) && is_plain(domain) && domain.contains('.')
}

fn is_phone(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let count = digits.bytes().filter(u8::is_ascii_digit).count();
    (5..=15).contains(&count) && digits.bytes().all(|byte| byte.is_ascii_digit() || b" -".contains(&byte))
}

#[cfg(test)]
mod tests;
