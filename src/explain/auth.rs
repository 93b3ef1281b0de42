//! Who would be taken to call.

use std::{sync::Arc, time::SystemTime};

use crate::{
    auth::{AuthError, Identity, Verdict},
    phases::rejection::Rejection,
    routing::RequestParts,
    runtime::route::Route,
};

/// What the route demands, and what the credentials of the question amount to.
#[derive(Default)]
pub struct Caller {
    /// One line for each thing worth knowing; none where the route asks nobody.
    pub lines: Vec<String>,
    /// Who it is.
    pub identity: Option<Arc<Identity>>,
    /// Why the gateway would refuse the request.
    pub refused: Option<String>,
}

/// Works out who calls, as far as that can be done offline.
pub fn caller(route: &Route, parts: &RequestParts<'_>) -> Caller {
    let Some(rule) = &route.auth else { return Caller::default() };
    let mut caller = Caller { lines: vec![rule.describe()], ..Caller::default() };
    match rule.judge(parts.headers, parts.query, SystemTime::now()) {
        Verdict::Admitted(None) => caller.lines.push("without credentials: nobody in particular".to_owned()),
        Verdict::Admitted(Some(identity)) => {
            caller.lines.push(format!("admitted as {} by {}", identity.subject(), identity.provider()));
            for (name, value) in rule.forwarded(&identity) {
                caller.lines.push(format!("sends {name}: {}", String::from_utf8_lossy(value.as_bytes())));
            }
            caller.identity = Some(identity);
        }
        Verdict::Undecided(question) => {
            caller.lines.push(format!("cannot be told offline: {}", question.describe()));
        }
        Verdict::Refused(refusal) => {
            let rejection = Rejection::Auth(refusal.error);
            caller.refused = Some(format!("{} {}", rejection.status().as_u16(), rejection.code()));
            if refusal.error == AuthError::Missing {
                caller.lines.push("without credentials: add them with -H".to_owned());
            }
        }
    }
    caller
}
