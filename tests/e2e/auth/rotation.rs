//! Keys that an upstream serves, and what becomes of callers when they change.

use std::sync::{Arc, Mutex};

use super::{echo, refusal, with_token};
use crate::harness::{
    Answer, Gateway, Origin,
    tokens::{Signer, claims, key_set},
    wait_until,
};

const TRAFFIC: &str = "\
upstreams:
  origin: { backends: ['@origin@'] }
  issuer: { backends: ['@issuer@'], retry: { attempts: 1 }, ejection: { consecutive_failures: 0 } }
auth:
  providers:
    staff:
      jwt:
        keys: { jwks: { upstream: issuer, path: /keys, refresh: @refresh@, cooldown: @cooldown@ } }
routes:
  - { name: all, upstream: origin, auth: { with: staff } }
";

/// Serves the set of the moment.
struct Issuer {
    origin: Origin,
    set: Arc<Mutex<String>>,
}

impl Issuer {
    async fn with(signers: &[&Signer]) -> Self {
        let set = Arc::new(Mutex::new(key_set(signers)));
        let served = Arc::clone(&set);
        let origin = Origin::start(move |_| Answer::ok(served.lock().unwrap().as_bytes())).await;
        Self { origin, set }
    }

    fn publish(&self, signers: &[&Signer]) {
        *self.set.lock().unwrap() = key_set(signers);
    }

    fn fetches(&self) -> usize {
        self.origin.requests().len()
    }
}

