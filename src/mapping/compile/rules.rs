//! Each kind of rule: its paths are read, its parts checked, its effects noted.

use std::collections::BTreeMap;

use super::{
    super::{
        date::DateForm,
        path::{Occupied, Path, Segment},
        rule::{Act, Otherwise, Step},
        value::{Constant, Name},
    },
    Deed, Effect,
};
use crate::config::{
    finding::Problem,
    mapping::{DateConfig, EnumConfig, JoinConfig, OtherwiseConfig, RuleConfig, SplitTextConfig, WrapConfig},
    path::key,
};

/// Rules within rules.
const MAX_NESTING: usize = 8;

/// Compiles one list of rules.
#[derive(Default)]
pub(super) struct Compiler {
    pub problems: Vec<Problem>,
    pub effects: Vec<Effect>,
    /// The place of the elements that rules within an `each` are about.
    base: Path,
    nesting: usize,
}

impl Compiler {
    /// The steps of a list that stands at a key.
    pub fn rules(&mut self, at: &str, rules: &[RuleConfig]) -> Vec<Step> {
        let mut steps = Vec::with_capacity(rules.len());
        for (index, rule) in rules.iter().enumerate() {
            let at = key(&format!("{at}[{index}]"), Effect::key_of(rule));
            self.compile(&at, rule, &mut steps);
        }
        steps
    }

    /// `None` after a problem.
    fn compile(&mut self, at: &str, rule: &RuleConfig, steps: &mut Vec<Step>) -> Option<()> {
        match rule {
            RuleConfig::Rename(pairs) => self.rename(at, pairs, steps),
            RuleConfig::Move(rule) => {
                let from = self.path(&key(at, "from"), &rule.from, Deed::Take);
                let to = self.path(&key(at, "to"), &rule.to, Deed::Write);
                let (from, to) = (from?, to?);
                if to.covers(&from) {
                    let hint = "`unwrap` puts the members of an object in its place";
                    return self.problem(&key(at, "to"), "is where the value comes from", hint);
                }
                let (scope, [from, to]) = self.scope(at, [from, to])?;
                steps.push(Step { scope, at: rule.from.as_str().into(), act: Act::Move(from, to) });
            }
            RuleConfig::Drop(paths) => {
                for (index, place) in paths.as_slice().iter().enumerate() {
                    let at =
                        if paths.as_slice().len() == 1 { at.to_owned() } else { format!("{at}[{index}]") };
                    self.in_place(&at, place, Deed::Drop, Act::Drop, steps);
                }
            }
            RuleConfig::Set(values) => self.constants(at, values, Occupied::Replace, steps),
            RuleConfig::Default(values) => self.constants(at, values, Occupied::Keep, steps),
            RuleConfig::Enum(rule) => self.exchange(at, rule, steps)?,
            RuleConfig::Wrap(rule) => self.wrap(at, rule, steps)?,
            RuleConfig::Unwrap(place) => {
                let path = self.path(at, place, Deed::Take)?;
                let Some((Segment::Name(name), parents)) = path.0.split_last() else {
                    return self.problem(at, "ends with `*`", "unwrap a member inside of an `each`");
                };
                let act = Act::Unwrap(name.clone());
                steps.push(Step { scope: parents.to_vec(), at: place.as_str().into(), act });
            }
            RuleConfig::Split(rule) => self.split(at, rule, steps)?,
            RuleConfig::Join(rule) => self.join(at, rule, steps)?,
            RuleConfig::Each(rule) => {
                let path = match rule.at.as_str() {
                    "" => Path::default(),
                    place => self.path(&key(at, "at"), place, Deed::Read)?,
                };
                if self.nesting == MAX_NESTING {
                    return self.problem(at, "is nested too deeply", "write longer paths with `*` instead");
                }
                let inner = Path([self.base.0.as_slice(), &path.0, &[Segment::Each]].concat());
                let outer = std::mem::replace(&mut self.base, inner);
                self.nesting += 1;
                let inner = self.rules(&key(at, "do"), &rule.rules);
                self.nesting -= 1;
                self.base = outer;
                if rule.rules.is_empty() {
                    return self.problem(
                        &key(at, "do"),
                        "lists no rule",
                        "write what becomes of each element",
                    );
                }
                steps.push(Step { scope: path.0, at: rule.at.as_str().into(), act: Act::Each(inner) });
            }
            RuleConfig::Convert(rule) => {
                let act = Act::Convert(rule.to);
                self.in_place(&key(at, "at"), &rule.at, Deed::Read, act, steps);
            }
            RuleConfig::Date(rule) => self.date(at, rule, steps)?,
        }
        Some(())
    }

