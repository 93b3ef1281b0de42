//! What will be slow under a schema: calls whose number grows with the answers.

use super::schema::{FieldDef, Resolve, Rest, Schema, TypeId, TypeKind};
use crate::config::{finding::Problem, graphql::GraphqlLimitsConfig};

/// Warnings for `nilegate check`. Their path is empty.
///
/// A call below a list is made for each item unless it has a batch. Calls that read nothing of
/// the parent are the same for all items, and made once.
pub fn advise(schema: &Schema, limits: &GraphqlLimitsConfig) -> Vec<Problem> {
    let mut found: Vec<(TypeId, usize)> = Vec::new();
    let mut problems = Vec::new();
    for root in [Some(schema.query), schema.mutation].into_iter().flatten() {
        let mut walk = Walk { schema, limits, seen: Vec::new(), found: &mut found, problems: &mut problems };
        walk.fields(root, &mut Vec::new(), 1);
    }
    problems
}

/// Lists within lists beyond it count no further.
const ITEMS_MAX: u64 = 1_000_000;

struct Walk<'a> {
    schema: &'a Schema,
    limits: &'a GraphqlLimitsConfig,
    /// Types that were looked at, with the most items they were under.
    seen: Vec<(TypeId, u64)>,
    found: &'a mut Vec<(TypeId, usize)>,
    problems: &'a mut Vec<Problem>,
}

impl Walk<'_> {
    fn fields(&mut self, owner: TypeId, path: &mut Vec<String>, items: u64) {
        if self.seen.iter().any(|(seen, most)| *seen == owner && *most >= items) {
            return;
        }
        self.seen.push((owner, items));
        match &self.schema.get(owner).kind {
            TypeKind::Object(object) => {
                for (index, field) in object.fields.iter().enumerate() {
                    self.field(owner, index, field, path, items);
                }
            }
            TypeKind::Interface(group) | TypeKind::Union(group) => {
                for object in &group.possible {
                    self.fields(*object, path, items);
                }
            }
            _ => {}
        }
    }

    fn field(&mut self, owner: TypeId, index: usize, field: &FieldDef, path: &mut Vec<String>, items: u64) {
        path.push(field.name.to_string());
        if let Resolve::Rest(rest) = &field.resolve
            && items > 1
            && rest.batch.is_none()
            && reads_parent(rest)
            && !self.found.contains(&(owner, index))
        {
            self.found.push((owner, index));
            let calls = items.min(ITEMS_MAX);
            let name = format!("{}.{}", self.schema.get(owner).name, field.name);
            let message = format!("`{name}` makes up to {calls} calls under `{}`", path.join("."));
            let limit = if calls > self.limits.calls as u64 {
                format!("; an operation may make {}", self.limits.calls)
            } else {
                String::new()
            };
            let hint = "give it a `batch` if the service can answer for many at once";
            self.problems.push(Problem::warning("", format!("{message}{limit}")).inside(field.at).hint(hint));
        }
        let below = if field.ty.is_list() { items.saturating_mul(self.size(field)) } else { items };
        self.fields(field.ty.named(), path, below.min(ITEMS_MAX));
        path.pop();
    }

    /// The most items of a list.
    fn size(&self, field: &FieldDef) -> u64 {
        let size = field.list_size.as_ref();
        let stated = size.and_then(|size| if size.slicing.is_some() { size.max } else { size.assumed });
        u64::from(stated.unwrap_or(self.limits.list)).max(2)
    }
}

fn reads_parent(rest: &Rest) -> bool {
    rest.path.reads_parent()
        || rest.query.iter().any(|(_, template)| template.reads_parent())
        || rest.headers.iter().any(|(_, template)| template.reads_parent())
        || rest.body.as_ref().is_some_and(super::template::BodyTemplate::reads_parent)
}
