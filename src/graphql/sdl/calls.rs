//! Calls: `@rest`.

use async_graphql_value::ConstValue;
use http::Method;

use super::{
    Report,
    collect::Drafts,
    sources::{headers, scalar_template, source},
    types::Built,
};
use crate::{
    config::finding::{Problem, closest},
    graphql::{
        directives::{self, Applied, Location, one},
        schema::{
            BatchStyle, FieldDef, FieldId, NotFound, Position, Resolve, Rest, Schema, Source, SourceId,
            TypeId, TypeKind,
        },
        template::{BodyTemplate, Place, Reads, Template},
    },
};

/// What was compiled beside the schema that it reads.
pub(super) struct Calls {
    sources: Vec<Source>,
    rests: Vec<(TypeId, FieldId, Rest)>,
}

impl Calls {
    pub fn apply(self, schema: &mut Schema) {
        schema.sources = self.sources;
        for (owner, field, rest) in self.rests {
            if let TypeKind::Object(def) = &mut schema.types[owner.index()].kind {
                def.fields[field.index()].resolve = Resolve::Rest(Box::new(rest));
            }
        }
    }
}

pub(super) fn compile(built: &Built<'_>, drafts: &Drafts<'_>, report: &mut Report) -> Calls {
    let schema = &built.schema;
    let applied = directives::read(drafts.schema_directives.iter().copied(), Location::Schema, report);
    let mut sources: Vec<Source> = Vec::new();
    for directive in &applied {
        let source = source(directive, schema, report);
        if sources.iter().any(|known| known.name == source.name) {
            report.add(directive.place("name"), format!("the source `{}` is defined twice", source.name));
        }
        sources.push(source);
    }
    let mut rests = Vec::new();
    let mut used = vec![false; sources.len()];
    for (owner, field, applied) in &built.fields {
        let Some(directive) = one(applied, "rest") else {
            let is_root = *owner == schema.query || Some(*owner) == schema.mutation;
            if is_root && !built.called.contains(&(*owner, *field)) {
                let def = schema.field(*owner, *field);
                let message =
                    format!("`{}.{}` has no parent to come from", schema.get(*owner).name, def.name);
                report.hint(def.at, message, "say where its value comes from with `@rest`");
            }
            continue;
        };
        if let Some(from) = one(applied, "from") {
            report.hint(from.at, "`@from` has no effect on a field with `@rest`", "use `select`");
        }
        let mut call =
            CallReader { schema, called: &built.called, owner: *owner, field: *field, directive, report };
        if let Some(rest) = call.read(&sources) {
            used[rest.source.index()] = true;
            rests.push((*owner, *field, rest));
        }
    }
    for (directive, source) in
        applied.iter().zip(&sources).zip(&used).filter(|(_, used)| !**used).map(|(pair, _)| pair)
    {
        let message = format!("no field uses the source `{}`", source.name);
        report.warn(directive.at, message, "remove it, or name it in `@rest(source: …)`");
    }
    Calls { sources, rests }
}

pub(super) struct CallReader<'c, 'a> {
    pub(super) schema: &'c Schema,
    called: &'c [(TypeId, FieldId)],
    owner: TypeId,
    field: FieldId,
    pub(super) directive: &'c Applied<'a>,
    pub(super) report: &'c mut Report,
}

