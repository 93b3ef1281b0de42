//! The traffic of stories that need one upstream and little else.

use std::fmt::Display;

/// A `traffic:` section with the upstream `origin`, to which everything goes
/// unless the story has routes of its own.
#[derive(Clone, Debug, Default)]
pub(super) struct OneUpstream {
    backends: Vec<String>,
    keys: Vec<String>,
    routes: Option<String>,
    also: Vec<String>,
}

impl OneUpstream {
    pub(super) fn backend(&mut self, address: impl Display) {
        self.backends.push(format!("\"{address}\""));
    }

    pub(super) fn key(&mut self, yaml: &str) {
        self.keys.push(format!(", {yaml}"));
    }

    pub(super) fn routes(&mut self, yaml: &str) {
        self.routes = Some(format!("\n{yaml}"));
    }

    pub(super) fn also(&mut self, yaml: &str) {
        self.also.push(yaml.to_owned());
    }

    pub(super) fn yaml(&self) -> String {
        let (backends, keys) = (self.backends.join(", "), self.keys.concat());
        let routes = self.routes.as_deref().unwrap_or(" [{ name: all, upstream: origin }]");
        let also = self.also.join("\n");
        format!("upstreams: {{ origin: {{ backends: [{backends}]{keys} }} }}\n{also}\nroutes:{routes}")
    }
}
