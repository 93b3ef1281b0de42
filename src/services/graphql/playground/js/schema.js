// What introspection tells of a schema, indexed by name.

const TYPE = `kind name ${'ofType { kind name '.repeat(7)}${'}'.repeat(7)}`;
const INPUT = `name description defaultValue type { ${TYPE} }`;

/** Asks for everything the page uses, and for nothing that older servers lack. */
export const INTROSPECTION = `query Introspection {
  __schema {
    queryType { name } mutationType { name } subscriptionType { name }
    types {
      kind name description
      fields(includeDeprecated: true) {
        name description isDeprecated deprecationReason
        args { ${INPUT} }
        type { ${TYPE} }
      }
      inputFields { ${INPUT} }
      interfaces { name }
      enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason }
      possibleTypes { name }
    }
    directives { name description locations args { ${INPUT} } }
  }
}`;

const TYPENAME = {
  name: '__typename',
  description: 'The name of the type of this object.',
  args: [],
  type: { kind: 'NON_NULL', ofType: { kind: 'SCALAR', name: 'String' } },
};

const byName = (list) => new Map((list ?? []).map((each) => [each.name, each]));

/** The type inside lists and non-null. */
export function named(type) {
  let inner = type;
  while (inner?.ofType) inner = inner.ofType;
  return inner;
}

/** A type as it is written: `[Patient!]!`. */
export function written(type) {
  if (type.kind === 'NON_NULL') return `${written(type.ofType)}!`;
  if (type.kind === 'LIST') return `[${written(type.ofType)}]`;
  return type.name;
}

/** The type without the demand for a value. */
export const nullable = (type) => (type?.kind === 'NON_NULL' ? type.ofType : type);

/** The required ones of arguments in parentheses, each as `write` has it; nothing without any. */
export function requiredOf(args, write) {
  const required = args.filter(isRequired);
  return required.length ? `(${required.map(write).join(', ')})` : '';
}

/** The kind of a type in words. */
export const kindName = ({ kind }) => kind.toLowerCase().replace('_', ' ');

/** Whether a value has to be given. */
export const isRequired = (input) => input.type.kind === 'NON_NULL' && input.defaultValue == null;

export class Schema {
  /** @param data the member `__schema` of the answer */
  constructor(data) {
    this.types = byName(data.types);
    this.directives = byName(data.directives);
    for (const type of this.types.values()) {
      type.fieldsByName = byName(type.fields);
    }
    this.roots = {
      query: this.type(data.queryType),
      mutation: this.type(data.mutationType),
      subscription: this.type(data.subscriptionType),
    };
  }

  /** The definition behind a reference. */
  type(reference) {
    return this.types.get(named(reference)?.name);
  }

  field(parent, name) {
    return name === TYPENAME.name ? TYPENAME : parent.fieldsByName.get(name);
  }

  /** What may be selected from a type. */
  fieldsOf(parent) {
    return [...(parent.fields ?? []), TYPENAME];
  }

  isComposite(type) {
    return ['OBJECT', 'INTERFACE', 'UNION'].includes(type?.kind);
  }

  isInput(type) {
    return ['SCALAR', 'ENUM', 'INPUT_OBJECT'].includes(type?.kind);
  }

  /** The object types that a value of this type can have. */
  possible(type) {
    return type.kind === 'OBJECT' ? [type.name] : (type.possibleTypes ?? []).map((each) => each.name);
  }

  /** Whether an object can be of both types: else a fragment on one never applies in the other. */
  overlap(one, other) {
    const names = new Set(this.possible(one));
    return this.possible(other).some((name) => names.has(name));
  }
}
