//! Completing values: what a service answered becomes what the schema promises (October 2021,
//! section 6.4.3), written as JSON as it goes.
//!
//! A value that cannot be what its type says is an error. It makes the nearest position null
//! that may be null (section 6.4.4); of several errors that would, the first counts.

mod errors;
mod leaf;
mod way;

pub(super) use errors::{Errors, Failed};
pub(super) use way::Way;

use super::{
    authorize,
    errors::{ErrorCode, GraphqlError},
    execute::Context,
    json::{Hint, Json, Kind, NodeId},
    plan::{Abstract, Field, FieldIndex, Leaf, Origin, SetId, Shape, ShapeKind},
    response::{SlotId, Tree},
};

/// What completing needs, and what it leaves behind.
pub(super) struct Completer<'w> {
    pub(super) cx: &'w Context<'w>,
    pub(super) json: &'w Json,
    /// The response so far, for the paths of errors.
    pub(super) tree: &'w Tree,
    /// The part of the response that is written.
    pub(super) slot: SlotId,
    pub(super) out: &'w mut Vec<u8>,
    pub(super) errors: &'w mut Errors,
    /// By field of the plan: where its member was last.
    pub(super) hints: &'w mut [Hint],
}

/// What was found for a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found<'w> {
    Null,
    Value(NodeId),
    /// Items that were picked from an answer for many parents.
    Items(&'w [NodeId]),
}

impl Found<'_> {
    pub(super) fn of(json: &Json, found: Option<NodeId>) -> Found<'static> {
        found.filter(|at| json.kind(*at) != Kind::Null).map_or(Found::Null, Found::Value)
    }
}

