//! About how many bytes a plan takes: for the bound of the plans that are kept.
//!
//! Counted from what it consists of. The length of its document says little: a field of an
//! interface is there once for each type that it may be.

use super::{Field, Plan, Shape, ShapeKind};

/// What the allocator takes for a piece besides the piece.
const PIECE: usize = 16;
/// What a byte of a document takes in the form that the parser gives it, generously: a field of
/// one letter is a node of some two hundred bytes.
const PARSED: usize = 160;

impl Plan {
    /// The bytes that it takes, made of a document of so many.
    pub(in crate::graphql) fn bytes(&self, document: usize) -> usize {
        let sets: usize = self
            .sets
            .iter()
            .map(|set| size_of_val(set) + size_of_val(&*set.picks) + size_of_val(&*set.fields) + 2 * PIECE)
            .sum();
        let fields: usize = self.fields.iter().map(Field::bytes).sum();
        let conditions: usize = self
            .conditions
            .iter()
            .flat_map(|condition| condition.terms())
            .map(|(name, _)| size_of::<(Box<str>, bool)>() + name.len() + PIECE)
            .sum();
        // Kept as they were parsed: the variables, and the whole document for each look at the schema.
        let parsed = usize::from(!self.variables.is_empty()) + self.introspections.len();
        size_of::<Self>()
            + sets
            + fields
            + conditions
            + size_of_val(&*self.uses)
            + parsed.saturating_mul(document).saturating_mul(PARSED)
    }
}

impl Field {
    fn bytes(&self) -> usize {
        let texts = self.key.len() + self.written_key.len() + self.path.len() + 4 * PIECE;
        let member: usize = self.member.iter().map(|key| size_of_val(key) + key.len() + PIECE).sum();
        let arguments = self.arguments.as_ref().map_or(0, |arguments| arguments.bytes());
        size_of::<Self>() + texts + member + arguments + self.shape.bytes()
    }
}

impl Shape {
    /// Those of its boxes.
    fn bytes(&self) -> usize {
        match &self.kind {
            ShapeKind::Leaf(_) | ShapeKind::Object(_) => 0,
            ShapeKind::List(item) => size_of::<Self>() + PIECE + item.bytes(),
            ShapeKind::Abstract(which) => size_of_val(&**which) + size_of_val(&*which.sets) + 2 * PIECE,
        }
    }
}