    fn problem<T>(&mut self, at: &str, message: impl Into<String>, hint: &str) -> Option<T> {
        let problem = Problem::new(at, message);
        self.problems.push(if hint.is_empty() { problem } else { problem.hint(hint) });
        None
    }

    /// Reads a path and notes what is done there.
    fn path(&mut self, at: &str, text: &str, deed: Deed) -> Option<Path> {
        match Path::parse(text) {
            Ok(path) => {
                let absolute = Path([self.base.0.as_slice(), &path.0].concat());
                self.effects.push(Effect { deed, path: absolute, key: at.to_owned() });
                Some(path)
            }
            Err((message, hint)) => self.problem(at, message, hint),
        }
    }

    /// The common way of several paths up to the last `*`, and what follows.
    fn scope<const N: usize>(
        &mut self,
        at: &str,
        paths: [Path; N],
    ) -> Option<(Vec<Segment>, [Vec<Name>; N])> {
        let longest = paths.iter().map(|path| path.scope().0).max_by_key(|scope| scope.len())?.to_vec();
        if paths.iter().any(|path| path.scope().0 != longest) {
            let hint = "all paths of a rule go through the same `*`, or through none";
            return self.problem(at, "its paths belong to different elements", hint);
        }
        if paths.iter().any(|path| path.scope().1.is_empty()) {
            return self.problem(at, "a path ends with `*`", "name the member that is meant");
        }
        Some((longest, paths.map(|path| path.scope().1)))
    }

    fn names(&mut self, at: &str, first: Path, others: Vec<Path>) -> Option<(Vec<Segment>, Vec<Vec<Name>>)> {
        let mut names = Vec::with_capacity(others.len() + 1);
        let mut scope = Vec::new();
        for other in others {
            let (common, [_, rest]) = self.scope(at, [first.clone(), other])?;
            scope = common;
            names.push(rest);
        }
        names.push(first.scope().1);
        Some((scope, names))
    }

    /// A rule about values where they are.
    fn in_place(&mut self, at: &str, place: &str, deed: Deed, act: Act, steps: &mut Vec<Step>) {
        if let Some(path) = self.path(at, place, deed) {
            steps.push(Step { scope: path.0, at: place.into(), act });
        }
    }

    /// Those of one object make one step: all happens at once, so names may be exchanged.
    fn rename(&mut self, at: &str, pairs: &BTreeMap<String, String>, steps: &mut Vec<Step>) {
        let mut objects: Vec<(Path, Vec<(Name, Name)>)> = Vec::new();
        let mut writes = Vec::new();
        for (place, new) in pairs {
            let at = key(at, place);
            let Some((parent, old, new)) = self.renamed(&at, place, new) else { continue };
            let target = Path([self.base.0.as_slice(), &parent.0].concat()).join(&new);
            writes.push(Effect { deed: Deed::Write, path: target, key: at });
            match objects.iter_mut().find(|(object, _)| *object == parent) {
                Some((_, pairs)) => pairs.push((old, new)),
                None => objects.push((parent, vec![(old, new)])),
            }
        }
        self.effects.extend(writes);
        for (Path(scope), pairs) in objects {
            steps.push(Step { scope, at: at.into(), act: Act::Rename(pairs) });
        }
    }

