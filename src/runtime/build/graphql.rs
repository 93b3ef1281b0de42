//! GraphQL of a snapshot, and the routes that answer it.

use std::sync::Arc;

use super::{Problems, RouteBuilder};
use crate::{
    config::{finding::Problem, graphql::GraphqlConfig},
    routing::Entry,
    runtime::{
        graphql::Graphql,
        route::{Action, Route},
        snapshot::Snapshot,
    },
};

/// GraphQL's section; the same one as before if nothing has changed, with the plans it has made.
pub(super) fn compile(
    section: &GraphqlConfig,
    previous: Option<&Snapshot>,
    problems: &mut Problems,
) -> Option<Arc<Graphql>> {
    let before = previous.and_then(Snapshot::graphql);
    if let Some(before) = before.filter(|before| before.config == *section && before.manifest.is_none()) {
        return Some(Arc::clone(before));
    }
    let generation = previous.map_or(1, |previous| previous.generation + 1);
    problems.take("traffic.graphql", Graphql::compile(section, generation)).map(Arc::new)
}

impl RouteBuilder<'_> {
    /// The route by which GraphQL is served on a listener of its own: the first that answers
    /// it, or else one that nobody has configured.
    pub(super) fn graphql_route(
        &self,
        routes: &[Entry<'_, Arc<Route>>],
        problems: &mut Problems,
    ) -> Option<Arc<Route>> {
        let graphql = self.graphql?;
        let answers = |route: &&Arc<Route>| matches!(route.action, Action::Graphql(_));
        let named = routes.iter().map(|entry| &entry.value).find(answers).cloned();
        let bare = || self.bare("graphql", Action::Graphql(Arc::clone(graphql)), problems).map(Arc::new);
        named.or_else(bare)
    }

    /// What becomes of requests on a route that answers GraphQL.
    pub(super) fn graphql(&self, problems: &mut Problems) -> Option<Action> {
        if self.config.graphql.is_none() {
            let problem = Problem::new("graphql", "there is no schema to answer by");
            problems.0.push(problem.hint("add the section `traffic.graphql`"));
        }
        self.graphql.cloned().map(Action::Graphql)
    }
}
