//! What there is to say of the version of the API that a request is for.

use std::time::SystemTime;

use crate::{
    api_version::{VersionError, Wish, life::Phase},
    routing::RequestParts,
    runtime::{route::Route, snapshot::Snapshot},
};

/// The version of a request.
pub struct Explained {
    /// Which, and what stated it.
    pub wish: Wish,
    /// The same in words.
    pub lines: Vec<String>,
    /// Why it cannot be had now.
    pub refused: Option<String>,
}

/// The version of a request, or why it has none that the route serves; `None` on a route
/// without versions.
pub fn of(
    snapshot: &Snapshot,
    route: &Route,
    parts: &RequestParts<'_>,
    stated: Option<&str>,
) -> Option<Result<Explained, String>> {
    let versions = snapshot.versions.as_ref().filter(|_| route.is_versioned())?;
    let wish = match versions.find(stated, parts.headers, parts.query) {
        Ok(wish) => wish,
        Err(VersionError::Unknown(origin)) => {
            return Some(Err(format!("unsupported_version: there is no such version ({origin})")));
        }
        Err(VersionError::Conflict) => {
            return Some(Err("400 version_conflict: different versions are stated".to_owned()));
        }
    };
    let name = versions.name(wish.version);
    let Some(served) = route.served(wish.version) else {
        return Some(Err(format!("unsupported_version: this route does not serve {name}")));
    };
    let mut lines = vec![format!("{name}, stated by {}", wish.origin)];
    if served.spoken != wish.version {
        lines.push(format!("answered by the service that speaks {}", versions.name(served.spoken)));
    }
    if let Some(mapping) = &served.mapping {
        lines.push(format!("bodies mapped by {}", mapping.names.join(", then ")));
    }
    let life = versions.life(wish.version);
    let now = SystemTime::now();
    let phase = life.phase(now);
    if let Some(days) = life.days_to_sunset(now) {
        lines.push(format!("{}, {days:.0} days to its sunset", phase.as_str()));
    } else if phase != Phase::Current {
        lines.push(phase.as_str().to_owned());
    }
    let refused = match phase {
        Phase::Sunset => Some(format!("410 version_sunset: {name} has ended")),
        Phase::Brownout { .. } => Some(format!("503 version_brownout: {name} is away for a while")),
        Phase::Current | Phase::Deprecated => None,
    };
    Some(Ok(Explained { wish, lines, refused }))
}
