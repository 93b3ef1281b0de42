//! Whether fields with one response key can become one (October 2021, section 5.3.2).
//!
//! Instead of comparing every pair, fields are grouped by key and walked together: once for the
//! shape of their values, where all of a key count, and once for name and arguments, where only
//! those count that can meet on one object. Work is bounded.

use async_graphql::{
    Positioned,
    parser::types::{ExecutableDocument, Field, Selection, SelectionSet},
};

use crate::graphql::{
    coerce::position,
    document::{Operation, root},
    errors::{ErrorCode, GraphqlError},
    schema::{Schema, TypeId, TypeKind, TypeRef},
};

/// Fields that are looked at, each as often as it is in a group.
const WORK_MAX: usize = 50_000;

/// All conflicts; of a key that conflicts, the first.
pub(super) fn check(schema: &Schema, document: &ExecutableDocument) -> Vec<GraphqlError> {
    let mut check = Check { schema, document, errors: Vec::new(), work: 0 };
    for (name, definition) in document.operations.iter() {
        let parent = root(schema, &Operation { name, definition });
        let sets = [(parent, &definition.node.selection_set.node)];
        check.shapes(&sets);
        check.fields(&sets);
    }
    if check.work > WORK_MAX {
        let message = "The document selects the same fields in too many ways.";
        return vec![GraphqlError::new(ErrorCode::QueryTooComplex, message).with("limit", "selections")];
    }
    check.errors
}

/// A selection set with the type it selects from; `None`: a type of introspection.
type Set<'d> = (Option<TypeId>, &'d SelectionSet);

/// A field with the type that has it.
#[derive(Clone, Copy)]
struct Found<'d> {
    parent: Option<TypeId>,
    field: &'d Positioned<Field>,
}

/// The fields with one response key.
type Group<'d> = (&'d str, Vec<Found<'d>>);

struct Check<'a, 'd> {
    schema: &'a Schema,
    document: &'d ExecutableDocument,
    errors: Vec<GraphqlError>,
    work: usize,
}

