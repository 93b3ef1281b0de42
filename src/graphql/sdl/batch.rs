//! `batch` of `@rest`: how the calls for many parents become one.

use async_graphql_value::ConstValue;
use http::Method;

use super::calls::CallReader;
use crate::{
    config::finding::{Problem, closest},
    graphql::{
        schema::{Batch, BatchStyle, Position, Resolve},
        template::{Place, Reads, Template},
    },
};

impl CallReader<'_, '_> {
    pub(super) fn batch(&mut self, reads: &Reads<'_>, method: &Method) -> Option<Batch> {
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
}
