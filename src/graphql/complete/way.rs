//! The way to a position, for the paths of errors. It costs nothing until there is one.

use crate::graphql::{errors::PathStep, plan::Field};

/// The way from the part of the response that is written to a position in it.
#[derive(Clone, Copy)]
pub(in crate::graphql) struct Way<'w> {
    up: Option<&'w Way<'w>>,
    step: Step<'w>,
}

#[derive(Clone, Copy)]
enum Step<'w> {
    /// The part itself.
    Start,
    Field(&'w Field),
    Index(usize),
}

impl<'w> Way<'w> {
    pub(in crate::graphql) const START: Way<'static> = Way { up: None, step: Step::Start };

    pub(super) fn field(&'w self, field: &'w Field) -> Way<'w> {
        Way { up: Some(self), step: Step::Field(field) }
    }

    pub(super) fn index(&'w self, index: usize) -> Way<'w> {
        Way { up: Some(self), step: Step::Index(index) }
    }

    pub(super) fn append(&self, path: &mut Vec<PathStep>) {
        if let Some(up) = self.up {
            up.append(path);
        }
        match self.step {
            Step::Start => {}
            Step::Field(field) => path.push(PathStep::Key(field.key.clone())),
            Step::Index(index) => path.push(PathStep::Index(index)),
        }
    }
}
