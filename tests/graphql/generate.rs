//! Documents made up over a schema: mostly valid, sometimes not, always the same for a seed.

use std::fmt::Write;

use nilegate::graphql::schema::{FieldDef, InputDef, ScalarKind, Schema, TypeId, TypeKind, TypeRef};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Map, Value, json};

use crate::cases::Case;

/// A source of documents.
pub struct Generator<'a> {
    schema: &'a Schema,
    random: StdRng,
    variables: Vec<(String, String, Option<Value>)>,
    fragments: Vec<String>,
    aliases: usize,
    budget: usize,
}

impl<'a> Generator<'a> {
    /// Documents over a schema.
    pub fn new(schema: &'a Schema, seed: u64) -> Self {
        Self {
            schema,
            random: StdRng::seed_from_u64(seed),
            variables: Vec::new(),
            fragments: Vec::new(),
            aliases: 0,
            budget: 0,
        }
    }

    /// The next document with its variables.
    pub fn case(&mut self, number: usize) -> Case {
        self.variables.clear();
        self.fragments.clear();
        (self.aliases, self.budget) = (0, self.random.random_range(3..40));
        let is_mutation = self.chance(10) && self.schema.mutation.is_some();
        let root = self.schema.mutation.filter(|_| is_mutation).unwrap_or(self.schema.query);
        let selection = self.selection(root, 0);
        let definitions: Vec<String> =
            self.variables.iter().map(|(name, ty, _)| format!("${name}: {ty}")).collect();
        let mut query = String::from(if is_mutation { "mutation" } else { "query" });
        if !definitions.is_empty() {
            let _ = write!(query, " ({})", definitions.join(", "));
        }
        let _ = write!(query, " {selection}");
        for fragment in &self.fragments {
            let _ = write!(query, "\n{fragment}");
        }
        let given = self.variables.iter().filter_map(|(name, _, value)| Some((name.clone(), value.clone()?)));
        let variables = Some(given.collect::<Map<_, _>>()).filter(|given| !given.is_empty());
        Case { name: format!("generated {number}"), query, variables, operation: None }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.random_ratio(percent, 100)
    }

    fn selection(&mut self, ty: TypeId, depth: usize) -> String {
        let count = self.random.random_range(1..=if depth == 0 { 3 } else { 5 });
        let mut items: Vec<String> = (0..count).filter_map(|_| self.item(ty, depth)).collect();
        if items.is_empty() {
            items.push("__typename".to_owned());
        }
        format!("{{ {} }}", items.join(" "))
    }

    fn item(&mut self, ty: TypeId, depth: usize) -> Option<String> {
        self.budget = self.budget.checked_sub(1)?;
        match self.random.random_range(0..100) {
            0..12 => Some(self.inline_fragment(ty, depth)),
            12..20 => Some(self.named_fragment(ty, depth)),
            20..24 => Some("__typename".to_owned()),
            24 => Some("nothing".to_owned()).filter(|_| self.random.random_ratio(1, 10)),
            _ => self.field(ty, depth),
        }
    }

    fn field(&mut self, ty: TypeId, depth: usize) -> Option<String> {
        let fields = self.schema.fields(ty);
        let is_leaf = |field: &&FieldDef| !self.schema.is_composite(field.ty.named());
        let candidates: Vec<&FieldDef> = fields.iter().filter(|field| depth < 4 || is_leaf(field)).collect();
        let field = *candidates.choose(&mut self.random)?;
        let mut text = String::new();
        let arguments = self.arguments(field);
        // A field with arguments mostly needs a name of its own to be merged with nothing else.
        if self.chance(if arguments.is_empty() { 12 } else { 85 }) {
            self.aliases += 1;
            let alias = if self.chance(90) { self.aliases } else { 1 };
            let _ = write!(text, "x{alias}: ");
        }
        text.push_str(&field.name);
        text.push_str(&arguments);
        text.push_str(&self.condition());
        if self.schema.is_composite(field.ty.named()) {
            let _ = write!(text, " {}", self.selection(field.ty.named(), depth + 1));
        }
        Some(text)
    }

    /// A type that may apply where another is asked for; now and then one that may not.
    fn narrowed(&mut self, ty: TypeId) -> TypeId {
        let composite: Vec<TypeId> = match &self.schema.get(ty).kind {
            TypeKind::Interface(def) | TypeKind::Union(def) => def.possible.clone(),
            TypeKind::Object(def) => def.interfaces.clone(),
            _ => Vec::new(),
        };
        if self.chance(30) {
            return ty;
        }
        composite.choose(&mut self.random).copied().unwrap_or(ty)
    }

    fn inline_fragment(&mut self, ty: TypeId, depth: usize) -> String {
        let on = self.narrowed(ty);
        let condition = self.condition();
        let selection = self.selection(on, depth);
        if on == ty && self.chance(50) {
            return format!("...{condition} {selection}");
        }
        format!("... on {}{condition} {selection}", self.schema.get(on).name)
    }

    fn named_fragment(&mut self, ty: TypeId, depth: usize) -> String {
        let on = self.narrowed(ty);
        let condition = self.condition();
        let selection = self.selection(on, depth);
        let name = format!("F{}", self.fragments.len());
        self.fragments.push(format!("fragment {name} on {} {selection}", self.schema.get(on).name));
        let again = if self.chance(15) { format!(" ...{name}") } else { String::new() };
        format!("...{name}{condition}{again}")
    }