    fn renamed(&mut self, at: &str, place: &str, new: &str) -> Option<(Path, Name, Name)> {
        let mut path = self.path(at, place, Deed::Take)?;
        let Some(Segment::Name(old)) = path.0.pop() else {
            return self.problem(at, "an element has no name", "name a member: `/items/*/name`");
        };
        if new.is_empty() || new.starts_with('/') {
            let message = format!("`{new}` is no name of a member");
            return self.problem(at, message, "the member stays where it is: use `move` to put it elsewhere");
        }
        let name = Name::new(new);
        if name == old {
            return self.problem(at, "is renamed to what it is called already", "");
        }
        Some((path, old, name))
    }

    fn constants(
        &mut self,
        at: &str,
        values: &serde_json::Map<String, serde_json::Value>,
        occupied: Occupied,
        steps: &mut Vec<Step>,
    ) {
        let deed = if occupied == Occupied::Replace { Deed::Set } else { Deed::Default };
        for (place, value) in values {
            let at = key(at, place);
            let path = self.path(&at, place, deed.clone());
            let constant = self.constant(&at, value);
            let (Some(path), Some(constant)) = (path, constant) else { continue };
            let (scope, names) = path.scope();
            let act = Act::Put(names, constant, occupied);
            steps.push(Step { scope: scope.to_vec(), at: place.as_str().into(), act });
        }
    }

    fn constant(&mut self, at: &str, value: &serde_json::Value) -> Option<Constant> {
        let constant = Constant::new(value);
        constant.or_else(|| self.problem(at, "is nested too deeply", "a body has at most 128 levels"))
    }

    fn exchange(&mut self, at: &str, rule: &EnumConfig, steps: &mut Vec<Step>) -> Option<()> {
        let path = self.path(&key(at, "at"), &rule.at, Deed::Read)?;
        let absolute = Path([self.base.0.as_slice(), &path.0].concat());
        if rule.map.is_empty() {
            return self.problem(
                &key(at, "map"),
                "lists nothing",
                "write at least one value and what it becomes",
            );
        }
        let mut blurs = |key| {
            let (deed, path) = (Deed::Blur, absolute.clone());
            self.effects.push(Effect { deed, path, key });
        };
        let mut seen: Vec<&serde_json::Value> = Vec::new();
        for (text, value) in &rule.map {
            if seen.contains(&value) {
                blurs(key(&key(at, "map"), text));
            }
            seen.push(value);
        }
        if matches!(rule.otherwise, OtherwiseConfig::Drop | OtherwiseConfig::Value(_)) {
            blurs(key(at, "otherwise"));
        }
        let mut map = ahash::AHashMap::with_capacity(rule.map.len());
        for (text, value) in &rule.map {
            let constant = self.constant(&key(&key(at, "map"), text), value)?;
            map.insert(text.as_str().into(), constant);
        }
        let otherwise = match &rule.otherwise {
            OtherwiseConfig::Keep => Otherwise::Keep,
            OtherwiseConfig::Drop => Otherwise::Drop,
            OtherwiseConfig::Error => Otherwise::Fail,
            OtherwiseConfig::Value(value) => Otherwise::Value(self.constant(&key(at, "otherwise"), value)?),
        };
        steps.push(Step { scope: path.0, at: rule.at.as_str().into(), act: Act::Enum(map, otherwise) });
        Some(())
    }

