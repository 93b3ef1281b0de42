//! Calls for many parents that become few.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use serde_json::{Map, Value};

use super::{
    gather::{Draft, Level, Origin, misplaced},
    level::{Run, Want},
};
use crate::graphql::{
    json::{Json, NodeId},
    plan::FieldIndex,
    schema::{Batch, BatchStyle, Rest},
};

/// One field of many parents, whose calls become few.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) field: FieldIndex,
    /// The keys of the parents, each once, in the order of the parents.
    keys: Vec<Key>,
    /// The places of the keys.
    pub(super) places: HashMap<String, usize, ahash::RandomState>,
    /// Where the elements of each so many keys come from.
    origins: Vec<Origin>,
    /// How many keys a call takes.
    pub(super) max: usize,
}

/// A key of parents.
#[derive(Debug)]
struct Key {
    text: String,
    /// The first parent that has it.
    parent: Option<(Arc<Json>, NodeId)>,
    /// How many have it.
    count: usize,
}

impl Group {
    fn new(field: FieldIndex, max: usize) -> Self {
        Self { field, keys: Vec::new(), places: HashMap::default(), origins: Vec::new(), max: max.max(1) }
    }

    /// Where the elements of a key come from.
    pub(super) fn origin(&self, key: usize) -> &Origin {
        self.origins.get(key / self.max).unwrap_or(&Origin::Nothing)
    }

    /// The text of a key.
    pub(super) fn key(&self, place: usize) -> Option<&str> {
        self.keys.get(place).map(|key| &*key.text)
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    fn place(&mut self, text: String, want: &Want) -> usize {
        if let Some(place) = self.places.get(&text) {
            self.keys[*place].count += 1;
            return *place;
        }
        let place = self.keys.len();
        self.places.insert(text.clone(), place);
        self.keys.push(Key { text, parent: want.parent.clone(), count: 1 });
        place
    }
}

impl Run<'_> {
    /// Adds a parent to the group of its field.
    pub(super) fn join(&self, want: &Want, batch: &Batch, level: &mut Level) -> Origin {
        let known = level.groups.iter().position(|group| group.field == want.field);
        let group = known.unwrap_or_else(|| {
            level.groups.push(Group::new(want.field, batch.max));
            level.groups.len() - 1
        });
        match batch.value.text(&self.scope(want.field, want.parent.as_ref())) {
            Ok(Some(text)) => Origin::Share(group, level.groups[group].place(text, want)),
            Ok(None) => Origin::Nothing,
            Err(unfit) => Origin::Failed(misplaced(unfit)),
        }
    }

    /// The calls of a group.
    pub(super) fn batch(&mut self, group: &mut Group, rest: &Rest, batch: &Batch, level: &mut Level) {
        let index = group.field;
        let draft = match self.draft(index, rest, None) {
            Ok(Some(draft)) => draft,
            Ok(None) => return,
            Err(unfit) => {
                let parts = group.keys.len().div_ceil(group.max);
                group.origins = vec![Origin::Failed(misplaced(unfit)); parts];
                return;
            }
        };
        for keys in group.keys.chunks(group.max) {
            let Draft { mut target, fields, mut body } = draft.clone();
            batch.extend(&mut target, keys.iter().map(|key| Cow::Borrowed(&*key.text)));
            if batch.style == BatchStyle::Body {
                let mut members = match body.take() {
                    Some(Value::Object(members)) => members,
                    _ => Map::new(),
                };
                let keys = keys.iter().map(|key| self.body_key(index, batch, key)).collect();
                members.insert(batch.param.to_string(), keys);
                body = Some(Value::Object(members));
            }
            let parents = keys.iter().map(|key| key.count).sum();
            let call = self.call(index, rest, Draft { target, fields, body }, parents, level);
            group.origins.push(Origin::Call(call));
        }
    }

    /// A key as it stands in a body: a number remains one.
    fn body_key(&self, index: FieldIndex, batch: &Batch, key: &Key) -> Value {
        let value = batch.value.value(&self.scope(index, key.parent.as_ref())).ok().flatten();
        value.map_or_else(|| Value::from(&*key.text), Cow::into_owned)
    }
}
