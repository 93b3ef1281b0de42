//! Sources and calls: `@source` and `@rest`.

use std::str::FromStr;

use async_graphql_value::ConstValue;
use http::{HeaderName, Method};

use super::{Report, collect::Drafts, types::Built};
use crate::{
    config::{
        finding::{Problem, closest},
        values::Period,
    },
    grammar::is_connection_field,
    graphql::{
        directives::{self, Applied, Location, one},
        schema::{
            Batch, BatchStyle, FieldDef, FieldId, NotFound, Position, Resolve, Rest, Schema, Source,
            SourceId, TypeId, TypeKind,
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
    let called: Vec<(TypeId, FieldId)> = (built.fields.iter())
        .filter(|(.., applied)| one(applied, "rest").is_some())
        .map(|(owner, field, _)| (*owner, *field))
        .collect();
    let mut rests = Vec::new();
    let mut used = vec![false; sources.len()];
    for (owner, field, applied) in &built.fields {
        let Some(directive) = one(applied, "rest") else { continue };
        if let Some(from) = one(applied, "from") {
            report.hint(from.at, "`@from` has no effect on a field with `@rest`", "use `select`");
        }
        let mut call =
            CallReader { schema, called: &called, owner: *owner, field: *field, directive, report };
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

fn source(directive: &Applied<'_>, schema: &Schema, report: &mut Report) -> Source {
    let route = directive.text("route").unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_graphic() && !"?#{}\\\"<>^`|".contains(c);
    if !route.starts_with('/')
        || !route.chars().all(is_plain)
        || route.split('/').skip(1).any(|segment| matches!(segment, "." | ".."))
        || route.contains("//")
    {
        let hint = "write the path prefix of a route, such as `/api/patients`";
        report.hint(directive.place("route"), format!("`{route}` is no path"), hint);
    }
    let timeout = directive.text("timeout").map(Period::from_str);
    if let Some(Err(message)) = &timeout {
        report.add(directive.place("timeout"), message.clone());
    }
    if let Some(Ok(period)) = &timeout
        && period.get().is_zero()
    {
        report.add(directive.place("timeout"), "must be longer than zero");
    }
    let no_parent = "a source has no parent";
    let reads = Reads { schema, args: &[], parent: Err(no_parent), claims: true, called: &[] };
    Source {
        name: directive.text("name").unwrap_or_default().into(),
        route: route.trim_end_matches('/').into(),
        timeout: timeout.and_then(Result::ok).map(Period::get),
        headers: headers(directive, &reads, report),
        max_concurrent: directive.int("maxConcurrent").and_then(|max| usize::try_from(max).ok()),
    }
}

fn headers(directive: &Applied<'_>, reads: &Reads<'_>, report: &mut Report) -> Vec<(HeaderName, Template)> {
    let at = directive.place("headers");
    let mut headers: Vec<(HeaderName, Template)> = Vec::new();
    for (name, value) in directive.members("headers") {
        // GraphQL's names have no dashes: `X_Tenant` is `X-Tenant`.
        let Ok(name) = HeaderName::from_str(&name.replace('_', "-")) else {
            report.add(at, format!("`{name}` is no name of a header field"));
            continue;
        };
        const OURS: [&str; 5] = ["host", "content-length", "content-type", "cookie", "accept-encoding"];
        if is_connection_field(&name) || OURS.contains(&name.as_str()) {
            report.add(at, format!("`{name}` cannot be set"));
            continue;
        }
        if headers.iter().any(|(known, _)| *known == name) {
            report.add(at, format!("`{name}` is set twice"));
        }
        if let Some(template) = scalar_template(value, Place::Text, reads, report, at) {
            headers.push((name, template));
        }
    }
    headers
}

/// A template, or a number or a truth value as one.
fn scalar_template(
    value: &ConstValue,
    place: Place,
    reads: &Reads<'_>,
    report: &mut Report,
    at: Position,
) -> Option<Template> {
    let text = match value {
        ConstValue::String(text) => text.clone(),
        ConstValue::Number(number) => number.to_string(),
        ConstValue::Boolean(value) => value.to_string(),
        other => {
            report.add(at, format!("`{other}` is no text, number or truth value"));
            return None;
        }
    };
    Template::compile(&text, place, reads).map_err(|problems| report.all(at, problems)).ok()
}

struct CallReader<'c, 'a> {
    schema: &'c Schema,
    called: &'c [(TypeId, FieldId)],
    owner: TypeId,
    field: FieldId,
    directive: &'c Applied<'a>,
    report: &'c mut Report,
}

impl<'a> CallReader<'_, 'a> {
    fn def(&self) -> &FieldDef {
        self.schema.field(self.owner, self.field)
    }

    fn is_root(&self) -> bool {
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
        let invalidates = self.invalidates(&reads, &method);
        let rest = Rest {
            source: source.unwrap_or(SourceId(0)),
            path: path.ok()?,
            query,
            headers: headers(directive, &reads, self.report),
            body,
            select: self.select(),
            batch: self.batch(&reads, &method),
            not_found: self.not_found(),
            invalidates,
            method,
        };
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

    fn batch(&mut self, reads: &Reads<'_>, method: &Method) -> Option<Batch> {
        let at = self.directive.get("batch")?.0;
        let member = |name: &str| self.directive.members("batch").find(|(known, _)| *known == name);
        let text = |name: &str| match member(name) {
            Some((_, ConstValue::String(text))) => Some(text.as_str()),
            _ => None,
        };
        let (param, key) = (text("param").unwrap_or_default(), text("key").unwrap_or_default());
        let value = text("value").unwrap_or("{parent.id}");
        let style = match member("style") {
            None => Some(BatchStyle::Csv),
            Some((_, ConstValue::Enum(word))) => match word.as_str() {
                "CSV" => Some(BatchStyle::Csv),
                "REPEAT" => Some(BatchStyle::Repeat),
                "BODY" => Some(BatchStyle::Body),
                _ => None,
            },
            Some(_) => None,
        };
        let max = match member("max") {
            None => Some(100),
            Some((_, ConstValue::Number(number))) => number
                .as_u64()
                .and_then(|max| usize::try_from(max).ok())
                .filter(|max| (1..=10_000).contains(max)),
            Some(_) => None,
        };
        if self.is_root() {
            self.report.add(at, "a root field has no parents, so there is nothing to batch");
            return None;
        }
        for (name, text) in [("param", param), ("key", key), ("value", value)] {
            if text.is_empty() {
                self.report.add(at, format!("`{name}` of `batch` has to be a text"));
            }
        }
        if style.is_none() {
            self.report.add(at, "`style` of `batch` has to be `CSV`, `REPEAT` or `BODY`");
        }
        if max.is_none() {
            self.report.add(at, "`max` of `batch` has to be a whole number from 1 to 10000");
        }
        if style == Some(BatchStyle::Body) && *method != Method::POST {
            self.report.add(at, "`style: BODY` needs `post`");
        }
        let compiled = Template::compile(value, Place::Path, reads);
        let value = match compiled.or_else(|_| Template::compile(value, Place::Text, reads)) {
            Ok(template) if template.is_parent_value() => Some(template),
            Ok(_) => {
                self.report
                    .add(at, "`value` of `batch` has to be one value of the parent, such as `{parent.id}`");
                None
            }
            Err(problems) => {
                self.report.all(at, problems);
                None
            }
        };
        self.batch_key(key, at);
        let key = key.split('.').map(Box::from).collect();
        Some(Batch { param: param.into(), style: style?, value: value?, key, max: max? })
    }

    /// Each answered element says whose it is: its type must know the member.
    fn batch_key(&mut self, key: &str, at: Position) {
        let element = self.def().ty.named();
        let members: Vec<String> = (self.schema.fields(element).iter())
            .filter_map(|field| match &field.resolve {
                Resolve::Member(path) => Some(path.join(".")),
                Resolve::Rest(_) => None,
            })
            .collect();
        if !key.is_empty() && !members.iter().any(|member| member == key) {
            let name = &self.schema.get(element).name;
            let problem =
                Problem::new("", format!("no field of `{name}` comes from the member `{key}`")).inside(at);
            self.report.problems.push(match closest(key, members.iter().map(String::as_str)) {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => {
                    problem.hint("the key of a batch is a member of each answered element that has a field")
                }
            });
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
