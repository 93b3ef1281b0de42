//! From the text of a template to one whose names all exist.

use std::fmt::Write;

use super::{Insert, Part, Root, Template};
use crate::{
    config::finding::Problem,
    grammar::template as grammar,
    graphql::schema::{FieldId, InputValue, Resolve, Schema, TypeId, TypeKind, TypeRef},
};

/// What a template may read.
#[derive(Clone, Copy)]
pub struct Reads<'a> {
    /// The schema, so far as it is complete.
    pub schema: &'a Schema,
    /// The arguments of the field.
    pub args: &'a [InputValue],
    /// The type that has the field; `None` where no parent can be read, with the reason.
    pub parent: Result<TypeId, &'static str>,
    /// Whether claims can be read.
    pub claims: bool,
    /// The fields that are calls themselves: their values are not in the parent.
    pub called: &'a [(TypeId, FieldId)],
}

/// What a value is put into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A path: one text.
    Path,
    /// A text: one text.
    Text,
    /// A query parameter: one text, or a list of them.
    Parameter,
    /// JSON: anything.
    Json,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// Each name that does not exist, and each value that does not fit, with empty paths.
    pub fn compile(text: &str, place: Place, reads: &Reads<'_>) -> Result<Template, Vec<Problem>> {
        let parts = grammar::parse(text).map_err(|problem| vec![problem])?;
        let sole = parts.len() == 1;
        let (mut compiled, mut problems) = (Vec::new(), Vec::new());
        for part in parts {
            match part {
                grammar::Part::Literal(text) => compiled.push(Part::Literal(text)),
                grammar::Part::Insert(name) => match insert(&name, place, sole, reads) {
                    Ok(insert) => compiled.push(Part::Insert(insert)),
                    Err(problem) => problems.push(problem),
                },
            }
        }
        let template = Template { parts: compiled.into() };
        if place == Place::Path && problems.is_empty() {
            problems.extend(template.path_problem(text));
        }
        if problems.is_empty() { Ok(template) } else { Err(problems) }
    }

    /// Whether it is nothing but a value of the parent.
    pub fn is_parent_value(&self) -> bool {
        matches!(&*self.parts, [Part::Insert(insert)] if insert.from == Root::Parent)
    }

    /// An argument in it that may be null, as it is written in the template.
    pub fn nullable_argument(&self, schema: &Schema, args: &[InputValue]) -> Option<String> {
        let inserts = self.parts.iter().filter_map(|part| match part {
            Part::Insert(insert) if insert.from == Root::Args => Some(insert),
            _ => None,
        });
        for insert in inserts {
            let mut inputs = args;
            for step in &*insert.path {
                let input = inputs.iter().find(|input| input.name == *step)?;
                let is_null = |value: &serde_json::Value| value.is_null();
                if !input.ty.is_non_null() && input.default.as_ref().is_none_or(is_null) {
                    return Some(format!("args.{}", insert.path.join(".")));
                }
                inputs = match &schema.get(input.ty.named()).kind {
                    TypeKind::Input(def) => &def.fields,
                    _ => &[],
                };
            }
        }
        None
    }

    /// What keeps a path from being one, whatever its values.
    fn path_problem(&self, text: &str) -> Option<Problem> {
        let problem = |why: &str| Some(Problem::new("", format!("the path `{text}` {why}")));
        if !text.is_empty() && !text.starts_with('/') {
            return problem("does not start with a slash");
        }
        let literals = self.parts.iter().filter_map(|part| match part {
            Part::Literal(text) => Some(&**text),
            Part::Insert(_) => None,
        });
        for literal in literals {
            if literal.contains('?') {
                return problem("has a query").map(|problem| problem.hint("name parameters in `query: {…}`"));
            }
            if let Some(bad) = literal.chars().find(|c| !c.is_ascii_graphic() || "#\"<>\\^`|".contains(*c)) {
                return problem(&format!("has {bad:?}, which no path has"));
            }
        }
        let mut segments = text.split('/').skip(1).peekable();
        while let Some(segment) = segments.next() {
            let is_last = segments.peek().is_none();
            if (segment.is_empty() && !is_last) || segment == "." || segment == ".." {
                return problem("has an empty or a dot segment");
            }
        }
        None
    }
}

