//! Which resources the services have, and what all of them do alike:
//! read the path, page through lists, answer `/health`.

use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::json;

use super::{
    appointments, auth,
    message::{Reply, Request},
    owned, patients,
    refusal::{FieldError, Refusal},
    store::{Full, Id, MAX_RECORDS, Page, Store},
};

/// How lists may be stored and reused. The people are invented; real records would be `private`.
pub const LIST_CACHING: &str = "public, max-age=30";
/// How single records may be stored and reused.
pub const RECORD_CACHING: &str = "public, max-age=60";

/// Most records in one answer.
const MAX_LIMIT: usize = 100;
/// Records in one answer when nothing is said.
const DEFAULT_LIMIT: usize = 20;

/// A kind of records with its own service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// People in the clinic's care, in two versions.
    Patients,
    /// Their visits.
    Appointments,
    /// Their prescriptions.
    Medications,
    /// Their laboratory tests.
    LabOrders,
    /// Logging in.
    Auth,
}

/// A version of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// The first, which all but patients speak.
    V1,
    /// The second, which patients speak.
    V2,
}

impl Resource {
    /// Its segment in paths.
    pub fn segment(self) -> &'static str {
        match self {
            Self::Patients => "patients",
            Self::Appointments => "appointments",
            Self::Medications => "medications",
            Self::LabOrders => "lab-orders",
            Self::Auth => "auth",
        }
    }

    /// What the service of this resource answers; sockets play no part.
    pub fn answer(self, store: &Store, request: &Request) -> Reply {
        if request.path == "/health" {
            return health(request).unwrap_or_else(Reply::from);
        }
        self.dispatch(store, request).unwrap_or_else(Reply::from)
    }

    fn dispatch(self, store: &Store, request: &Request) -> Result<Reply, Refusal> {
        let (version, rest) =
            self.locate(&request.path).ok_or_else(|| Refusal::not_found("such resource"))?;
        match (self, version) {
            (Self::Patients, Version::V2) => patients::handle(&rest, store, request),
            (Self::Appointments, Version::V1) => appointments::handle(&rest, store, request),
            (Self::Medications, Version::V1) => owned::handle(&store.medications(), &rest, request),
            (Self::LabOrders, Version::V1) => owned::handle(&store.lab_orders(), &rest, request),
            (Self::Auth, Version::V1) => auth::handle(&rest, request),
            (_, version) => {
                let only = if version == Version::V1 { "v2" } else { "v1" };
                let detail = format!("{} exist in {only} only", self.segment());
                Err(Refusal::new(StatusCode::NOT_FOUND, detail))
            }
        }
    }

    /// The version and what follows the resource's segment.
    fn locate(self, path: &str) -> Option<(Version, Vec<&str>)> {
        let mut segments = path.strip_prefix("/api/")?.split('/');
        let version = match segments.next()? {
            "v1" => Version::V1,
            "v2" => Version::V2,
            _ => return None,
        };
        if segments.next()? != self.segment() {
            return None;
        }
        Some((version, segments.collect()))
    }
}

fn health(request: &Request) -> Result<Reply, Refusal> {
    read_only(request)?;
    Ok(Reply::json(StatusCode::OK, &json!({ "status": "ok" })).cache_control("no-store"))
}

/// Refuses everything but GET and HEAD.
pub fn read_only(request: &Request) -> Result<(), Refusal> {
    match request.method {
        Method::GET | Method::HEAD => Ok(()),
        _ => Err(Refusal::method("GET, HEAD")),
    }
}

/// The number in a path segment; anything else names nothing.
pub fn id(segment: &str) -> Result<Id, Refusal> {
    segment.parse().map_err(|_| Refusal::not_found(format_args!("record `{segment}`")))
}

/// The page that `limit` and `offset` ask for.
pub fn page(request: &Request) -> Result<Page, Refusal> {
    let limit = match request.parameter("limit") {
        None => DEFAULT_LIMIT,
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=MAX_LIMIT).contains(limit))
            .ok_or_else(|| Refusal::parameter("limit", format!("a number from 1 to {MAX_LIMIT}")))?,
    };
    let offset = match request.parameter("offset") {
        None => 0,
        Some(text) => text.parse().map_err(|_| Refusal::parameter("offset", "a number from 0"))?,
    };
    Ok(Page { limit, offset })
}

/// The patient that `patientId` asks for, if it is there.
pub fn patient_filter(request: &Request) -> Result<Option<Id>, Refusal> {
    let parse = |text: String| text.parse().map_err(|message: &str| Refusal::parameter("patientId", message));
    request.parameter("patientId").map(parse).transpose()
}

/// The patients that `patientIds` asks for: several, with commas between.
pub fn patients_filter(request: &Request) -> Result<Option<Vec<Id>>, Refusal> {
    let Some(text) = request.parameter("patientIds") else { return Ok(None) };
    let ids = text.split(',').map(str::parse).collect::<Result<Vec<Id>, _>>();
    let ids = ids.map_err(|message: &str| Refusal::parameter("patientIds", message))?;
    if ids.len() > MAX_LIMIT {
        return Err(Refusal::parameter("patientIds", format!("at most {MAX_LIMIT} numbers")));
    }
    Ok(Some(ids))
}

/// A list as version 1 shows it.
#[derive(Debug, Serialize)]
pub struct List<T> {
    /// The records of this page.
    pub data: Vec<T>,
    /// How many there are in all.
    pub total: usize,
    /// Most records in this answer.
    pub limit: usize,
    /// Records left out before the first.
    pub offset: usize,
}

impl<T> List<T> {
    /// A page of records out of so many.
    pub fn new(data: Vec<T>, total: usize, page: Page) -> Self {
        Self { data, total, limit: page.limit, offset: page.offset }
    }
}

/// The refusal to keep more than a collection holds.
pub fn full(_: Full) -> Refusal {
    Refusal::new(StatusCode::INSUFFICIENT_STORAGE, format!("the demo keeps at most {MAX_RECORDS} records"))
}

/// A text a person wrote: not blank, not endless. Adds to the errors if it is not.
pub fn text(field: &str, value: &str, errors: &mut Vec<FieldError>) -> String {
    let trimmed = value.trim();
    if trimmed.is_empty() {
        errors.push(FieldError::new(field, "must not be empty"));
    } else if trimmed.chars().count() > 100 {
        errors.push(FieldError::new(field, "must have at most 100 characters"));
    }
    trimmed.to_owned()
}