    fn condition(&mut self) -> String {
        if !self.chance(12) {
            return String::new();
        }
        let word = *["skip", "include"].choose(&mut self.random).expect("two words");
        let value = match self.random.random_range(0..3) {
            0 => "true".to_owned(),
            1 => "false".to_owned(),
            _ => {
                let value = self.chance(50);
                self.variable("Boolean!", Some(json!(value)))
            }
        };
        format!(" @{word}(if: {value})")
    }

    fn variable(&mut self, ty: &str, value: Option<Value>) -> String {
        let known = self.variables.iter().position(|(_, known, _)| known == ty);
        if let Some(at) = known.filter(|_| self.random.random_ratio(1, 2)) {
            return format!("${}", self.variables[at].0);
        }
        let name = format!("v{}", self.variables.len());
        self.variables.push((name.clone(), ty.to_owned(), value));
        format!("${name}")
    }

    fn arguments(&mut self, field: &FieldDef) -> String {
        let mut arguments = Vec::new();
        for argument in &field.args {
            let is_given = if argument.is_required() { !self.chance(1) } else { self.chance(40) };
            if !is_given {
                continue;
            }
            let value = self.value(&argument.ty, &field.name, 0);
            let text = if self.chance(25) {
                let ty = self.schema.display(&argument.ty);
                let value = Some(self.sent(&value))
                    .filter(|_| argument.ty.is_non_null() || !self.random.random_ratio(1, 8));
                self.variable(&ty, value)
            } else {
                value.to_string()
            };
            arguments.push(format!("{}: {text}", argument.name));
        }
        if arguments.is_empty() { String::new() } else { format!("({})", arguments.join(", ")) }
    }

    /// A literal's value as a variable has it: names of enums as texts.
    fn sent(&mut self, literal: &Literal) -> Value {
        match literal {
            Literal::Json(value) => value.clone(),
            Literal::Name(name) => json!(name),
            Literal::List(items) => items.iter().map(|item| self.sent(item)).collect(),
            Literal::Object(members) => {
                members.iter().map(|(name, value)| (name.clone(), self.sent(value))).collect()
            }
        }
    }

    fn value(&mut self, ty: &TypeRef, field: &str, depth: usize) -> Literal {
        if self.chance(2) || (!ty.is_non_null() && self.chance(6)) {
            return Literal::Json(Value::Null);
        }
        match ty {
            TypeRef::List(item, _) if self.chance(10) => self.value(item, field, depth),
            TypeRef::List(item, _) => {
                let count = self.random.random_range(0..3);
                Literal::List((0..count).map(|_| self.value(item, field, depth)).collect())
            }
            TypeRef::Named(id, _) => self.named(*id, field, depth),
        }
    }

    fn named(&mut self, id: TypeId, field: &str, depth: usize) -> Literal {
        if self.chance(2) {
            return Literal::Json(json!(["wrong"]));
        }
        match &self.schema.get(id).kind {
            TypeKind::Enum(def) => {
                let value = def.values.choose(&mut self.random).expect("an enum has values");
                Literal::Name(value.name.to_string())
            }
            TypeKind::Input(def) => self.object(def, field, depth),
            TypeKind::Scalar(kind) => Literal::Json(self.scalar(kind, field)),
            _ => Literal::Json(Value::Null),
        }
    }

    fn object(&mut self, def: &InputDef, field: &str, depth: usize) -> Literal {
        let mut members = Vec::new();
        if def.one_of {
            let member = def.fields.choose(&mut self.random).expect("an input has fields");
            return Literal::Object(vec![(
                member.name.to_string(),
                self.value(&member.ty, field, depth + 1),
            )]);
        }
        for member in &def.fields {
            let percent = if member.is_required() { 98 } else { 30 >> depth };
            if self.chance(percent) {
                members.push((member.name.to_string(), self.value(&member.ty, field, depth + 1)));
            }
        }
        Literal::Object(members)
    }

    fn scalar(&mut self, kind: &ScalarKind, field: &str) -> Value {
        let number = self.random.random_range(0..16);
        match kind {
            ScalarKind::Int
                if field.to_lowercase().contains("status") || field.to_lowercase().contains("fail") =>
            {
                json!(*[400, 403, 404, 409, 422, 429, 500, 503].choose(&mut self.random).expect("a status"))
            }
            ScalarKind::Int => json!(number),
            ScalarKind::Float => json!(f64::from(number) / 4.0),
            ScalarKind::Boolean => json!(number % 2 == 0),
            ScalarKind::String => json!(format!("text \"{number}\" é/?&")),
            ScalarKind::Id => {
                let letter = field.trim_start_matches("strict").to_lowercase().chars().next().unwrap_or('p');
                if self.chance(5) { json!(number) } else { json!(format!("{letter}{number}")) }
            }
            ScalarKind::Custom(_) => json!({"a": [number, null, true]}),
        }
    }
}

/// A value in a document.
enum Literal {
    Json(Value),
    Name(String),
    List(Vec<Literal>),
    Object(Vec<(String, Literal)>),
}

impl std::fmt::Display for Literal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Json(Value::Object(members)) => {
                f.write_str("{")?;
                for (name, value) in members {
                    write!(f, "{name}: {value} ")?;
                }
                f.write_str("}")
            }
            Self::Json(value) => write!(f, "{value}"),
            Self::Name(name) => f.write_str(name),
            Self::List(items) => {
                f.write_str("[")?;
                items.iter().try_for_each(|item| write!(f, "{item} "))?;
                f.write_str("]")
            }
            Self::Object(members) => {
                f.write_str("{")?;
                members.iter().try_for_each(|(name, value)| write!(f, "{name}: {value} "))?;
                f.write_str("}")
            }
        }
    }
}
