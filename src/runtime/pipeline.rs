//! The way on which requests of the gateway's own go: the same that those of clients go.

use std::sync::{Arc, OnceLock, Weak};

use pingora_core::protocols::http::ServerSession;
use pingora_proxy::{
    Subrequest,
    subrequest::{Ctx, UserCtx},
};

/// Pingora's proxy, once there is one.
///
/// The proxy owns the gateway, which owns this: so it is held weakly.
#[derive(Default)]
pub struct Pipeline(OnceLock<Weak<dyn Subrequest + Send + Sync>>);

impl Pipeline {
    /// Makes the proxy known. Only the first time counts.
    pub fn open<P: Subrequest + Send + Sync + 'static>(&self, proxy: &Arc<P>) {
        self.0.get_or_init(|| {
            let proxy: Arc<dyn Subrequest + Send + Sync> = Arc::<P>::clone(proxy);
            Arc::downgrade(&proxy)
        });
    }

    /// Runs a request in a task of its own: whoever asked may leave, and what others wait for
    /// goes on. Its context is met again in the hooks. `false`: there is no proxy.
    pub fn run(&self, session: ServerSession, context: UserCtx) -> bool {
        let Some(proxy) = self.0.get().and_then(Weak::upgrade) else { return false };
        let context = Ctx::builder().user_ctx(context).build();
        tokio::spawn(proxy.process_subrequest(Box::new(session), Box::new(context)));
        true
    }
}
