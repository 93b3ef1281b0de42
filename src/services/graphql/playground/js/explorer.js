// The schema: search, types that link to each other, fields that a click puts
// into the document.

import { button, byId, element } from './dom.js';
import { isRequired, kindName, named, nullable, requiredOf, written } from './schema.js';

const MOST_FOUND = 80;

export class Explorer {
  /** @param insert is called with a type and one of its fields */
  constructor(insert) {
    this.insert = insert;
    this.trail = [];
    byId('search').addEventListener('input', () => this.show());
    byId('search').addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.open();
      if (event.key === 'Enter') byId('types').querySelector('button')?.click();
    });
  }

  /** Shows another schema, or `message` instead of one. */
  use(schema, message) {
    this.schema = schema;
    this.message = message;
    this.trail = this.trail.filter((name) => schema?.types.has(name));
    this.show();
  }

  /** Goes to a type; to the start without a name. */
  open(name) {
    byId('search').value = '';
    const place = this.trail.indexOf(name);
    if (!name) this.trail = [];
    else if (place >= 0) this.trail.length = place + 1;
    else this.trail.push(name);
    this.show();
    byId('types').scrollTop = 0;
  }

  show() {
    const { schema } = this;
    const words = byId('search').value.trim().toLowerCase();
    byId('search').disabled = !schema;
    const crumbs = [['Schema', undefined], ...this.trail.map((name) => [name, name])];
    byId('crumbs').replaceChildren(...(schema ? crumbs : []).map(([label, name], index) => {
      const crumb = button('.plain', () => this.open(name), label);
      if (index === crumbs.length - 1 && !words) crumb.setAttribute('aria-current', 'page');
      return crumb;
    }));
    const view = !schema ? [element('p.empty', {}, this.message)]
      : words ? this.found(words) : this.trail.length ? this.type(schema.types.get(this.trail.at(-1))) : this.start();
    byId('types').replaceChildren(...view);
  }

  /** The root types with their fields, then everything else by kind. */
  start() {
    const roots = Object.entries(this.schema.roots).filter(([, type]) => type);
    const others = this.own().filter((type) => !roots.some(([, root]) => root === type));
    const kinds = ['OBJECT', 'INTERFACE', 'UNION', 'INPUT_OBJECT', 'ENUM', 'SCALAR'];
    return [
      ...roots.flatMap(([kind, type]) => [element('h3', {}, kind), this.fields(type)]),
      ...kinds.flatMap((kind) => this.names(kindName({ kind }), others.filter((type) => type.kind === kind))),
    ];
  }

  /** The types of the schema itself, by name. */
  own() {
    const types = [...this.schema.types.values()].filter(({ name }) => !name.startsWith('__'));
    return types.sort((one, other) => one.name.localeCompare(other.name));
  }

  names(title, types) {
    if (!types?.length) return [];
    return [element('h3', {}, title), element('p.names', {}, ...types.flatMap((type) => [this.link(type), ' ']))];
  }

  type(type) {
    return [
      element('h2', {}, type.name, element('small', {}, kindName(type))),
      description(type),
      ...this.names('Implements', type.interfaces),
      ...this.names('Possible types', type.possibleTypes),
      this.fields(type),
      element('ul.fields', {}, ...(type.inputFields ?? []).map((input) => this.input(input))),
      element('ul.fields', {}, ...(type.enumValues ?? []).map((value) =>
        element(value.isDeprecated ? 'li.deprecated' : 'li', {}, element('code', {}, value.name), description(value)))),
    ];
  }

  fields(type) {
    return element('ul.fields', {}, ...(type.fields ?? []).map((field) => this.field(type, field)));
  }

  field(type, field, prefix = '') {
    const args = field.args.map((each) => element('span.argument', { title: each.description ?? '' },
      each.name, ': ', this.link(each.type), defaultOf(each)));
    const signature = args.length ? ['(', ...args.flatMap((each, index) => (index ? [', ', each] : [each])), ')'] : [];
    const insert = button('.field', () => this.insert(type, field), prefix, element('b', {}, field.name));
    insert.title = 'Put into the document';
    return element(field.isDeprecated ? 'li.deprecated' : 'li', {},
      element('code', {}, insert, ...signature, ': ', this.link(field.type)), description(field));
  }

  input(input) {
    return element('li', {}, element('code', {}, element('b', {}, input.name), ': ', this.link(input.type), defaultOf(input)), description(input));
  }

  link(type) {
    const { name } = named(type);
    return button('.type', () => this.open(name), type.kind ? written(type) : name);
  }

  /** Types and fields with all the words in their names or those of arguments. */
  found(words) {
    const parts = words.split(/[\s.]+/).filter(Boolean);
    const matches = (text) => parts.every((part) => text.toLowerCase().includes(part));
    const own = this.own();
    const types = own.filter(({ name }) => matches(name));
    const fields = own.flatMap((type) => (type.fields ?? []).map((field) => [type, field]))
      .filter(([type, field]) => matches(`${type.name}.${field.name} ${field.args.map((each) => each.name)}`));
    if (!types.length && !fields.length) return [element('p.empty', {}, `Nothing in the schema is called “${words}”.`)];
    return [
      ...this.names('Types', types),
      element('ul.fields', {}, ...fields.slice(0, MOST_FOUND).map(([type, field]) => this.field(type, field, `${type.name}.`))),
    ];
  }
}

const defaultOf = ({ defaultValue }) => element('i', {}, defaultValue == null ? '' : ` = ${defaultValue}`);

function description({ description: text, isDeprecated, deprecationReason }) {
  const parts = [isDeprecated ? `Deprecated: ${deprecationReason ?? ''}` : '', text ?? ''].filter(Boolean);
  return parts.length ? element('p', {}, parts.join(' ')) : '';
}

/**
 * A whole operation for a field of a root type: required arguments become
 * variables, and what it returns is chosen as far as it has no fields itself.
 */
export function operationFor(schema, kind, field) {
  const name = field.name[0].toUpperCase() + field.name.slice(1);
  const declared = requiredOf(field.args, (each) => `$${each.name}: ${written(each.type)}`);
  return { query: `${kind} ${name}${declared} {\n${selection(schema, field, '  ')}\n}\n`, variables: samples(schema, field.args) };
}

/** A field with its required arguments, and the leaves of what it returns. */
export function selection(schema, field, indent) {
  const given = requiredOf(field.args, (each) => `${each.name}: $${each.name}`);
  const type = schema.type(field.type);
  if (!schema.isComposite(type)) return `${indent}${field.name}${given}`;
  const isLeaf = (each) => !schema.isComposite(schema.type(each.type)) && !each.args.some(isRequired) && !each.isDeprecated;
  const leaves = (type.fields ?? []).filter(isLeaf).slice(0, 8).map((each) => each.name);
  const lines = (leaves.length ? leaves : ['__typename']).map((each) => `${indent}  ${each}\n`).join('');
  return `${indent}${field.name}${given} {\n${lines}${indent}}`;
}

/** A value of the right kind, to be written over. */
function sample(schema, reference) {
  const type = nullable(reference);
  const { kind, enumValues, inputFields } = schema.type(type);
  if (type.kind === 'LIST') return [];
  if (kind === 'ENUM') return enumValues[0].name;
  if (kind === 'INPUT_OBJECT') return samples(schema, inputFields);
  return { Int: 0, Float: 0, Boolean: false }[type.name] ?? '';
}

const samples = (schema, inputs) =>
  Object.fromEntries(inputs.filter(isRequired).map((each) => [each.name, sample(schema, each.type)]));
