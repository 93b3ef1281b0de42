//! `traffic.graphql:`, and who serves it.

use super::not_zero;
use crate::config::{Config, finding::Problem, graphql::PersistedMode};

pub(super) fn check(config: &Config, problems: &mut Vec<Problem>) {
    let serving = config.traffic.routes.iter().position(|route| route.graphql.is_some());
    let Some(graphql) = &config.traffic.graphql else {
        let hint = "name its schema: `traffic: { graphql: { schema: … } }`";
        if let Some(index) = serving {
            let path = format!("traffic.routes[{index}].graphql");
            problems.push(Problem::new(path, "there is no `traffic.graphql` to serve").hint(hint));
        }
        if config.process.graphql.is_some() {
            problems
                .push(Problem::new("process.graphql", "there is no `traffic.graphql` to serve").hint(hint));
        }
        return;
    };
    let here = "traffic.graphql";
    if serving.is_none() && config.process.graphql.is_none() {
        problems.push(Problem::warning(here, "no route serves it").hint("add a route with `graphql: {}`"));
    }
    not_zero(format!("{here}.deadline"), graphql.deadline, problems);
    let limits = &graphql.limits;
    if limits.query > limits.body {
        let message = "a document cannot be larger than the body that brings it";
        problems.push(Problem::new(format!("{here}.limits.query"), message));
    }
    if limits.answer > limits.answers {
        let message = "one answer cannot be larger than all together";
        problems.push(Problem::new(format!("{here}.limits.answer"), message));
    }
    for (key, size) in [
        ("body", limits.body),
        ("query", limits.query),
        ("answer", limits.answer),
        ("answers", limits.answers),
    ] {
        if size.get() == 0 {
            problems.push(Problem::new(format!("{here}.limits.{key}"), "must be more than nothing"));
        }
    }
    if graphql.persisted.file.is_some() && graphql.persisted.mode != PersistedMode::Manifest {
        let message = "`file` has no effect without `mode: manifest`";
        problems.push(Problem::new(format!("{here}.persisted.file"), message));
    }
    if graphql.playground.dir.is_some() && !graphql.playground.enabled {
        let message = "`dir` has no effect without `enabled: true`";
        problems.push(Problem::new(format!("{here}.playground.dir"), message));
    }
}
