//! GraphQL over HTTP, by the specification of that name: what a request must look like, what
//! its response is called and with which status it is sent.
//!
//! The engine is in [`graphql`](crate::graphql) and knows no HTTP. Here a request becomes an
//! operation (`http`), its document is found (`documents`), it is run (`run`) with calls that
//! go through the gateway's own routes (`fetch`), and what it changed is taken out of the cache
//! (`void`).

mod documents;
mod errors;
mod fetch;
mod http;
mod observe;
mod page;
pub mod playground;
mod reply;
mod run;
mod void;

use std::sync::Arc;

use async_trait::async_trait;

use self::{documents::Documents, page::Page};
use crate::{
    phases::{
        graphql::{Asked, Responder, Response},
        rejection::Rejection,
    },
    runtime::route::Action,
    telemetry::metrics::GraphqlMetrics,
};

/// The GraphQL side of the gateway.
pub struct Service {
    /// The documents that clients have sent with their hash, whatever the generation.
    documents: Documents,
    page: Page,
    metrics: Arc<GraphqlMetrics>,
}

impl Service {
    /// A service that knows no documents yet.
    pub fn new(metrics: Arc<GraphqlMetrics>) -> Self {
        Self { documents: Documents::new(), page: Page::default(), metrics }
    }
}

#[async_trait]
impl Responder for Service {
    async fn respond(&self, asked: Asked<'_>) -> pingora_core::Result<Response> {
        match &asked.ctx.planned()?.route.action {
            Action::Graphql(graphql) if asked.ctx.graphql.as_ref().is_some_and(|graphql| graphql.page) => {
                self.page.respond(graphql, &asked)
            }
            Action::Graphql(graphql) => http::respond(self, graphql, &asked).await,
            _ => Err(Rejection::OutOfOrder.into()),
        }
    }
}
