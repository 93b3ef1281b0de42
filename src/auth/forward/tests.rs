use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;

use super::*;
use crate::{
    auth::{fetch::Unreachable, identity::Kind},
    telemetry::metrics::Metrics,
};

/// Answers everybody alike, and counts.
struct Service {
    status: Option<u16>,
    asked: AtomicUsize,
}

impl Service {
    fn saying(status: Option<u16>) -> Self {
        Self { status, asked: AtomicUsize::new(0) }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Fetch for Service {
    async fn fetch(&self, call: Call<'_>) -> Result<Reply, Unreachable> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        // Long enough for others to come along.
        tokio::task::yield_now().await;
        let status = self.status.ok_or_else(|| Unreachable("nobody there".to_owned()))?;
        let mut headers = HeaderMap::new();
        headers.insert("x-user", call.headers.get("cookie").unwrap().clone());
        headers.insert("x-roles", "doctor, nurse".parse().unwrap());
        Ok(Reply { status: StatusCode::from_u16(status).unwrap(), headers, body: Bytes::new() })
    }
}

fn asker(cache: &str) -> Asker {
    let yaml = format!(
        "{{ upstream: auth, path: /verify, send: [Cookie], cache: {cache},
            identity: {{ subject: X-User, roles: X-Roles, claims: {{ tenant: X-Tenant }} }} }}"
    );
    let maker = Maker { provider: "legacy".into(), kind: Kind::Forwarded, secret: [0; 32] };
    let metrics = Metrics::new("0", "0").unwrap().auth_provider("legacy");
    Asker::new(&serde_yaml::from_str(&yaml).unwrap(), maker, &metrics)
}

fn fields(asker: &Asker, cookie: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("cookie", cookie.parse().unwrap());
    headers.insert("authorization", "Bearer other".parse().unwrap());
    let fields = asker.fields(&headers).unwrap().unwrap();
    assert_eq!(fields.len(), 1, "nothing else is sent");
    fields
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000)
}

#[tokio::test]
async fn an_admission_is_remembered_for_its_credentials_alone() {
    let (asker, service) = (asker("30s"), Service::saying(Some(204)));
    let ann = fields(&asker, "ann");
    assert!(matches!(asker.check(&ann, now()), Err(Undecided::Service)));
    let identity = asker.resolve(ann.clone(), &service, now()).await.unwrap();
    assert_eq!((identity.subject(), identity.roles().len()), ("ann", 2));
    assert!(asker.check(&ann, now() + Duration::from_secs(29)).is_ok());
    assert!(asker.check(&ann, now() + Duration::from_secs(30)).is_err());
    let bob = asker.resolve(fields(&asker, "bob"), &service, now()).await.unwrap();
    assert_eq!((bob.subject(), service.asked()), ("bob", 2));
    asker.resolve(ann, &service, now() + Duration::from_secs(31)).await.unwrap();
    assert_eq!(service.asked(), 3);
}

#[tokio::test]
async fn many_who_wait_are_answered_by_one_question() {
    for status in [Some(200), Some(401), Some(500), None] {
        let (asker, service) = (asker("30s"), Service::saying(status));
        let ann = fields(&asker, "ann");
        let waiting = (0..20).map(|_| asker.resolve(ann.clone(), &service, now()));
        let answers = futures::future::join_all(waiting).await;
        assert_eq!(service.asked(), 1, "{status:?}");
        assert!(answers.iter().all(|answer| answer.is_ok() == (status == Some(200))));
    }
}

#[tokio::test]
async fn each_answer_means_something() {
    for (status, error) in [
        (Some(401), AuthError::Refused),
        (Some(403), AuthError::Forbidden),
        (Some(302), AuthError::Unavailable),
        (Some(404), AuthError::Unavailable),
        (Some(503), AuthError::Unavailable),
        (None, AuthError::Unavailable),
    ] {
        for cache in ["0s", "30s"] {
            let (asker, service) = (asker(cache), Service::saying(status));
            let answer = asker.resolve(fields(&asker, "ann"), &service, now()).await;
            assert_eq!(answer.err(), Some(error), "{status:?}");
            // What is no answer is not remembered at all, a refusal only for a moment.
            let again = asker.check(&fields(&asker, "ann"), now() + Duration::from_millis(500));
            let remembered = cache != "0s" && error != AuthError::Unavailable;
            assert_eq!(matches!(again, Err(Undecided::Refused(_))), remembered, "{status:?} {cache}");
            let later = asker.check(&fields(&asker, "ann"), now() + REFUSAL_REMEMBERED);
            assert!(matches!(later, Err(Undecided::Service)));
        }
    }
}