    fn wrap(&mut self, at: &str, rule: &WrapConfig, steps: &mut Vec<Step>) -> Option<()> {
        let into = Path::parse(&rule.into).map_err(|(message, hint)| {
            self.problem::<()>(&key(at, "into"), message, hint);
        });
        let into = into.ok()?;
        if rule.fields.is_empty() {
            return self.problem(&key(at, "fields"), "lists nothing", "name the members that are gathered");
        }
        let (scope, target) = into.scope();
        if target.is_empty() {
            return self.problem(&key(at, "into"), "ends with `*`", "name the object that is made");
        }
        let prefix: String = Path(scope.to_vec()).to_string();
        let mut fields = Vec::with_capacity(rule.fields.len());
        for (index, field) in rule.fields.iter().enumerate() {
            let at = format!("{}[{index}]", key(at, "fields"));
            if field.starts_with('/') || field.is_empty() {
                let hint = "a bare name: `move` takes values from elsewhere";
                return self.problem(&at, format!("`{field}` is no name of a member"), hint);
            }
            let name = Name::new(field);
            if target.len() == 1 && target.first() == Some(&name) {
                return self.problem(&at, "is the object that is made", "`rename` it first");
            }
            let from = Path(scope.to_vec()).join(&name).to_string();
            self.path(&at, &from, Deed::Take)?;
            fields.push(name);
        }
        for (index, name) in fields.iter().enumerate() {
            let at = format!("{}[{index}]", key(at, "fields"));
            let to = target.iter().fold(Path(scope.to_vec()), |path, step| path.join(step)).join(name);
            self.path(&at, &to.to_string(), Deed::Write)?;
        }
        let act = Act::Wrap(fields, target);
        steps.push(Step { scope: scope.to_vec(), at: prefix.into(), act });
        Some(())
    }

    fn split(&mut self, at: &str, rule: &SplitTextConfig, steps: &mut Vec<Step>) -> Option<()> {
        let from = self.path(&key(at, "from"), &rule.from, Deed::Take);
        let into = self.paths(&key(at, "into"), &rule.into, Deed::Write)?;
        if rule.by.is_empty() {
            return self.problem(&key(at, "by"), "an empty text separates nothing", "write `by: \" \"`");
        }
        if into.len() < 2 {
            return self.problem(&key(at, "into"), "takes nothing apart", "name at least two places");
        }
        let (scope, mut names) = self.names(at, from?, into)?;
        let from = names.pop()?;
        let act = Act::Split(from, rule.by.as_str().into(), names);
        steps.push(Step { scope, at: rule.from.as_str().into(), act });
        Some(())
    }

    fn join(&mut self, at: &str, rule: &JoinConfig, steps: &mut Vec<Step>) -> Option<()> {
        let from = self.paths(&key(at, "from"), &rule.from, Deed::Take)?;
        let into = self.path(&key(at, "into"), &rule.into, Deed::Write)?;
        if from.len() < 2 {
            return self.problem(&key(at, "from"), "puts nothing together", "name at least two places");
        }
        let (scope, mut names) = self.names(at, into, from)?;
        let into = names.pop()?;
        let act = Act::Join(names, rule.with.as_str().into(), into);
        steps.push(Step { scope, at: rule.into.as_str().into(), act });
        Some(())
    }

    fn paths(&mut self, at: &str, texts: &[String], deed: Deed) -> Option<Vec<Path>> {
        let paths: Vec<_> = texts.iter().enumerate().collect();
        let paths =
            paths.into_iter().map(|(index, text)| self.path(&format!("{at}[{index}]"), text, deed.clone()));
        paths.collect::<Vec<_>>().into_iter().collect()
    }

    fn date(&mut self, at: &str, rule: &DateConfig, steps: &mut Vec<Step>) -> Option<()> {
        let hint = "`rfc3339`, `date`, `unix`, `unix_ms` or a pattern such as `%d/%m/%Y`";
        let path = self.path(&key(at, "at"), &rule.at, Deed::Read);
        let mut form = |name, text: &str| match DateForm::compile(text) {
            Ok(form) => Some(form),
            Err(message) => self.problem(&key(at, name), message, hint),
        };
        let (from, to) = (form("from", &rule.from), form("to", &rule.to));
        let act = Act::Date(from?, to?);
        steps.push(Step { scope: path?.0, at: rule.at.as_str().into(), act });
        Some(())
    }
}