impl<'d> Check<'_, 'd> {
    fn collect(&mut self, sets: &[Set<'d>]) -> Vec<Group<'d>> {
        let mut groups = Vec::new();
        let mut seen = Vec::new();
        for (parent, set) in sets {
            self.walk(*parent, set, &mut groups, &mut seen);
        }
        groups
    }

    fn walk(
        &mut self,
        parent: Option<TypeId>,
        set: &'d SelectionSet,
        groups: &mut Vec<Group<'d>>,
        seen: &mut Vec<&'d str>,
    ) {
        for item in &set.items {
            self.work += 1;
            if self.work > WORK_MAX {
                return;
            }
            match &item.node {
                Selection::Field(field) => {
                    let key = field.node.response_key().node.as_str();
                    let found = Found { parent, field };
                    match groups.iter_mut().find(|(known, _)| *known == key) {
                        Some((_, fields)) => fields.push(found),
                        None => groups.push((key, vec![found])),
                    }
                }
                Selection::InlineFragment(fragment) => {
                    let on = match &fragment.node.type_condition {
                        Some(on) => self.schema.find(&on.node.on.node),
                        None => parent,
                    };
                    self.walk(on, &fragment.node.selection_set.node, groups, seen);
                }
                Selection::FragmentSpread(spread) => {
                    let name = spread.node.fragment_name.node.as_str();
                    if !seen.contains(&name)
                        && let Some(fragment) = self.document.fragments.get(name)
                    {
                        seen.push(name);
                        let on = self.schema.find(&fragment.node.type_condition.node.on.node);
                        self.walk(on, &fragment.node.selection_set.node, groups, seen);
                    }
                }
            }
        }
    }

    fn ty(&self, found: &Found<'d>) -> Option<&TypeRef> {
        let parent = found.parent?;
        let field = self.schema.find_field(parent, &found.field.node.name.node)?;
        Some(&self.schema.field(parent, field).ty)
    }

    fn below(&self, fields: &[Found<'d>]) -> Vec<Set<'d>> {
        let below = fields.iter().filter(|found| !found.field.node.selection_set.node.items.is_empty());
        below
            .map(|found| (self.ty(found).map(TypeRef::named), &found.field.node.selection_set.node))
            .collect()
    }

    /// `SameResponseShape`.
    fn shapes(&mut self, sets: &[Set<'d>]) {
        for (key, fields) in self.collect(sets) {
            if let [first, others @ ..] = &*fields
                && let Some(other) = others.iter().find(|other| !self.same_shape(first, other))
            {
                let (a, b) = (self.shown(first), self.shown(other));
                let why = format!("they return conflicting types \"{a}\" and \"{b}\"");
                self.conflict(key, &why, first, other);
                continue;
            }
            if fields.len() > 1 {
                let below = self.below(&fields);
                self.shapes(&below);
            } else if let [only] = &*fields {
                let below = self.below(&[*only]);
                self.shapes(&below);
            }
        }
    }

    fn shown(&self, found: &Found<'d>) -> String {
        self.ty(found).map(|ty| self.schema.display(ty)).unwrap_or_default()
    }

    fn same_shape(&self, a: &Found<'d>, b: &Found<'d>) -> bool {
        let (Some(mut a), Some(mut b)) = (self.ty(a), self.ty(b)) else { return true };
        loop {
            if a.is_non_null() != b.is_non_null() {
                return false;
            }
            match (a, b) {
                (TypeRef::List(inner_a, _), TypeRef::List(inner_b, _)) => (a, b) = (inner_a, inner_b),
                (TypeRef::Named(a, _), TypeRef::Named(b, _)) => {
                    return a == b || (self.schema.is_composite(*a) && self.schema.is_composite(*b));
                }
                _ => return false,
            }
        }
    }

    /// `FieldsInSetCanMerge`, but for shapes.
    fn fields(&mut self, sets: &[Set<'d>]) {
        for (key, fields) in self.collect(sets) {
            for meeting in self.meetings(fields) {
                self.work += meeting.len();
                if self.work > WORK_MAX {
                    return;
                }
                if let [first, others @ ..] = &*meeting {
                    let conflict =
                        others.iter().find_map(|other| Some((other, differs(first.field, other.field)?)));
                    if let Some((other, why)) = conflict {
                        self.conflict(key, &why, first, other);
                        continue;
                    }
                }
                let below = self.below(&meeting);
                self.fields(&below);
            }
        }
    }

    /// Those that can meet on one object: of each object type, with those of interfaces.
    fn meetings(&self, fields: Vec<Found<'d>>) -> Vec<Vec<Found<'d>>> {
        let object = |found: &Found<'d>| {
            found.parent.filter(|parent| matches!(self.schema.get(*parent).kind, TypeKind::Object(_)))
        };
        let mut objects: Vec<TypeId> = fields.iter().filter_map(object).collect();
        objects.sort_unstable();
        objects.dedup();
        if objects.len() <= 1 {
            return vec![fields];
        }
        let of = |id: TypeId| {
            let meets = |found: &&Found<'d>| object(found).is_none_or(|parent| parent == id);
            fields.iter().filter(meets).copied().collect()
        };
        objects.into_iter().map(of).collect()
    }

    fn conflict(&mut self, key: &str, why: &str, a: &Found<'d>, b: &Found<'d>) {
        let message = format!(
            "Fields \"{key}\" conflict because {why}. Use different aliases on the fields to fetch both if this \
             was intentional."
        );
        let error = GraphqlError::new(ErrorCode::ValidationFailed, message);
        self.errors.push(error.at(position(a.field.pos)).at(position(b.field.pos)));
    }
}

fn differs(a: &Positioned<Field>, b: &Positioned<Field>) -> Option<String> {
    let (a, b) = (&a.node, &b.node);
    if a.name.node != b.name.node {
        return Some(format!("\"{}\" and \"{}\" are different fields", a.name.node, b.name.node));
    }
    let same = a.arguments.len() == b.arguments.len()
        && a.arguments.iter().all(|(name, value)| {
            b.arguments.iter().any(|(other, given)| other.node == name.node && given.node == value.node)
        });
    (!same).then(|| "they have differing arguments".to_owned())
}
