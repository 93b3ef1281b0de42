//! What a rule does to the part of a body that it is about.

use std::borrow::Cow;

use ahash::{AHashMap, AHashSet};

use super::{
    convert,
    date::DateForm,
    path::{self, Occupied, Segment, visit},
    plan::{MappingError, Verdict},
    scan::{FEW_NAMES, Key},
    tree::{Member, Node},
    value::{Constant, Name},
};
use crate::config::mapping::ScalarType;

/// A rule at a place.
#[derive(Debug)]
pub struct Step {
    /// Where: `act` starts at every value that this leads to.
    pub scope: Vec<Segment>,
    /// As the operator wrote it, for errors.
    pub at: Box<str>,
    /// What.
    pub act: Act,
}

/// What is done at a place. Names start there.
#[derive(Debug)]
pub enum Act {
    /// Members get new names, all at the same time.
    Rename(Vec<(Name, Name)>),
    /// A value goes from one place to another.
    Move(Vec<Name>, Vec<Name>),
    /// The value goes.
    Drop,
    /// A constant is put, or only where nothing is.
    Put(Vec<Name>, Constant, Occupied),
    /// The value is exchanged.
    Enum(AHashMap<Box<str>, Constant>, Otherwise),
    /// Members are gathered in an object.
    Wrap(Vec<Name>, Vec<Name>),
    /// The members of an object take its place.
    Unwrap(Name),
    /// A text is taken apart.
    Split(Vec<Name>, Box<str>, Vec<Vec<Name>>),
    /// Texts are put together.
    Join(Vec<Vec<Name>>, Box<str>, Vec<Name>),
    /// Each element goes through steps of its own.
    Each(Vec<Step>),
    /// The value gets another type.
    Convert(ScalarType),
    /// The value is a date and is written in another way.
    Date(DateForm, DateForm),
}

/// What becomes of a value that no list has foreseen.
#[derive(Debug)]
pub enum Otherwise {
    /// It stays.
    Keep,
    /// It goes.
    Drop,
    /// The body cannot be mapped.
    Fail,
    /// It becomes this.
    Value(Constant),
}

impl Step {
    /// Applies the rule to a body, or to an element.
    ///
    /// # Errors
    /// If the body does not have the shape that the rule needs.
    pub fn apply<'a>(&'a self, root: &mut Node<'a>) -> Result<(), MappingError> {
        visit(root, &self.scope, &mut |node| self.act(node)).map(drop)
    }

    fn act<'a>(&'a self, node: &mut Node<'a>) -> Result<Verdict, MappingError> {
        match &self.act {
            Act::Rename(pairs) => rename(node, pairs)?,
            Act::Move(from, to) => {
                if let Some(value) = path::take(node, from) {
                    path::put(node, to, value, Occupied::Fail)?;
                }
            }
            Act::Drop => return Ok(Verdict::Remove),
            // A member of something that is no object is no default that is missing.
            Act::Put(names, constant, occupied) => {
                if names.is_empty() || node.is_object() {
                    path::put(node, names, constant.node(), *occupied)?;
                }
            }
            Act::Enum(map, otherwise) => return self.exchange(node, map, otherwise),
            Act::Wrap(fields, into) => wrap(node, fields, into)?,
            Act::Unwrap(name) => unwrap(node, name)?,
            Act::Split(from, by, into) => self.split(node, from, by, into)?,
            Act::Join(from, with, into) => self.join(node, from, with, into)?,
            Act::Each(steps) => each(node, steps)?,
            Act::Convert(to) if !node.is_null() => {
                let scalar = node.scalar().and_then(|text| convert::convert(text, *to));
                match scalar.ok_or_else(|| MappingError::unfit(&self.at, convert::expected(*to)))? {
                    Cow::Borrowed(_) => {}
                    Cow::Owned(text) => *node = Node::Made(text.into()),
                }
            }
            Act::Date(from, to) if !node.is_null() => {
                let date = node.scalar().and_then(|text| from.parse(text));
                let date = date.and_then(|date| to.write(&date));
                *node = Node::Made(date.ok_or_else(|| MappingError::unfit(&self.at, "such a date"))?);
            }
            Act::Convert(_) | Act::Date(..) => {}
        }
        Ok(Verdict::Keep)
    }

    fn exchange<'a>(
        &'a self,
        node: &mut Node<'a>,
        map: &'a AHashMap<Box<str>, Constant>,
        otherwise: &'a Otherwise,
    ) -> Result<Verdict, MappingError> {
        if node.is_null() {
            return Ok(Verdict::Keep);
        }
        let Some(text) = node.string().or_else(|| node.scalar().map(Cow::Borrowed)) else {
            return Err(MappingError::unfit(&self.at, "text, a number or a boolean"));
        };
        *node = match (map.get(&*text), otherwise) {
            (Some(value), _) | (None, Otherwise::Value(value)) => value.node(),
            (None, Otherwise::Keep) => return Ok(Verdict::Keep),
            (None, Otherwise::Drop) => return Ok(Verdict::Remove),
            (None, Otherwise::Fail) => return Err(MappingError::unfit(&self.at, "a value of the list")),
        };
        Ok(Verdict::Keep)
    }

    fn split<'a>(
        &'a self,
        node: &mut Node<'a>,
        from: &'a [Name],
        by: &str,
        into: &'a [Vec<Name>],
    ) -> Result<(), MappingError> {
        let Some(value) = path::take(node, from) else { return Ok(()) };
        if value.is_null() {
            return path::put(node, from, value, Occupied::Fail);
        }
        let text = value.string().ok_or_else(|| MappingError::unfit(&self.at, "text"))?;
        for (part, to) in text.splitn(into.len(), by).zip(into) {
            path::put(node, to, Node::text(part), Occupied::Fail)?;
        }
        Ok(())
    }

    fn join<'a>(
        &'a self,
        node: &mut Node<'a>,
        from: &'a [Vec<Name>],
        with: &str,
        into: &'a [Name],
    ) -> Result<(), MappingError> {
        let mut joined: Option<String> = None;
        for value in from.iter().filter_map(|from| path::take(node, from)) {
            if value.is_null() {
                continue;
            }
            let text = value.string().or_else(|| value.scalar().map(Cow::Borrowed));
            let text = text.ok_or_else(|| MappingError::unfit(&self.at, "text, a number or a boolean"))?;
            match &mut joined {
                None => joined = Some(text.into_owned()),
                Some(joined) => {
                    joined.push_str(with);
                    joined.push_str(&text);
                }
            }
        }
        joined.map_or(Ok(()), |text| path::put(node, into, Node::text(&text), Occupied::Fail))
    }
}