async fn gateway(origin: &Origin, issuer: &Issuer, refresh: &str, cooldown: &str) -> Gateway {
    Gateway::new()
        .set("origin", origin)
        .set("issuer", &issuer.origin)
        .set("refresh", refresh)
        .set("cooldown", cooldown)
        .traffic(TRAFFIC)
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_there_before_the_first_request() {
    let (origin, signer) = (echo().await, Signer::es256().named("one"));
    let issuer = Issuer::with(&[&signer]).await;
    let gateway = gateway(&origin, &issuer, "1h", "1h").await;
    assert_eq!(issuer.fetches(), 1);
    assert_eq!(with_token(&gateway.client(), "/", &signer.token(&claims("ann"))).await.status, 200);
    assert_eq!(issuer.fetches(), 1);
    assert_eq!(gateway.metrics().await.sum("proxy_auth_keys", &[("provider", "staff")]), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_an_unknown_key_causes_one_fetch() {
    let (origin, old) = (echo().await, Signer::es256().named("old"));
    let issuer = Issuer::with(&[&old]).await;
    let gateway = gateway(&origin, &issuer, "1h", "1h").await;
    let new = Signer::eddsa().named("new");
    issuer.publish(&[&old, &new]);
    let token = new.token(&claims("ann"));
    let clients = (0..20).map(|_| {
        let (client, token) = (gateway.client(), token.clone());
        tokio::spawn(async move { with_token(&client, "/", &token).await.status })
    });
    for client in clients.collect::<Vec<_>>() {
        assert_eq!(client.await.unwrap(), 200);
    }
    assert_eq!(issuer.fetches(), 2, "one for all of them");
    for number in 0..20 {
        let forged = Signer::eddsa().named(&format!("made-up-{number}")).token(&claims("eve"));
        let answer = with_token(&gateway.client(), "/", &forged).await;
        assert_eq!(refusal(&answer), (401, "token_key_unknown".to_owned()));
    }
    assert_eq!(issuer.fetches(), 2, "made-up keys cannot flood the issuer");
    assert_eq!(with_token(&gateway.client(), "/", &old.token(&claims("ann"))).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn rotation_under_load_refuses_no_valid_token() {
    let origin = echo().await;
    let mut current = Arc::new(Signer::es256().named("key-0"));
    let issuer = Issuer::with(&[&current]).await;
    let gateway = gateway(&origin, &issuer, "1h", "1ms").await;
    let signer = Arc::new(Mutex::new(Arc::clone(&current)));
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let address = gateway.address();
    let workers: Vec<_> = (0..8)
        .map(|worker| {
            let (signer, stop) = (Arc::clone(&signer), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut client = crate::harness::RawClient::connect(address).await;
                let mut served = 0_u32;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let now = Arc::clone(&signer.lock().unwrap());
                    let token = now.token(&claims(&format!("user-{worker}-{served}")));
                    client
                        .send(format!("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n"))
                        .await;
                    let answer = client.response().await.unwrap();
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    served += 1;
                }
                served
            })
        })
        .collect();
    for number in 1..=5 {
        let seen = origin.requests().len();
        wait_until("load before a rotation", async || origin.requests().len() > seen + 100).await;
        let next = Arc::new(Signer::es256().named(&format!("key-{number}")));
        // Published first, used from then on; the one before stays for tokens under way.
        issuer.publish(&[&current, &next]);
        *signer.lock().unwrap() = Arc::clone(&next);
        current = next;
    }
    let seen = origin.requests().len();
    wait_until("load after the last", async || origin.requests().len() > seen + 100).await;
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let mut served = 0;
    for worker in workers {
        served += worker.await.unwrap();
    }
    assert!(served > 500, "{served}");
    assert!((6..20).contains(&issuer.fetches()), "{} fetches", issuer.fetches());
    assert_eq!(gateway.metrics().await.sum("proxy_auth_refusals_total", &[]), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_issuer_is_down_the_old_keys_stay() {
    let (origin, old) = (echo().await, Signer::es256().named("old"));
    let mut issuer = Issuer::with(&[&old]).await;
    let gateway = gateway(&origin, &issuer, "50ms", "10ms").await;
    issuer.origin.kill().await;
    let failed = [("provider", "staff"), ("result", "failure")];
    wait_until("a fetch to fail", async || {
        gateway.metrics().await.sum("proxy_auth_key_refreshes_total", &failed) > 0.0
    })
    .await;
    assert_eq!(with_token(&gateway.client(), "/", &old.token(&claims("ann"))).await.status, 200);
    let unknown = Signer::es256().named("new").token(&claims("ann"));
    let answer = with_token(&gateway.client(), "/", &unknown).await;
    assert_eq!(refusal(&answer), (503, "auth_unavailable".to_owned()), "nobody can tell");
    let garbage = "{\"keys\": [{\"kty\": \"oct\", \"k\": \"c2VjcmV0\"}]}";
    *issuer.set.lock().unwrap() = garbage.to_owned();
    issuer.origin.revive().await;
    let served = issuer.fetches();
    wait_until("a useless set", async || issuer.fetches() > served).await;
    assert_eq!(with_token(&gateway.client(), "/", &old.token(&claims("bob"))).await.status, 200);
    issuer.publish(&[&old]);
    wait_until("the keys to be known again", async || {
        with_token(&gateway.client(), "/", &unknown).await.status == 401
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_starts_without_its_issuer_and_recovers() {
    let (origin, signer) = (echo().await, Signer::es256().named("one"));
    let mut issuer = Issuer::with(&[&signer]).await;
    issuer.origin.kill().await;
    let gateway = gateway(&origin, &issuer, "1h", "10ms").await;
    let token = signer.token(&claims("ann"));
    assert_eq!(
        refusal(&with_token(&gateway.client(), "/", &token).await),
        (503, "auth_unavailable".to_owned())
    );
    issuer.origin.revive().await;
    wait_until("the first keys", async || with_token(&gateway.client(), "/", &token).await.status == 200)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_outlive_a_reload() {
    let (origin, signer) = (echo().await, Signer::es256().named("one"));
    let issuer = Issuer::with(&[&signer]).await;
    let mut gateway = gateway(&origin, &issuer, "1h", "1h").await;
    gateway.write_traffic(&TRAFFIC.replace("name: all", "name: other"));
    assert_eq!(gateway.reload().await.json()["result"], "applied");
    assert_eq!(with_token(&gateway.client(), "/", &signer.token(&claims("ann"))).await.status, 200);
    assert_eq!(issuer.fetches(), 1, "an unchanged provider keeps its keys");
}
