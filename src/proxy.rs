//! The table of contents of a request: which phase runs in which hook of Pingora.
//!
//! Each hook calls its phases in order and does nothing else.

use std::{os::fd::RawFd, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use pingora_cache::{CacheKey, CacheMeta, ForcedFreshness, HitHandler, RespCacheable, key::HashBinary};
use pingora_core::{Error, Result, modules::http::HttpModules, protocols::Digest, upstreams::peer::HttpPeer};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, RangeType, Session};

use crate::{
    phases::{
        admit, answer, api_version,
        auth::{self, Judgement},
        cache,
        context::RequestContext,
        explain, failure, graphql, headers, inner, invalidate, mapping, observe, rate_limit,
        rejection::Rejection,
        route,
        steps::Steps,
        trace, upstream,
    },
    rate_limit::Held,
    runtime::{resources::Resources, snapshot::SnapshotCell},
    telemetry::metrics::Filter,
};

/// The gateway as Pingora sees it.
pub struct Gateway {
    resources: Arc<Resources>,
    snapshots: Arc<SnapshotCell>,
    graphql: Arc<dyn graphql::Responder>,
}

impl Gateway {
    /// A gateway that serves whatever snapshot the cell holds.
    pub fn new(
        resources: Arc<Resources>,
        snapshots: Arc<SnapshotCell>,
        graphql: Arc<dyn graphql::Responder>,
    ) -> Self {
        Self { resources, snapshots, graphql }
    }

    /// From the request to the plan: everything that can refuse before a backend is asked.
    async fn plan(&self, session: &mut Session, ctx: &mut RequestContext) -> Result<(), Rejection> {
        // Nobody asks for a refresh in the background: whoever did has been charged and counted.
        let is_refresh = inner::is_refresh(session, ctx);
        let mut steps = Steps::begin(&self.resources);
        let request = session.req_header_mut();
        explain::begin(request, ctx, &self.resources);
        admit::check(request, &self.resources)?;
        admit::normalize(request)?;
        auth::strip(request, ctx);
        let selected = route::select(request, ctx);
        steps.done(Filter::Route);
        if !is_refresh {
            api_version::count(request, ctx, selected.as_ref().err(), &self.resources);
        }
        selected?;
        let known = match auth::judge(request, ctx)? {
            Judgement::Admitted => Ok(()),
            Judgement::Refused(refusal) => Err(auth::refuse(&refusal, ctx)),
            Judgement::Undecided(question) => {
                let held = if is_refresh { None } else { Some(rate_limit::hold(request, ctx)?) };
                let known = Box::pin(auth::settle(question, request, ctx, &self.resources)).await;
                held.into_iter().for_each(Held::give_back);
                known
            }
        };
        if auth::is_asked(ctx) {
            steps.done(Filter::Auth);
        }
        if !is_refresh {
            // Those that are refused are charged too, or credentials could be guessed at will.
            let charged = rate_limit::charge(request, ctx).await;
            if rate_limit::is_charged(ctx) {
                steps.done(Filter::RateLimit);
            }
            charged?;
        }
        known?;
        if !is_refresh {
            auth::count(ctx);
            api_version::called(request, ctx, &self.resources);
        }
        cache::begin(request, ctx, &self.resources);
        admit::announced_body(request, ctx.planned()?.route.body_limit)?;
        trace::take_over(session, ctx, &self.resources);
        trace::sample(ctx, &self.resources);
        Ok(())
    }
}

#[async_trait]
impl ProxyHttp for Gateway {
    /// Boxed, because Pingora moves it through several futures.
    type CTX = Box<RequestContext>;

    fn new_ctx(&self) -> Self::CTX {
        Box::default()
    }

