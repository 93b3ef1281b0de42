//! The response while it grows: a tree of parts, each written once.
//!
//! What no call can change any more is text at once. Only objects and lists above fields that
//! wait for calls are nodes of the tree, so that a null can still take their place.

use super::{
    errors::PathStep,
    execute::Context,
    plan::{FieldIndex, Plan, SetId},
};

/// A part of the response, by its place in [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SlotId(u32);

impl SlotId {
    /// The whole `data`.
    pub(super) const ROOT: SlotId = SlotId(0);

    /// The part so many after this one.
    pub(super) fn offset(self, by: usize) -> SlotId {
        SlotId(self.0 + u32::try_from(by).unwrap_or(u32::MAX))
    }
}

/// What stands in a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Nothing yet.
    Pending,
    /// `null`.
    Null,
    /// From here to there in the text.
    Text(usize, usize),
    /// An object: its fields start here.
    Object(SetId, SlotId),
    /// A list: its items start here, and are so many.
    List(SlotId, usize),
}

/// How a part is reached from the one above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SlotStep {
    Root,
    Field(FieldIndex),
    Index(u32),
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    parent: SlotId,
    step: SlotStep,
    is_nullable: bool,
    content: Content,
}

/// The parts of a response.
#[derive(Debug)]
pub(super) struct Tree {
    slots: Vec<Slot>,
}

impl Tree {
    pub(super) fn new() -> Self {
        let root =
            Slot { parent: SlotId::ROOT, step: SlotStep::Root, is_nullable: true, content: Content::Pending };
        let mut slots = Vec::with_capacity(16);
        slots.push(root);
        Self { slots }
    }

    /// The first of as many new parts of one part as there are steps.
    pub(super) fn grow(&mut self, parent: SlotId, steps: impl Iterator<Item = (SlotStep, bool)>) -> SlotId {
        let first = SlotId(u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
        self.slots.extend(steps.map(|(step, is_nullable)| Slot {
            parent,
            step,
            is_nullable,
            content: Content::Pending,
        }));
        first
    }

    pub(super) fn set(&mut self, id: SlotId, content: Content) {
        self.slots[id.0 as usize].content = content;
    }

    pub(super) fn content(&self, id: SlotId) -> Content {
        self.slot(id).content
    }

    pub(super) fn is_nullable(&self, id: SlotId) -> bool {
        self.slot(id).is_nullable
    }

    /// The part above.
    pub(super) fn parent(&self, id: SlotId) -> SlotId {
        self.slot(id).parent
    }

    /// Whether a part is still a part of the response: nothing above it became null.
    pub(super) fn is_alive(&self, id: SlotId) -> bool {
        self.ancestors(id).all(|at| self.slot(at).content != Content::Null)
    }

    /// Whether a part is another one, or within it.
    pub(super) fn is_under(&self, id: SlotId, above: SlotId) -> bool {
        self.ancestors(id).any(|at| at == above)
    }

    /// Appends the path of a part.
    pub(super) fn path(&self, plan: &Plan, id: SlotId, path: &mut Vec<PathStep>) {
        let start = path.len();
        for at in self.ancestors(id) {
            match self.slot(at).step {
                SlotStep::Root => {}
                SlotStep::Field(index) => path.push(PathStep::Key(plan.field(index).key.clone())),
                SlotStep::Index(index) => path.push(PathStep::Index(index as usize)),
            }
        }
        path[start..].reverse();
    }

    /// Appends a part as JSON. One that nothing became of is null: that is the case only of
    /// fields of a mutation that were never begun.
    pub(super) fn write(&self, cx: &Context<'_>, text: &[u8], id: SlotId, out: &mut Vec<u8>) {
        match self.slot(id).content {
            Content::Pending | Content::Null => out.extend_from_slice(b"null"),
            Content::Text(start, end) => out.extend_from_slice(&text[start..end]),
            Content::Object(set, first) => {
                out.push(b'{');
                for (place, index) in cx.fields(set).iter().enumerate() {
                    out.extend_from_slice(cx.plan.field(*index).written(place == 0));
                    self.write(cx, text, first.offset(place), out);
                }
                out.push(b'}');
            }
            Content::List(first, len) => {
                out.push(b'[');
                for place in 0..len {
                    if place > 0 {
                        out.push(b',');
                    }
                    self.write(cx, text, first.offset(place), out);
                }
                out.push(b']');
            }
        }
    }

    fn slot(&self, id: SlotId) -> &Slot {
        &self.slots[id.0 as usize]
    }

    /// A part, the one above it, and so on.
    fn ancestors(&self, id: SlotId) -> impl Iterator<Item = SlotId> {
        std::iter::successors(Some(id), |at| (*at != SlotId::ROOT).then(|| self.slot(*at).parent))
    }
}