impl<'a> CallReader<'_, 'a> {
    pub(super) fn def(&self) -> &FieldDef {
        self.schema.field(self.owner, self.field)
    }

    pub(super) fn is_root(&self) -> bool {
        self.owner == self.schema.query || self.is_mutation()
    }

    fn is_mutation(&self) -> bool {
        Some(self.owner) == self.schema.mutation
    }

    fn read(&mut self, sources: &[Source]) -> Option<Rest> {
        let directive = self.directive;
        let before = self.report.len();
        let source = self.source(sources);
        let (method, path) = self.method()?;
        let schema = self.schema;
        let parent = if self.is_root() { Err("a root field has no parent") } else { Ok(self.owner) };
        let reads = Reads {
            schema,
            args: &schema.field(self.owner, self.field).args,
            parent,
            claims: true,
            called: self.called,
        };
        let path_at = self.directive.place(&method.as_str().to_ascii_lowercase());
        let path =
            Template::compile(path, Place::Path, &reads).map_err(|found| self.report.all(path_at, found));
        let mut query = Vec::new();
        for (name, value) in directive.members("query") {
            let at = directive.place("query");
            if let Some(template) = scalar_template(value, Place::Parameter, &reads, self.report, at) {
                query.push((Box::from(name), template));
            }
        }
        let body = directive.get("body").and_then(|(at, value)| self.body(value, &reads, at));
        if directive.get("body").is_some() && matches!(method, Method::GET | Method::DELETE) {
            self.report.add(directive.place("body"), format!("a {method} has no body"));
        }
        // All of them are looked at, whatever is wrong with the others.
        let invalidates = self.invalidates(&reads, &method);
        let headers = headers(directive, &reads, self.report);
        let (select, not_found) = (self.select(), self.not_found());
        let batch = self.batch(&reads, &method);
        let source = source.unwrap_or(SourceId(0));
        let path = path.ok()?;
        let rest = Rest { source, method, path, query, headers, body, select, batch, not_found, invalidates };
        self.consistent(&rest);
        (self.report.len() == before).then_some(rest)
    }

    fn source(&mut self, sources: &[Source]) -> Option<SourceId> {
        let name = self.directive.text("source")?;
        let found = sources.iter().position(|source| *source.name == *name);
        if found.is_none() {
            let at = self.directive.place("source");
            let known = sources.iter().map(|source| &*source.name);
            let problem = Problem::new("", format!("unknown source `{name}`")).inside(at);
            let problem = match closest(name, known) {
                Some(_) => problem.did_you_mean(name, sources.iter().map(|source| &*source.name)),
                None => problem.hint("define it: `schema @source(name: …, route: …) { query: Query }`"),
            };
            self.report.problems.push(problem);
        }
        found.and_then(|index| u32::try_from(index).ok()).map(SourceId)
    }

    /// The method and the path: exactly one of `get`, `post`, `put`, `patch` and `delete`.
    fn method(&mut self) -> Option<(Method, &'a str)> {
        let methods = [
            ("get", Method::GET),
            ("post", Method::POST),
            ("put", Method::PUT),
            ("patch", Method::PATCH),
            ("delete", Method::DELETE),
        ];
        let mut given =
            methods.into_iter().filter_map(|(name, method)| Some((method, self.directive.text(name)?)));
        let (first, second) = (given.next(), given.next());
        if first.is_none() || second.is_some() {
            let message = "`@rest` needs exactly one of `get`, `post`, `put`, `patch` and `delete`";
            self.report.add(self.directive.at, message);
            return None;
        }
        let (method, path) = first?;
        let is_write = matches!(method, Method::PUT | Method::PATCH | Method::DELETE);
        if is_write && !self.is_mutation() {
            let message = format!("a {method} belongs to a field of the type of mutations");
            self.report.add(self.directive.at, message);
        }
        Some((method, path))
    }

    fn body(&mut self, value: &ConstValue, reads: &Reads<'_>, at: Position) -> Option<BodyTemplate> {
        Some(match value {
            ConstValue::String(text) if text.contains(['{', '}']) => {
                let template = Template::compile(text, Place::Json, reads);
                BodyTemplate::Template(template.map_err(|found| self.report.all(at, found)).ok()?)
            }
            ConstValue::Object(members) => {
                let members = members.iter().filter_map(|(name, value)| {
                    Some((Box::from(name.as_str()), self.body(value, reads, at)?))
                });
                BodyTemplate::Object(members.collect())
            }
            ConstValue::List(items) => {
                BodyTemplate::List(items.iter().filter_map(|item| self.body(item, reads, at)).collect())
            }
            other => BodyTemplate::Constant(other.clone().into_json().ok()?),
        })
    }

    fn invalidates(&mut self, reads: &Reads<'_>, method: &Method) -> Vec<Template> {
        let at = self.directive.place("invalidates");
        let texts = self.directive.texts("invalidates");
        if !texts.is_empty() && (*method == Method::GET || !self.is_mutation()) {
            self.report.add(at, "only a mutation that is no GET makes anything void");
        }
        let compile = |text: &&str| {
            Template::compile(text, Place::Path, reads).map_err(|found| self.report.all(at, found)).ok()
        };
        texts.iter().filter_map(compile).collect()
    }

    fn select(&mut self) -> Box<[Box<str>]> {
        let Some(text) = self.directive.text("select") else { return Box::default() };
        if text.split('.').any(str::is_empty) {
            let message = format!("`{text}` is no path such as `data.items`");
            self.report.add(self.directive.place("select"), message);
        }
        text.split('.').map(Box::from).collect()
    }

    fn not_found(&mut self) -> NotFound {
        let ty = &self.def().ty;
        let is_single = !ty.is_list();
        match self.directive.word("notFound") {
            Some("NULL") if ty.is_non_null() => {
                let message = format!("`{}` is never null, so a 404 cannot make it null", self.def().name);
                self.report.add(self.directive.place("notFound"), message);
                NotFound::Error
            }
            Some("NULL") => NotFound::Null,
            Some(_) => NotFound::Error,
            None if is_single && !ty.is_non_null() && !self.is_mutation() => NotFound::Null,
            None => NotFound::Error,
        }
    }

    /// What the parts of a call say together.
    fn consistent(&mut self, rest: &Rest) {
        let at = self.directive.at;
        if rest.batch.is_some() {
            let texts = rest.query.iter().map(|(_, template)| template);
            let fields = rest.headers.iter().map(|(_, template)| template);
            let reads_parent = rest.path.reads_parent()
                || texts.chain(fields).any(Template::reads_parent)
                || rest.body.as_ref().is_some_and(BodyTemplate::reads_parent);
            if reads_parent {
                let message = "a batch is for many parents, so nothing but `value` of `batch` can read one";
                self.report.add(at, message);
            }
            if rest.batch.as_ref().is_some_and(|batch| batch.style == BatchStyle::Body)
                && !matches!(rest.body, None | Some(BodyTemplate::Object(_)))
            {
                self.report.add(self.directive.place("body"), "with `style: BODY`, the body is an object");
            }
        }
        let def = self.schema.field(self.owner, self.field);
        if def.ty.is_non_null()
            && rest.batch.is_none()
            && let Some(name) = rest.path.nullable_argument(self.schema, &def.args)
        {
            let message =
                format!("`{}` is never null, but its path needs `{name}`, which may be null", def.name);
            self.report.hint(at, message, "make the argument non-null, or the field nullable");
        }
    }
}
