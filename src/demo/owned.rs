//! What records that belong to a patient have in common: appointments,
//! medications and lab orders are listed, filtered, shown and tagged alike.

use http::StatusCode;
use serde::Serialize;

use super::{
    data::{Appointment, LabOrder, Medication},
    message::{Reply, Request},
    refusal::Refusal,
    resource::{self, LIST_CACHING, List, RECORD_CACHING},
    store::{Collection, Id, Page, Record},
};

/// A record that belongs to a patient.
pub trait Owned: Clone + Serialize {
    /// What it is called, in tags and in messages.
    const KIND: &'static str;

    /// Whose it is.
    fn patient_id(&self) -> Id;
}

impl Owned for Appointment {
    const KIND: &'static str = "appointment";

    fn patient_id(&self) -> Id {
        self.patient_id
    }
}

impl Owned for Medication {
    const KIND: &'static str = "medication";

    fn patient_id(&self) -> Id {
        self.patient_id
    }
}

impl Owned for LabOrder {
    const KIND: &'static str = "lab-order";

    fn patient_id(&self) -> Id {
        self.patient_id
    }
}

/// A record with its number in front.
#[derive(Serialize)]
struct Numbered<T> {
    id: Id,
    #[serde(flatten)]
    value: T,
}

/// Answers one request on a collection that can only be read.
pub fn handle<T: Owned>(records: &Collection<T>, rest: &[&str], request: &Request) -> Result<Reply, Refusal> {
    resource::read_only(request)?;
    match rest {
        [] | [""] => list(records, request),
        [id] => show(records, resource::id(id)?),
        _ => Err(Refusal::not_found("such resource")),
    }
}

/// The page that was asked for, of all records or of one patient's; or all of several patients'.
pub fn list<T: Owned>(records: &Collection<T>, request: &Request) -> Result<Reply, Refusal> {
    let several = resource::patients_filter(request)?;
    let patient = resource::patient_filter(request)?;
    let page = match &several {
        // They are few, and whoever asks for several wants all they have.
        Some(_) => Page { limit: usize::MAX, offset: 0 },
        None => resource::page(request)?,
    };
    let wanted = |id: Id| {
        patient.is_none_or(|wanted| wanted == id)
            && several.as_ref().is_none_or(|wanted| wanted.contains(&id))
    };
    let (found, total) = records.page(page, |value| wanted(value.patient_id()));
    let page = if several.is_some() { Page { limit: total, ..page } } else { page };
    let data = found.into_iter().map(|record| Numbered { id: record.id, value: record.value }).collect();
    let mut tags = vec![format!("{}-list", T::KIND)];
    let patients = patient.iter().chain(several.iter().flatten());
    tags.extend(patients.map(|id| format!("patient:{id}")));
    let reply = Reply::json(StatusCode::OK, &List::new(data, total, page));
    Ok(reply.cache_control(LIST_CACHING).modified(records.changed()).tags(&tags))
}

/// One record.
pub fn show<T: Owned>(records: &Collection<T>, id: Id) -> Result<Reply, Refusal> {
    let record = records.get(id).cloned().ok_or_else(|| missing::<T>(id))?;
    Ok(respond(StatusCode::OK, record).cache_control(RECORD_CACHING))
}

/// A record as the body of a reply, with its tags.
pub fn respond<T: Owned>(status: StatusCode, record: Record<T>) -> Reply {
    let Record { id, changed, value } = record;
    let tags = [format!("{}:{id}", T::KIND), format!("patient:{}", value.patient_id())];
    Reply::json(status, &Numbered { id, value }).modified(changed).tags(&tags)
}

/// The refusal for a number that names nothing.
pub fn missing<T: Owned>(id: Id) -> Refusal {
    Refusal::not_found(format_args!("{} {id}", T::KIND))
}
