//! From a validated document to a plan.

use std::{collections::HashMap, sync::Arc};

use async_graphql::{
    Name, Pos, Positioned,
    parser::types::{
        Directive, DocumentOperations, ExecutableDocument, InlineFragment, OperationDefinition,
        OperationType, Selection, SelectionSet,
    },
};
use async_graphql_value::Value as Literal;

use super::{
    Abstract, Condition, ConditionId, Field, FieldIndex, Introspection, Leaf, OperationKind, Origin, Pick,
    Plan, Set, SetId, Shape, ShapeKind,
    collect::{Collected, Collector, Group, Selections},
    condition::Conditions,
};
use crate::graphql::{
    authorize, caching,
    coerce::{Arguments, position},
    errors::{ErrorCode, GraphqlError},
    schema::{Resolve, Schema, TypeId, TypeKind, TypeRef},
};

/// The most fields of a plan: what is selected of an interface counts once for each type it may be.
const FIELDS_MAX: usize = 20_000;

impl Plan {
    /// Compiles an operation of a document that was validated.
    ///
    /// # Errors
    /// A plan that would be too large, and what validation should have found.
    pub fn compile(
        schema: &Schema,
        document: &ExecutableDocument,
        name: Option<&str>,
        operation: &OperationDefinition,
    ) -> Result<Plan, Vec<GraphqlError>> {
        let (kind, root) = match (operation.ty, schema.mutation) {
            (OperationType::Mutation, Some(mutation)) => (OperationKind::Mutation, mutation),
            _ => (OperationKind::Query, schema.query),
        };
        let mut compiler = Compiler {
            schema,
            document,
            operation,
            conditions: Conditions::new(),
            sets: Vec::new(),
            fields: Vec::new(),
            introspections: Vec::new(),
            known: HashMap::new(),
        };
        compiler.set(root, vec![(&operation.selection_set.node, ConditionId::ALWAYS)], "")?;
        let mut plan = Plan {
            kind,
            name: name.map(Box::from),
            hint: caching::Hint::default(),
            variables: operation.variable_definitions.clone().into(),
            has_rules: compiler.fields.iter().any(|field| field.has_rules),
            sets: compiler.sets.into(),
            fields: compiler.fields.into(),
            conditions: compiler.conditions.into_boxed(),
            introspections: compiler.introspections.into(),
        };
        plan.hint = caching::hint(schema, &plan);
        Ok(plan)
    }
}

/// A type and the selection sets that are merged for it.
type SetKey = (TypeId, Vec<(usize, ConditionId)>);

struct Compiler<'a> {
    schema: &'a Schema,
    document: &'a ExecutableDocument,
    operation: &'a OperationDefinition,
    conditions: Conditions,
    sets: Vec<Set>,
    fields: Vec<Field>,
    introspections: Vec<Introspection>,
    /// What was compiled before. The objects of an interface mostly share what is selected below
    /// them, and without this the plan would double with each level.
    known: HashMap<SetKey, SetId>,
}

impl<'a> Compiler<'a> {
    fn set(
        &mut self,
        ty: TypeId,
        selections: Selections<'a>,
        path: &str,
    ) -> Result<SetId, Vec<GraphqlError>> {
        let address = |set: &SelectionSet| std::ptr::from_ref(set).addr();
        let key = (ty, selections.iter().map(|(set, when)| (address(set), *when)).collect());
        if let Some(id) = self.known.get(&key) {
            return Ok(*id);
        }
        let (schema, document, conditions) = (self.schema, self.document, &mut self.conditions);
        let Collected { groups, picks, .. } =
            Collector { schema, document, conditions, ty }.collect(&selections);
        let id = SetId(number(self.sets.len()));
        self.sets.push(Set {
            ty,
            picks: Box::default(),
            fields: Box::default(),
            is_conditional: false,
            has_calls: false,
        });
        self.known.insert(key, id);
        let mut indices = Vec::with_capacity(groups.len());
        let mut has_calls = false;
        for mut group in groups {
            group.simplify();
            let field = self.field(ty, group, path)?;
            has_calls |=
                field.shape.has_calls || !matches!(field.origin, Origin::Member(_) | Origin::Typename);
            if self.fields.len() >= FIELDS_MAX {
                return Err(vec![too_large()]);
            }
            indices.push(FieldIndex(number(self.fields.len())));
            self.fields.push(field);
        }
        let picks: Box<[Pick]> =
            picks.into_iter().map(|(at, when)| Pick { field: indices[at], when }).collect();
        let is_conditional = picks.iter().any(|pick| pick.when != ConditionId::ALWAYS);
        self.sets[id.index()] = Set { ty, picks, fields: indices.into(), is_conditional, has_calls };
        Ok(id)
    }