    /// No module of Pingora's runs: what they do is done by phases.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn early_request_filter(&self, session: &mut Session, ctx: &mut Self::CTX) -> Result<()> {
        admit::open(session, ctx, &self.resources, &self.snapshots);
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Self::CTX) -> Result<bool> {
        // Boxed, here and below: kept in place, the future of what few requests
        // need would make that of every request larger.
        match cache::manage::wanted(session.req_header(), ctx, &self.resources) {
            Ok(None) => {}
            Ok(Some(wanted)) => {
                Box::pin(cache::manage::serve(wanted, session, ctx, &self.resources)).await?;
                return Ok(true);
            }
            Err(refusal) => {
                Box::pin(answer::respond(session, ctx, refusal)).await;
                return Ok(true);
            }
        }
        match self.plan(session, ctx).await {
            Ok(()) if ctx.target().is_some() => Ok(false),
            Ok(()) if graphql::is_for(ctx) => {
                Box::pin(graphql::answer(session, ctx, &self.resources, &*self.graphql)).await
            }
            Ok(()) => Box::pin(route::answer_locally(session, ctx, &self.resources)).await,
            Err(refusal) => {
                Box::pin(answer::respond(session, ctx, refusal)).await;
                Ok(true)
            }
        }
    }

    fn request_cache_filter(&self, session: &mut Session, ctx: &mut Self::CTX) -> Result<()> {
        cache::coding::choose(session.req_header_mut(), ctx)?;
        cache::enable(session, ctx, &self.resources);
        Ok(())
    }

    fn cache_key_callback(&self, _session: &Session, ctx: &mut Self::CTX) -> Result<CacheKey> {
        let steps = trace::cache_steps(ctx, &self.resources);
        cache::key(ctx, steps)
    }

    fn cache_vary_filter(
        &self,
        meta: &CacheMeta,
        ctx: &mut Self::CTX,
        request: &RequestHeader,
    ) -> Option<HashBinary> {
        cache::vary(meta, request, ctx, &self.resources)
    }

    async fn cache_hit_filter(
        &self,
        _session: &mut Session,
        meta: &CacheMeta,
        _hit_handler: &mut HitHandler,
        is_fresh: bool,
        ctx: &mut Self::CTX,
    ) -> Result<Option<ForcedFreshness>> {
        Ok(cache::judge_hit(meta, is_fresh, ctx, &self.resources))
    }

    fn cache_not_modified_filter(
        &self,
        session: &Session,
        response: &ResponseHeader,
        _ctx: &mut Self::CTX,
    ) -> Result<bool> {
        Ok(cache::is_not_modified(session.req_header(), response))
    }

    fn range_header_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        _ctx: &mut Self::CTX,
    ) -> RangeType {
        // A field that cannot be set leaves the response whole.
        cache::range(session.req_header(), response).unwrap_or(RangeType::None)
    }

    fn should_serve_stale(&self, session: &mut Session, ctx: &mut Self::CTX, error: Option<&Error>) -> bool {
        let may = cache::may_serve_stale(session, ctx, error);
        if may && error.is_none() {
            trace::hand_over(session, ctx, &self.resources);
        }
        may
    }

    fn response_cache_filter(
        &self,
        session: &Session,
        response: &ResponseHeader,
        ctx: &mut Self::CTX,
    ) -> Result<RespCacheable> {
        cache::admit(session, response, ctx, &self.resources)
    }

    async fn proxy_upstream_filter(&self, session: &mut Session, ctx: &mut Self::CTX) -> Result<bool> {
        let prepared = match cache::only_if_cached(ctx) {
            Ok(()) if graphql::is_for(ctx) => Ok(()),
            Ok(()) => upstream::prepare(ctx).await,
            Err(refusal) => Err(refusal),
        };
        match prepared {
            // Pingora serves the stale response when no backend can be picked.
            Err(_) if session.cache.can_serve_stale_error() => Ok(true),
            Ok(()) => Ok(true),
            Err(refusal) => {
                Box::pin(answer::respond(session, ctx, refusal)).await;
                Ok(false)
            }
        }
    }

    async fn upstream_peer(&self, session: &mut Session, ctx: &mut Self::CTX) -> Result<Box<HttpPeer>> {
        if graphql::is_for(ctx) {
            return Ok(graphql::peer());
        }
        upstream::pick(session, ctx).map_err(Rejection::into_error)
    }

    async fn connected_to_upstream(
        &self,
        _session: &mut Session,
        reused: bool,
        _peer: &HttpPeer,
        _fd: RawFd,
        digest: Option<&Digest>,
        ctx: &mut Self::CTX,
    ) -> Result<()> {
        upstream::connected(ctx, reused, digest);
        Ok(())
    }

    fn fail_to_connect(
        &self,
        session: &mut Session,
        _peer: &HttpPeer,
        ctx: &mut Self::CTX,
        error: Box<Error>,
    ) -> Box<Error> {
        failure::connect_failed(session, ctx, error)
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        ctx: &mut Self::CTX,
        _client_reused: bool,
    ) -> Box<Error> {
        failure::attempt_failed(session, ctx, error)
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        upstream: &mut RequestHeader,
        ctx: &mut Self::CTX,
    ) -> Result<()> {
        cache::sent(ctx, &self.resources);
        if graphql::is_for(ctx) {
            let responder = &*self.graphql;
            return Box::pin(graphql::fill(session, upstream, ctx, &self.resources, responder)).await;
        }
        mapping::instruct(upstream, ctx)?;
        cache::coding::to_upstream(upstream, ctx)?;
        headers::to_upstream(upstream, session.req_header(), ctx)?;
        trace::to_upstream(upstream, ctx, &self.resources)?;
        upstream::begun(ctx, session.is_body_done());
        Ok(())
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        ctx: &mut Self::CTX,
    ) -> Result<()> {
        admit::count_body(ctx, body.as_ref().map_or(0, Bytes::len))?;
        if end_of_stream || body.is_none() {
            upstream::sent(ctx);
        }
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Self::CTX,
    ) -> Result<()> {
        upstream::responded(session, ctx, response)?;
        headers::from_upstream(response);
        cache::coding::begin(session, response, ctx)?;
        cache::confirm(session, response, ctx);
        invalidate::after(session, response, ctx, &self.resources).await;
        Ok(())
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Self::CTX,
    ) -> Result<()> {
        admit::end_when_draining(session, &self.resources);
        headers::frame(session, response);
        cache::to_downstream(session, response, ctx, &self.resources)?;
        headers::to_downstream(response, ctx)?;
        inner::tell(session, ctx, &self.resources);
        let lookup = cache::lookup(session);
        trace::to_downstream(session.req_header(), response, &lookup, ctx, &self.resources)?;
        let cached = explain::Cached { result: cache::result(session, ctx), lookup };
        explain::to_downstream(response, cached, None, ctx)
    }

    fn upstream_response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        ctx: &mut Self::CTX,
    ) -> Result<Option<std::time::Duration>> {
        upstream::body_arrived(ctx, end_of_stream)?;
        cache::coding::encode(body, end_of_stream, ctx)?;
        Ok(None)
    }

    fn upstream_response_trailer_filter(
        &self,
        _session: &mut Session,
        trailers: &mut http::HeaderMap,
        ctx: &mut Self::CTX,
    ) -> Result<()> {
        upstream::trailers_arrived(trailers, ctx);
        Ok(())
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, ctx: &mut Self::CTX) -> FailToProxy {
        // Pingora closes the connection after an error: the answer must not promise otherwise.
        session.set_keepalive(None);
        let refusal = failure::refusal_of(ctx, error);
        let error_code = answer::respond(session, ctx, refusal).await;
        FailToProxy { error_code, can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Self::CTX) {
        observe::close(session, error, ctx, &self.resources);
    }

    /// The access log and the metrics tell what Pingora would write at error level.
    fn suppress_error_log(&self, _session: &Session, _ctx: &Self::CTX, _error: &Error) -> bool {
        !tracing::enabled!(tracing::Level::DEBUG)
    }

    fn suppress_proxy_warn_log(
        &self,
        _session: &Session,
        _ctx: &Self::CTX,
        _error: &Error,
        _context: ProxyWarnLogContext,
    ) -> bool {
        !tracing::enabled!(tracing::Level::DEBUG)
    }

    /// Without the path: it may name a patient.
    fn request_summary(&self, session: &Session, ctx: &Self::CTX) -> String {
        let route = ctx.plan.as_ref().map_or("_unmatched", |plan| plan.route.name.as_str());
        format!("{} {route}, request id {}", session.req_header().method, ctx.id())
    }
}