fn each<'a>(node: &mut Node<'a>, steps: &'a [Step]) -> Result<(), MappingError> {
    let all = |node: &mut Node<'a>| steps.iter().try_for_each(|step| step.apply(node));
    if node.is_object() {
        return all(node);
    }
    node.elements().map_or(Ok(()), |elements| elements.iter_mut().try_for_each(all))
}

fn rename<'a>(node: &mut Node<'a>, pairs: &'a [(Name, Name)]) -> Result<(), MappingError> {
    if !node.is_object() {
        return Ok(());
    }
    let Some(members) = node.members() else { return Ok(()) };
    let mut given = 0_usize;
    for member in members.iter_mut() {
        if let Some((_, new)) = pairs.iter().find(|(old, _)| old.is(&member.key)) {
            member.key = new.key();
            given += 1;
        }
    }
    for (_, new) in pairs.iter().filter(|_| given > 0) {
        if members.iter().filter(|member| new.is(&member.key)).nth(1).is_some() {
            return Err(MappingError::taken(new.text()));
        }
    }
    Ok(())
}

fn wrap<'a>(node: &mut Node<'a>, fields: &'a [Name], into: &'a [Name]) -> Result<(), MappingError> {
    if !node.is_object() {
        return Ok(());
    }
    let mut gathered = Vec::with_capacity(fields.len());
    for field in fields {
        if let Some(value) = node.take(field) {
            gathered.push(Member { key: field.key(), value });
        }
    }
    if gathered.is_empty() { Ok(()) } else { add(path::enter(node, into)?, gathered) }
}

fn unwrap<'a>(node: &mut Node<'a>, name: &Name) -> Result<(), MappingError> {
    if !node.is_object() {
        return Ok(());
    }
    let Some(members) = node.members() else { return Ok(()) };
    let found = members.iter().position(|member| name.is(&member.key) && member.value.is_object());
    let Some(at) = found else { return Ok(()) };
    let mut wrapped = members.remove(at).value;
    let inner = wrapped.members().map(std::mem::take).unwrap_or_default();
    if let Some(twin) = twin(members, &inner) {
        return Err(MappingError::taken(&twin.text()));
    }
    members.splice(at..at, inner);
    Ok(())
}

fn add<'a>(members: &mut Vec<Member<'a>>, more: Vec<Member<'a>>) -> Result<(), MappingError> {
    if let Some(twin) = twin(members, &more) {
        return Err(MappingError::taken(&twin.text()));
    }
    members.extend(more);
    Ok(())
}

/// A name that both have. Whoever sends a body says how many there are, in both.
fn twin<'a>(members: &[Member<'a>], more: &[Member<'a>]) -> Option<Key<'a>> {
    let mut keys = more.iter().map(|member| member.key);
    if members.len().min(more.len()) <= FEW_NAMES {
        return keys.find(|key| members.iter().any(|member| member.key.is(key)));
    }
    let taken: AHashSet<Cow<'a, str>> = members.iter().map(|member| member.key.text()).collect();
    keys.find(|key| taken.contains(&key.text()))
}
