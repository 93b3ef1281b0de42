//! The fields of a schema: how often they are asked for, how long their calls take.

use std::{sync::OnceLock, time::Duration};

use crate::telemetry::metrics::{
    family::Family,
    instrument::{Counter, Histogram},
};

/// A field of a type, as its series is called.
#[derive(Clone, Copy, Debug)]
pub struct FieldName<'a> {
    /// The type.
    pub ty: &'a str,
    /// The field.
    pub name: &'a str,
    /// Whether its value takes a call.
    pub is_called: bool,
}

/// The series of one schema's fields, found by their places in it.
///
/// All are made at once, so that fields that nobody asks for are seen; of a schema too large for
/// that, each at its first use.
pub struct FieldMetrics {
    uses: Family<Counter>,
    calls: Family<Histogram>,
    types: Box<[Box<[Field]>]>,
}

struct Field {
    name: Box<str>,
    uses: OnceLock<Counter>,
    calls: OnceLock<Histogram>,
}

impl FieldMetrics {
    pub(super) fn new<'a>(
        uses: &Family<Counter>,
        calls: &Family<Histogram>,
        types: impl Iterator<Item = Vec<FieldName<'a>>>,
    ) -> Self {
        let types: Vec<Vec<FieldName<'_>>> = types.collect();
        let has_room = uses.has_room(types.iter().map(Vec::len).sum());
        let field = |field: &FieldName<'_>| {
            let name = format!("{}.{}", field.ty, field.name).into_boxed_str();
            let made = Field { uses: OnceLock::new(), calls: OnceLock::new(), name };
            if has_room {
                made.uses.get_or_init(|| uses.get(&[&made.name]));
                if field.is_called {
                    made.calls.get_or_init(|| calls.get(&[&made.name]));
                }
            }
            made
        };
        let types = types.iter().map(|fields| fields.iter().map(field).collect()).collect();
        Self { uses: uses.clone(), calls: calls.clone(), types }
    }

    /// Counts an operation that asked for a field.
    pub fn used(&self, ty: usize, field: usize) {
        if let Some(field) = self.field(ty, field) {
            field.uses.get_or_init(|| self.uses.get(&[&field.name])).inc();
        }
    }

    /// Counts a call that was made for a field.
    pub fn called(&self, ty: usize, field: usize, took: Duration) {
        if let Some(field) = self.field(ty, field) {
            field.calls.get_or_init(|| self.calls.get(&[&field.name])).observe(took);
        }
    }

    fn field(&self, ty: usize, field: usize) -> Option<&Field> {
        self.types.get(ty)?.get(field)
    }
}
