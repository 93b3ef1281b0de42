//! The patients service: one kind of record, shown in two versions.
//!
//! Version 1 is flat; version 2 groups name and contact and adds links. Both
//! read and write the same records, so a client may move from one to the other
//! at any time.

use http::{Method, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    data::Patient,
    message::{Reply, Request, from_value, merge},
    refusal::{FieldError, Refusal},
    resource::{self, LIST_CACHING, List, RECORD_CACHING, Version},
    store::{Id, Record, Store},
};

/// A patient as version 1 shows and takes it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PatientV1 {
    first_name: String,
    last_name: String,
    email: Option<String>,
    phone: Option<String>,
}

/// A patient as version 2 shows and takes it.
#[derive(Debug, Serialize, Deserialize)]
struct PatientV2 {
    name: NameV2,
    #[serde(default)]
    contact: ContactV2,
}

#[derive(Debug, Serialize, Deserialize)]
struct NameV2 {
    given: String,
    family: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct ContactV2 {
    email: Option<String>,
    phone: Option<String>,
}

/// Answers one request below `/api/{version}/patients`.
pub fn handle(version: Version, rest: &[&str], store: &Store, request: &Request) -> Result<Reply, Refusal> {
    match (rest, &request.method) {
        ([] | [""], &Method::GET | &Method::HEAD) => list(version, store, request),
        ([] | [""], &Method::POST) => create(version, store, request),
        ([] | [""], _) => Err(Refusal::method("GET, HEAD, POST")),
        ([id], method) => {
            let id = resource::id(id)?;
            match *method {
                Method::GET | Method::HEAD => Ok(show(version, &find(store, id)?)),
                Method::PUT => replace(version, id, store, request),
                Method::PATCH => change(version, id, store, request),
                Method::DELETE => remove(id, store),
                _ => Err(Refusal::method("GET, HEAD, PUT, PATCH, DELETE")),
            }
        }
        _ => Err(Refusal::not_found("such resource")),
    }
}

fn list(version: Version, store: &Store, request: &Request) -> Result<Reply, Refusal> {
    let page = resource::page(request)?;
    let patients = store.patients();
    let changed = patients.changed();
    let (records, total) = patients.page(page, |_| true);
    drop(patients);
    let mut tags = vec!["patient-list".to_owned()];
    tags.extend(records.iter().map(|record| tag(record.id)));
    let data: Vec<Value> = records.iter().map(|record| document(version, record)).collect();
    let reply = match version {
        Version::V1 => Reply::json(StatusCode::OK, &List::new(data, total, page)),
        Version::V2 => {
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
            Reply::json(StatusCode::OK, &body)
        }
    };
    Ok(reply.cache_control(LIST_CACHING).modified(changed).tags(&tags))
}

fn create(version: Version, store: &Store, request: &Request) -> Result<Reply, Refusal> {
    let patient = parse(version, request.json()?)?;
    let record = store.patients_mut().add(patient).map_err(resource::full)?;
    let location = format!("/api/{}/patients/{}", version.name(), record.id);
    Ok(written(StatusCode::CREATED, version, &record).text(header::LOCATION, &location))
}

fn replace(version: Version, id: Id, store: &Store, request: &Request) -> Result<Reply, Refusal> {
    let patient = parse(version, request.json()?)?;
    let mut patients = store.patients_mut();
    patients.get(id).ok_or_else(|| missing(id))?;
    Ok(written(StatusCode::OK, version, &patients.put(id, patient)))
}

fn change(version: Version, id: Id, store: &Store, request: &Request) -> Result<Reply, Refusal> {
    let patch: Value = request.json()?;
    let mut patients = store.patients_mut();
    let mut document = document(version, patients.get(id).ok_or_else(|| missing(id))?);
    merge(&mut document, patch);
    let patient = parse(version, document)?;
    Ok(written(StatusCode::OK, version, &patients.put(id, patient)))
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

fn show(version: Version, record: &Record<Patient>) -> Reply {
    respond(StatusCode::OK, version, record).cache_control(RECORD_CACHING)
}

fn written(status: StatusCode, version: Version, record: &Record<Patient>) -> Reply {
    respond(status, version, record).cache_control("no-store")
}

fn respond(status: StatusCode, version: Version, record: &Record<Patient>) -> Reply {
    Reply::json(status, &document(version, record)).modified(record.changed).tags(&[tag(record.id)])
}

/// The record as a version shows it.
fn document(version: Version, record: &Record<Patient>) -> Value {
    let Patient { first_name, last_name, email, phone } = &record.value;
    let id = record.id;
    match version {
        Version::V1 => json!({
            "id": id, "firstName": first_name, "lastName": last_name, "email": email, "phone": phone,
        }),
        Version::V2 => json!({
            "id": id,
            "name": { "given": first_name, "family": last_name },
            "contact": { "email": email, "phone": phone },
            "links": {
                "self": format!("/api/v2/patients/{id}"),
                "appointments": format!("/api/v1/appointments?patientId={id}"),
                "medications": format!("/api/v1/medications?patientId={id}"),
                "labOrders": format!("/api/v1/lab-orders?patientId={id}"),
            },
        }),
    }
}

/// A patient from a document of a version, or every field that is not valid.
fn parse(version: Version, document: Value) -> Result<Patient, Refusal> {
    let (fields, PatientV1 { first_name, last_name, email, phone }) = match version {
        Version::V1 => (["firstName", "lastName", "email", "phone"], from_value(document)?),
        Version::V2 => {
            let PatientV2 { name, contact } = from_value(document)?;
            let flat = PatientV1 {
                first_name: name.given,
                last_name: name.family,
                email: contact.email,
                phone: contact.phone,
            };
            (["name.given", "name.family", "contact.email", "contact.phone"], flat)
        }
    };
    let mut errors = Vec::new();
    let patient = Patient {
        first_name: resource::text(fields[0], &first_name, &mut errors),
        last_name: resource::text(fields[1], &last_name, &mut errors),
        email,
        phone,
    };
    if patient.email.as_deref().is_some_and(|email| !is_email(email)) {
        errors.push(FieldError::new(fields[2], "must be an address such as name@example.org"));
    }
    if patient.phone.as_deref().is_some_and(|phone| !is_phone(phone)) {
        errors.push(FieldError::new(fields[3], "must be digits with an optional +, spaces and dashes"));
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

impl Version {
    fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }
}

#[cfg(test)]
mod tests;