impl Completer<'_> {
    /// Writes a value, null included. After an error nothing of it is written.
    ///
    /// # Errors
    /// The value cannot be what it has to be, and may not be null either.
    pub(super) fn value(
        &mut self,
        shape: &Shape,
        found: Found<'_>,
        field: &Field,
        way: &Way<'_>,
    ) -> Result<(), Box<Failed>> {
        let (start, mark) = (self.out.len(), self.errors.mark());
        let written = match found {
            Found::Null if shape.non_null => Err(self.null(field, way)),
            Found::Null => {
                self.out.extend_from_slice(b"null");
                return Ok(());
            }
            Found::Value(at) => self.present(shape, at, field, way),
            Found::Items(items) => match &shape.kind {
                ShapeKind::List(item) => self.list(item, items.iter().copied(), field, way),
                _ => Err(self.unfit(field, way, "is a list")),
            },
        };
        let Err(failed) = written else { return Ok(()) };
        self.out.truncate(start);
        if shape.non_null {
            return Err(failed);
        }
        self.out.extend_from_slice(b"null");
        self.errors.absorb(mark, *failed);
        Ok(())
    }

    fn present(
        &mut self,
        shape: &Shape,
        at: NodeId,
        field: &Field,
        way: &Way<'_>,
    ) -> Result<(), Box<Failed>> {
        match &shape.kind {
            ShapeKind::Leaf(leaf) => leaf::write(self.cx.schema, *leaf, self.json, at, self.out)
                .map_err(|leaf::Unfit| self.unfit(field, way, leaf_problem(*leaf))),
            ShapeKind::List(item) if self.json.kind(at) == Kind::Array => {
                let json = self.json;
                self.list(item, json.items(at), field, way)
            }
            ShapeKind::List(_) => Err(self.unfit(field, way, "is no list")),
            ShapeKind::Object(set) => self.object(*set, at, field, way),
            ShapeKind::Abstract(of) => {
                let set = self
                    .concrete(of, at)
                    .ok_or_else(|| self.unfit(field, way, "has no type of the schema"))?;
                self.object(set, at, field, way)
            }
        }
    }

    fn list(
        &mut self,
        item: &Shape,
        items: impl Iterator<Item = NodeId>,
        field: &Field,
        way: &Way<'_>,
    ) -> Result<(), Box<Failed>> {
        self.out.push(b'[');
        for (index, at) in items.enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.value(item, Found::of(self.json, Some(at)), field, &way.index(index))?;
        }
        self.out.push(b']');
        Ok(())
    }

    fn object(&mut self, set: SetId, at: NodeId, field: &Field, way: &Way<'_>) -> Result<(), Box<Failed>> {
        self.enter(set, at, field, way)?;
        let cx = self.cx;
        self.out.push(b'{');
        for (place, index) in cx.fields(set).iter().enumerate() {
            let field = cx.plan.field(*index);
            self.out.extend_from_slice(field.written(place == 0));
            if field.origin == Origin::Typename {
                self.typename(set);
                continue;
            }
            let way = way.field(field);
            let start = self.errors.mark();
            match self.blocked(*index, field, &way) {
                None => {
                    let found = Found::of(self.json, self.member(*index, field, at));
                    self.value(&field.shape, found, field, &way)?;
                }
                Some(failed) if field.shape.non_null => return Err(failed),
                Some(failed) => {
                    self.out.extend_from_slice(b"null");
                    self.errors.absorb(start, *failed);
                }
            }
        }
        self.out.push(b'}');
        Ok(())
    }

    /// The checks before an object's fields are looked at.
    pub(super) fn enter(
        &self,
        set: SetId,
        at: NodeId,
        field: &Field,
        way: &Way<'_>,
    ) -> Result<(), Box<Failed>> {
        if self.json.kind(at) != Kind::Object {
            return Err(self.unfit(field, way, "is no object"));
        }
        if let Some(code) = self.cx.denials.as_ref().and_then(|denials| denials.set(set.index())) {
            return Err(self.failed(authorize::error(code), field, way));
        }
        if !self.cx.is_decided(set) {
            let error = GraphqlError::new(
                ErrorCode::BadUserInput,
                "A condition below depends on a variable that is null.",
            );
            return Err(self.failed(error, field, way));
        }
        Ok(())
    }

    /// The set for the type that a value says it is.
    pub(super) fn concrete(&self, of: &Abstract, at: NodeId) -> Option<SetId> {
        let def = self.cx.schema.discriminator(of.ty)?;
        let ty = def.type_of(self.json, at)?;
        of.sets.iter().find(|(id, _)| *id == ty).map(|(_, set)| *set)
    }

    /// The member of an object that a field reads.
    pub(super) fn member(&mut self, index: FieldIndex, field: &Field, at: NodeId) -> Option<NodeId> {
        let (first, rest) = field.member.split_first()?;
        let found = self.json.member_near(at, first, &mut self.hints[index.index()])?;
        if rest.is_empty() { Some(found) } else { self.json.dig(found, rest) }
    }

    /// Why a field is not looked at: the caller may not read it, or its arguments are wrong.
    pub(super) fn blocked(&self, index: FieldIndex, field: &Field, way: &Way<'_>) -> Option<Box<Failed>> {
        let error = self.cx.blocked(index)?;
        Some(self.failed(error, field, way))
    }

    /// Writes the name of a type.
    pub(super) fn typename(&mut self, set: SetId) {
        let name = &self.cx.schema.get(self.cx.plan.set(set).ty).name;
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'"');
    }

    /// The error of a null where there may be none.
    pub(super) fn null(&self, field: &Field, way: &Way<'_>) -> Box<Failed> {
        let message = format!("Cannot return null for non-nullable field {}.", self.name(field));
        self.failed(GraphqlError::new(ErrorCode::UpstreamInvalid, message), field, way)
    }

    pub(super) fn unfit(&self, field: &Field, way: &Way<'_>, why: &str) -> Box<Failed> {
        let message = format!("The value of {} {why}.", self.name(field));
        self.failed(GraphqlError::new(ErrorCode::UpstreamInvalid, message), field, way)
    }

    fn name(&self, field: &Field) -> String {
        let ty = &self.cx.schema.get(field.parent).name;
        let name = field.def(self.cx.schema).map_or("__typename", |def| &def.name);
        format!("{ty}.{name}")
    }

    /// An error at a position.
    pub(super) fn failed(&self, error: GraphqlError, field: &Field, way: &Way<'_>) -> Box<Failed> {
        let mut error = error;
        if error.locations.is_empty() {
            error.locations.push(field.at);
        }
        self.tree.path(self.cx.plan, self.slot, &mut error.path);
        way.append(&mut error.path);
        Box::new(Failed { error, slot: self.slot })
    }
}

/// What is wrong with a value, said without the value.
fn leaf_problem(leaf: Leaf) -> &'static str {
    match leaf {
        Leaf::Int => "is no Int",
        Leaf::Float => "is no Float",
        Leaf::String => "is no String",
        Leaf::Boolean => "is no Boolean",
        Leaf::Id => "is no ID",
        Leaf::DateTime => "is no date with time and offset",
        Leaf::Date => "is no date",
        Leaf::Any => "is no JSON",
        Leaf::Enum(_) => "is no value of its enum",
    }
}