    fn field(&mut self, parent: TypeId, group: Group<'a>, path: &str) -> Result<Field, Vec<GraphqlError>> {
        let path: Arc<str> =
            if path.is_empty() { group.key.into() } else { format!("{path}.{}", group.key).into() };
        let name = group.first.node.name.node.as_str();
        let at = position(group.first.pos);
        let schema = self.schema;
        let mut field = Field {
            key: group.key.into(),
            written_key: format!(",\"{}\":", group.key).into_bytes().into(),
            parent,
            origin: Origin::Typename,
            member: Box::default(),
            shape: Shape { non_null: true, has_calls: false, kind: ShapeKind::Leaf(Leaf::String) },
            arguments: None,
            at,
            path,
            has_rules: false,
        };
        match name {
            "__typename" => return Ok(field),
            "__schema" | "__type" => {
                field.origin = Origin::Introspection(self.introspections.len());
                field.shape = Shape { non_null: false, has_calls: false, kind: ShapeKind::Leaf(Leaf::Any) };
                let introspection = self.introspection(&group);
                self.introspections.push(introspection);
                return Ok(field);
            }
            _ => {}
        }
        let Some(id) = schema.find_field(parent, name) else {
            return Err(vec![unexpected(name).at(at)]);
        };
        let def = schema.field(parent, id);
        if !def.args.is_empty() {
            let (arguments, _) = Arguments::compile(schema, &def.args, &group.first.node.arguments, at)?;
            field.arguments = Some(arguments);
        }
        match &def.resolve {
            Resolve::Member(path) => {
                field.origin = Origin::Member(id);
                field.member = path.clone();
            }
            Resolve::Rest(_) => field.origin = Origin::Rest(id),
        }
        field.has_rules = authorize::has_rule(schema, def);
        field.shape = self.shape(&def.ty, group.below, &field.path)?;
        Ok(field)
    }

    fn shape(&mut self, ty: &TypeRef, below: Selections<'a>, path: &str) -> Result<Shape, Vec<GraphqlError>> {
        let id = ty.named();
        if let Some(leaf) = Leaf::of(self.schema, id) {
            return Ok(Shape::of(ty, ShapeKind::Leaf(leaf), false));
        }
        let schema = self.schema;
        let (TypeKind::Interface(def) | TypeKind::Union(def)) = &schema.get(id).kind else {
            let set = self.set(id, below, path)?;
            return Ok(Shape::of(ty, ShapeKind::Object(set), self.sets[set.index()].has_calls));
        };
        let mut sets = Vec::with_capacity(def.possible.len());
        for possible in &def.possible {
            sets.push((*possible, self.set(*possible, below.clone(), path)?));
        }
        let has_calls = sets.iter().any(|(_, set)| self.sets[set.index()].has_calls);
        Ok(Shape::of(ty, ShapeKind::Abstract(Box::new(Abstract { ty: id, sets: sets.into() })), has_calls))
    }

    /// The field as an operation of its own: the selections that were merged become fragments
    /// with their conditions.
    fn introspection(&self, group: &Group<'a>) -> Introspection {
        let at = group.first.pos;
        let here = |node| Positioned::new(node, at);
        let mut field = group.first.node.clone();
        field.directives.clear();
        field.selection_set.node.items = group
            .below
            .iter()
            .map(|(set, when)| {
                let directives = directives(self.conditions.get(*when), at);
                let selection_set = Positioned::new((*set).clone(), at);
                let fragment = InlineFragment { type_condition: None, directives, selection_set };
                here(Selection::InlineFragment(Positioned::new(fragment, at)))
            })
            .collect();
        let items = vec![here(Selection::Field(Positioned::new(field, at)))];
        let operation = OperationDefinition {
            ty: OperationType::Query,
            variable_definitions: self.operation.variable_definitions.clone(),
            directives: Vec::new(),
            selection_set: Positioned::new(SelectionSet { items }, at),
        };
        let document = ExecutableDocument {
            operations: DocumentOperations::Single(Positioned::new(operation, at)),
            fragments: self.document.fragments.clone(),
        };
        Introspection { document, key: group.key.into() }
    }
}

/// A condition as directives.
fn directives(condition: &Condition, at: Pos) -> Vec<Positioned<Directive>> {
    let directive = |(name, wanted): (&str, bool)| {
        let word = if wanted { "include" } else { "skip" };
        let value = Positioned::new(Literal::Variable(Name::new(name)), at);
        let arguments = vec![(Positioned::new(Name::new("if"), at), value)];
        Positioned::new(Directive { name: Positioned::new(Name::new(word), at), arguments }, at)
    };
    condition.terms().map(directive).collect()
}

fn too_large() -> GraphqlError {
    GraphqlError::new(ErrorCode::QueryTooComplex, "the document selects too much in too many ways")
}

fn unexpected(name: &str) -> GraphqlError {
    GraphqlError::new(ErrorCode::ValidationFailed, format!("there is no field \"{name}\""))
}

fn number(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
