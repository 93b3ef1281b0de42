//! Fetching anew what a purge made stale: the gateway asks itself.

use std::{net::SocketAddr, time::Duration};

use futures::{StreamExt as _, stream};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    cache::{
        invalidation::Judgement,
        purge::{Subject, UrlName},
    },
    runtime::resources::Resources,
};

/// Most URLs fetched for one purge.
const MOST: usize = 1000;
/// Fetches at once.
const AT_ONCE: usize = 8;
/// Longest time for one of them.
const LIMIT: Duration = Duration::from_secs(10);

/// The URLs that a purge named, and those in memory that it concerns, as far as they can be
/// told: an entry knows its host and path, but not its query.
pub fn urls(subject: &Subject, resources: &Resources) -> Vec<UrlName> {
    if let Subject::Urls(urls) = subject {
        return urls.clone();
    }
    let store = resources.cache;
    let mut found: Vec<UrlName> = Vec::new();
    store.memory().for_each(usize::MAX, |_, entry| {
        if found.len() == MOST || !matches!(store.invalidations().judge(entry), Judgement::Stale { .. }) {
            return;
        }
        let Ok(target) = std::str::from_utf8(entry.target()) else { return };
        let Ok(url) = UrlName::parse(&format!("https://{target}")) else { return };
        let tag = url.tag(store.keys());
        if entry.tags().any(|own| own == tag) && !found.contains(&url) {
            found.push(url);
        }
    });
    found
}

/// Asks for them through the first plain listener; gives how many were answered.
pub async fn fetch(urls: Vec<UrlName>, resources: &Resources) -> usize {
    let plain = |listener: &&std::sync::Arc<_>| is_plain(listener);
    let Some(listener) = resources.listeners.iter().find(plain) else { return 0 };
    let address = listener.reachable();
    // What is asked for at the moment of the purge would be stale with it.
    tokio::time::sleep(resources.cache.invalidations().settling()).await;
    let fetches = urls.into_iter().map(|url| async move { timeout(LIMIT, get(address, &url)).await });
    let answered = stream::iter(fetches).buffer_unordered(AT_ONCE);
    answered.filter(|outcome| std::future::ready(matches!(outcome, Ok(Ok(true))))).count().await
}

fn is_plain(listener: &crate::runtime::listener::Listener) -> bool {
    !listener.tls && listener.proxy_protocol.is_none()
}

async fn get(address: SocketAddr, url: &UrlName) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: nilegate-refresh\r\nConnection: close\r\n\r\n",
        url.path_and_query(),
        url.host()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut status = [0; 12];
    stream.read_exact(&mut status).await?;
    tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    Ok(status.starts_with(b"HTTP/1.1 2") || status.starts_with(b"HTTP/1.1 3"))
}
