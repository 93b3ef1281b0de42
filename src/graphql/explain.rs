//! A plan as text: its levels, the calls of each, what it costs, who may read it, and how long
//! it may be reused.

use std::fmt::Write;

use super::{
    cost,
    errors::GraphqlError,
    execute::Context,
    outcome::Ask,
    plan::{Field, FieldIndex, OperationKind, Plan, SetId},
    schema::{AuthRule, BatchStyle, Rest, Schema},
};
use crate::config::graphql::GraphqlLimitsConfig;

/// A call of a level.
struct Line {
    call: String,
    /// How many of it there are at most, and for how many parents.
    count: u64,
    parents: u64,
    notes: Vec<String>,
}

/// Explains a plan for a request: nothing is called.
///
/// # Errors
/// What would keep the request from being executed, its cost apart.
pub(super) fn explain(
    schema: &Schema,
    limits: &GraphqlLimitsConfig,
    plan: &Plan,
    ask: &Ask<'_>,
) -> Result<String, Vec<GraphqlError>> {
    let context = Context::new(schema, limits, plan, ask)?;
    let cost = cost::cost(&context).map_err(|error| vec![error])?;
    let mut walk = Walk { cx: &context, levels: Vec::new(), seen: Vec::new() };
    walk.set(SetId::ROOT, 0, 1).map_err(|error| vec![error])?;
    let mut out = String::new();
    let name = plan.name.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
    let _ = writeln!(out, "{}{name}", plan.kind.as_str());
    for (number, level) in walk.levels.iter().enumerate() {
        let _ = writeln!(out, "level {}", number + 1);
        for line in level {
            let _ = writeln!(out, "  {}", line.call);
            let _ = writeln!(out, "    {}", line.reach());
            for note in &line.notes {
                let _ = writeln!(out, "    {note}");
            }
        }
    }
    let calls = walk.levels.iter().flatten().map(|line| line.count).fold(0, u64::saturating_add);
    let _ = writeln!(out, "calls  at most {calls}, limit {}", limits.calls);
    let verdict = if cost > limits.cost { ", which is too much" } else { "" };
    let _ = writeln!(out, "cost   {cost} of {}{verdict}", limits.cost);
    let _ = writeln!(out, "reuse  {}", reuse(plan));
    Ok(out)
}

struct Walk<'a> {
    cx: &'a Context<'a>,
    levels: Vec<Vec<Line>>,
    seen: Vec<(SetId, usize)>,
}

impl Walk<'_> {
    /// Goes through a set that is reached after so many calls, for so many parents.
    fn set(&mut self, id: SetId, level: usize, parents: u64) -> Result<(), GraphqlError> {
        if self.seen.contains(&(id, level)) {
            return Ok(());
        }
        self.seen.push((id, level));
        let cx = self.cx;
        for index in cx.fields(id) {
            let field = cx.plan.field(*index);
            let (_, items) = cost::weight(cx, *index)?;
            let mut below = level;
            if let Some(rest) = field.rest(cx.schema) {
                let line = self.line(*index, field, rest, parents);
                self.levels.resize_with(self.levels.len().max(level + 1), Vec::new);
                self.levels[level].push(line);
                below += 1;
            }
            for inner in field.shape.sets() {
                self.set(inner, below, parents.saturating_mul(items))?;
            }
        }
        Ok(())
    }

    fn line(&self, index: FieldIndex, field: &Field, rest: &Rest, parents: u64) -> Line {
        let source = self.cx.schema.source(rest.source);
        let mut call = format!("{} {}{}", rest.method, source.route, rest.path);
        for (place, (name, template)) in rest.query.iter().enumerate() {
            let _ = write!(call, "{}{name}={template}", if place == 0 { '?' } else { '&' });
        }
        let mut notes = Vec::new();
        let mut count = if rest.reads_parent() { parents } else { 1 };
        if let Some(batch) = &rest.batch {
            let max = u64::try_from(batch.max).unwrap_or(u64::MAX);
            count = parents.div_ceil(max);
            let how = match batch.style {
                BatchStyle::Csv => "separated by commas",
                BatchStyle::Repeat => "one parameter each",
                BatchStyle::Body => "in the body",
            };
            notes.push(format!(
                "batch: `{}` takes {} of up to {max} parents, {how}",
                batch.param, batch.value
            ));
        }
        if let Some(error) = self.cx.blocked(index) {
            notes.push(format!("not called: {} ({})", error.message, error.code.as_str()));
            count = 0;
        }
        if let Some(rule) = field.def(self.cx.schema).and_then(|def| def.auth.as_ref()) {
            notes.push(format!("asks for {}", asks_for(rule)));
        }
        let call = format!("{call}  → {}", field.path);
        Line { call, count, parents, notes }
    }
}

impl Line {
    fn reach(&self) -> String {
        match (self.count, self.parents) {
            (0, _) => "no call".to_owned(),
            (1, 1) => "1 call".to_owned(),
            (1, parents) => format!("1 call for up to {parents} parents"),
            (count, parents) => {
                format!("up to {count} calls for up to {parents} parents, identical ones once")
            }
        }
    }
}

fn asks_for(rule: &AuthRule) -> String {
    let mut parts = Vec::new();
    if !rule.scopes.is_empty() {
        parts.push(format!("all scopes of {}", rule.scopes.join(", ")));
    }
    if !rule.roles.is_empty() {
        parts.push(format!("a role of {}", rule.roles.join(", ")));
    }
    let granted = parts.join(" and ");
    match (&rule.owner, granted.is_empty()) {
        (Some(owner), true) => format!("the claim `{}` to be {}", owner.claim, owner.is),
        (Some(owner), false) => format!("{granted}, or the claim `{}` to be {}", owner.claim, owner.is),
        (None, true) => "a caller who is known".to_owned(),
        (None, false) => granted,
    }
}

fn reuse(plan: &Plan) -> String {
    let scope = if plan.hint.is_private { "private" } else { "public" };
    match plan.kind {
        OperationKind::Mutation => "never: it is a mutation".to_owned(),
        OperationKind::Query if plan.hint.max_age.is_zero() => format!("{scope}, not at all"),
        OperationKind::Query => format!("{scope}, {} s at most", plan.hint.max_age.as_secs()),
    }
}
