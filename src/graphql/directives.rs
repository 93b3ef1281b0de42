//! The directives of schema files: which there are, where they may stand, what they take.

mod table;

use async_graphql::{Positioned, parser::types::ConstDirective};
use async_graphql_value::ConstValue;

use super::{coerce::position, schema::Position, sdl::Report};
pub(super) use table::Location;
use table::{Kind, SPECS, Spec};

/// Whether a directive with this name exists.
pub(super) fn is_known(name: &str) -> bool {
    SPECS.iter().any(|spec| spec.name == name)
}

/// The names of all directives.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    SPECS.iter().map(|spec| spec.name)
}

/// A directive that stands where it may, with arguments of the right kinds.
pub(super) struct Applied<'a> {
    name: &'static str,
    pub at: Position,
    arguments: Vec<(&'static str, Position, &'a ConstValue)>,
}

impl<'a> Applied<'a> {
    /// An argument, and where it is.
    pub fn get(&self, name: &str) -> Option<(Position, &'a ConstValue)> {
        self.arguments.iter().find(|(known, ..)| *known == name).map(|(_, at, value)| (*at, *value))
    }

    /// Where an argument is, or else the directive.
    pub fn place(&self, name: &str) -> Position {
        self.get(name).map_or(self.at, |(at, _)| at)
    }

    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.get(name).and_then(|(_, value)| text(value))
    }

    pub fn int(&self, name: &str) -> Option<i64> {
        match self.get(name)?.1 {
            ConstValue::Number(number) => number.as_i64(),
            _ => None,
        }
    }

    pub fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Some((_, ConstValue::Boolean(true))))
    }

    pub fn word(&self, name: &str) -> Option<&'a str> {
        match self.get(name)?.1 {
            ConstValue::Enum(word) => Some(word.as_str()),
            _ => None,
        }
    }

    /// A list of texts; a single text is a list of one.
    pub fn texts(&self, name: &str) -> Vec<&'a str> {
        match self.get(name) {
            Some((_, ConstValue::List(items))) => items.iter().filter_map(text).collect(),
            Some((_, value)) => text(value).into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// The members of an object, in their order.
    pub fn members(&self, name: &str) -> impl Iterator<Item = (&'a str, &'a ConstValue)> {
        let members = match self.get(name) {
            Some((_, ConstValue::Object(members))) => Some(members),
            _ => None,
        };
        members.into_iter().flatten().map(|(name, value)| (name.as_str(), value))
    }
}

fn text(value: &ConstValue) -> Option<&str> {
    match value {
        ConstValue::String(text) => Some(text),
        _ => None,
    }
}

/// Those of a place that can be used; what is wrong with the others is reported.
pub(super) fn read<'a>(
    found: impl IntoIterator<Item = &'a Positioned<ConstDirective>>,
    location: Location,
    report: &mut Report,
) -> Vec<Applied<'a>> {
    let mut applied: Vec<Applied<'a>> = Vec::new();
    for directive in found {
        let (name, at) = (directive.node.name.node.as_str(), position(directive.pos));
        let Some(spec) = SPECS.iter().find(|spec| spec.name == name) else {
            report.unknown(at, format!("unknown directive `@{name}`"), name, names());
            continue;
        };
        if !spec.locations.contains(&location) {
            let places: Vec<_> = spec.locations.iter().map(|location| location.as_str()).collect();
            let message = format!("`@{name}` cannot stand at {}", location.as_str());
            report.hint(at, message, format!("it belongs to {}", places.join(" or ")));
            continue;
        }
        if !spec.is_repeatable && applied.iter().any(|known| known.name == spec.name) {
            report.add(at, format!("`@{name}` stands here twice"));
            continue;
        }
        if let Some(arguments) = arguments(spec, directive, report) {
            applied.push(Applied { name: spec.name, at, arguments });
        }
    }
    applied
}

/// The directive with a name.
pub(super) fn one<'b, 'a>(applied: &'b [Applied<'a>], name: &str) -> Option<&'b Applied<'a>> {
    applied.iter().find(|applied| applied.name == name)
}

fn arguments<'a>(
    spec: &'static Spec,
    directive: &'a Positioned<ConstDirective>,
    report: &mut Report,
) -> Option<Vec<(&'static str, Position, &'a ConstValue)>> {
    let before = report.len();
    let mut arguments: Vec<(&'static str, Position, &'a ConstValue)> = Vec::new();
    for (name, value) in &directive.node.arguments {
        let (given, at) = (name.node.as_str(), position(name.pos));
        let Some(parameter) = spec.parameters.iter().find(|parameter| parameter.name == given) else {
            let known = spec.parameters.iter().map(|parameter| parameter.name);
            report.unknown(at, format!("`@{}` has no argument `{given}`", spec.name), given, known);
            continue;
        };
        if arguments.iter().any(|(known, ..)| *known == given) {
            report.add(at, format!("`{given}` is given twice"));
            continue;
        }
        if let Some(expected) = misfit(parameter.kind, &value.node, report, at) {
            report.add(at, format!("`{given}` has to be {expected}"));
        }
        arguments.push((parameter.name, position(value.pos), &value.node));
    }
    for parameter in spec.parameters.iter().filter(|parameter| parameter.is_required) {
        if arguments.iter().all(|(name, ..)| *name != parameter.name) {
            let message = format!("`@{}` needs `{}`", spec.name, parameter.name);
            report.add(position(directive.pos), message);
        }
    }
    (report.len() == before).then_some(arguments)
}

/// What a value should have been, if it is not that. Unknown members of a record are reported here.
fn misfit(kind: Kind, value: &ConstValue, report: &mut Report, at: Position) -> Option<String> {
    let is_text = |value: &ConstValue| matches!(value, ConstValue::String(_));
    match (kind, value) {
        (Kind::Text, value) if is_text(value) => None,
        (Kind::Text, _) => Some("a text in quotes".to_owned()),
        (Kind::Texts, ConstValue::List(items)) if items.iter().all(is_text) => None,
        (Kind::Texts, value) if is_text(value) => None,
        (Kind::Texts, _) => Some("a list of texts".to_owned()),
        (Kind::Int(min, max), ConstValue::Number(number))
            if number.as_i64().is_some_and(|number| (min..=max).contains(&number)) =>
        {
            None
        }
        (Kind::Int(min, max), _) => Some(format!("a whole number from {min} to {max}")),
        (Kind::Flag, ConstValue::Boolean(_)) => None,
        (Kind::Flag, _) => Some("`true` or `false`".to_owned()),
        (Kind::Word(words), ConstValue::Enum(word)) if words.contains(&word.as_str()) => None,
        (Kind::Word(words), _) => Some(format!("`{}`", words.join("` or `"))),
        (Kind::Object, ConstValue::Object(_)) => None,
        (Kind::Object, _) => Some("an object such as `{name: \"…\"}`".to_owned()),
        (Kind::Json, ConstValue::Object(_) | ConstValue::String(_)) => None,
        (Kind::Json, _) => Some("an object, or one value such as `\"{args.input}\"`".to_owned()),
        (Kind::Record(required, optional), ConstValue::Object(members)) => {
            let known = || required.iter().chain(optional).copied();
            for name in members.keys().filter(|name| known().all(|known| known != name.as_str())) {
                report.unknown(at, format!("unknown member `{name}`"), name, known());
            }
            let missing = required.iter().find(|name| !members.contains_key(**name))?;
            Some(format!("an object with `{missing}`"))
        }
        (Kind::Record(required, _), _) => Some(format!("an object with `{}`", required.join("`, `"))),
    }
}
