//! The series of one owner that differ in a single closed label.

use std::{marker::PhantomData, sync::OnceLock};

use super::{family::Family, instrument::Instrument};
use crate::telemetry::label::Label;

/// One series for each value of `L`, found by index.
///
/// All series are made at once, so that counters exist before their first event
/// and `rate()` sees it; when the family is filling up, each at its first use.
pub struct Handles<L, M: Instrument> {
    family: Family<M>,
    owner: Box<[String]>,
    cells: Box<[OnceLock<M>]>,
    label: PhantomData<fn(L)>,
}

impl<L: Label, M: Instrument> Handles<L, M> {
    /// The series of `family` whose labels are `owner` and then `L`.
    pub fn new(family: &Family<M>, owner: &[&str]) -> Self {
        let handles = Self {
            family: family.clone(),
            owner: owner.iter().map(|&value| value.to_owned()).collect(),
            cells: L::ALL.iter().map(|_| OnceLock::new()).collect(),
            label: PhantomData,
        };
        if family.has_room(L::ALL.len()) {
            for &label in L::ALL {
                handles.get(label);
            }
        }
        handles
    }

    /// The series of one label value.
    pub fn get(&self, label: L) -> &M {
        self.cells[label.index()].get_or_init(|| {
            let owner = self.owner.iter().map(String::as_str);
            self.family.get(&owner.chain([label.as_str()]).collect::<Vec<_>>())
        })
    }
}