fn insert(name: &str, place: Place, sole: bool, reads: &Reads<'_>) -> Result<Insert, Problem> {
    let mut steps = name.split('.');
    let root = steps.next().unwrap_or_default();
    let path: Box<[Box<str>]> = steps.map(Box::from).collect();
    let bad_path = path.iter().any(|step| step.is_empty());
    match root {
        "args" | "parent" | "claims" if path.is_empty() || bad_path => {
            let hint = format!("write `{{{root}.name}}`");
            Err(Problem::new("", format!("`{{{name}}}` does not say which value")).hint(hint))
        }
        "args" => argument(name, path, place, sole, reads),
        "parent" => parent(name, &path, place, reads),
        "claims" if reads.claims => Ok(Insert { from: Root::Claims, path, wire: None }),
        "claims" => Err(Problem::new("", format!("`{{{name}}}`: claims cannot be read here"))),
        _ => Err(Problem::new("", format!("`{{{name}}}` reads what a template cannot see"))
            .hint("a template reads `args.…`, `parent.…` and `claims.…`")),
    }
}

fn argument(
    name: &str,
    path: Box<[Box<str>]>,
    place: Place,
    sole: bool,
    reads: &Reads<'_>,
) -> Result<Insert, Problem> {
    let mut inputs: &[InputValue] = reads.args;
    let mut what = "argument";
    let mut ty: Option<&TypeRef> = None;
    for step in &*path {
        let Some(input) = inputs.iter().find(|input| input.name == *step) else {
            let problem = Problem::new("", format!("`{{{name}}}`: unknown {what} `{step}`"));
            return Err(problem.did_you_mean(step, inputs.iter().map(|input| &*input.name)));
        };
        ty = Some(&input.ty);
        what = "field";
        inputs = match (&input.ty, &reads.schema.get(input.ty.named()).kind) {
            (TypeRef::Named(..), TypeKind::Input(def)) => &def.fields,
            _ => &[],
        };
    }
    if let Some(ty) = ty {
        fits(name, ty, place, sole, reads.schema)?;
    }
    let wire = ty.filter(|ty| has_wire(reads.schema, ty.named(), &mut Vec::new())).cloned();
    Ok(Insert { from: Root::Args, path, wire })
}

fn parent(name: &str, path: &[Box<str>], place: Place, reads: &Reads<'_>) -> Result<Insert, Problem> {
    let problem = |why: &str| Problem::new("", format!("`{{{name}}}`: {why}"));
    let mut id = reads.parent.map_err(problem)?;
    let mut members = Vec::new();
    for (index, step) in path.iter().enumerate() {
        let fields = reads.schema.fields(id);
        let Some(field) = fields.iter().find(|field| field.name == *step) else {
            let mut why = String::new();
            let _ = write!(why, "`{}` has no field `{step}`", reads.schema.get(id).name);
            return Err(problem(&why).did_you_mean(step, fields.iter().map(|field| &*field.name)));
        };
        let is_call = reads.called.iter().any(|(owner, called)| {
            *owner == id && fields.get(called.index()).is_some_and(|called| called.name == field.name)
        });
        match &field.resolve {
            Resolve::Member(member) if !is_call => members.extend(member.iter().cloned()),
            _ => return Err(problem(&format!("`{step}` is the result of a call itself"))),
        }
        if index + 1 == path.len() {
            fits(name, &field.ty, place, false, reads.schema)?;
        } else if field.ty.is_list() {
            return Err(problem(&format!("`{step}` is a list")));
        }
        id = field.ty.named();
    }
    Ok(Insert { from: Root::Parent, path: members.into(), wire: None })
}

/// Whether a value of a type can be put into a place.
fn fits(name: &str, ty: &TypeRef, place: Place, sole: bool, schema: &Schema) -> Result<(), Problem> {
    let is_leaf = matches!(schema.get(ty.named()).kind, TypeKind::Scalar(_) | TypeKind::Enum(_));
    let is_list_ok = match ty {
        TypeRef::Named(..) => true,
        TypeRef::List(item, _) => place == Place::Parameter && sole && !item.is_list(),
    };
    if (place == Place::Json && sole) || (is_leaf && is_list_ok) {
        return Ok(());
    }
    let why = format!("`{{{name}}}` is `{}`, which is no text", schema.display(ty));
    Err(Problem::new("", why).hint(match place {
        Place::Parameter => "name one of its fields; a list stands alone in its parameter",
        Place::Json => "a value that is no text stands alone in its member",
        Place::Path | Place::Text => "name one of its fields",
    }))
}

/// Whether a type has an enum in it that sources write differently.
fn has_wire(schema: &Schema, id: TypeId, seen: &mut Vec<TypeId>) -> bool {
    if seen.contains(&id) {
        return false;
    }
    seen.push(id);
    match &schema.get(id).kind {
        TypeKind::Enum(def) => def.values.iter().any(|value| value.name != value.wire),
        TypeKind::Input(def) => def.fields.iter().any(|field| has_wire(schema, field.ty.named(), seen)),
        _ => false,
    }
}
