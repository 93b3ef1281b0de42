// What can be put in at the caret: a document's expectations as suggestions
// `{ label, detail, about, insert, caret }`; `caret` is where it goes in `insert`.

import { readDocument } from './document.js';
import { kindName, named, requiredOf, written } from './schema.js';

const MOST_SUGGESTED = 60;

/** Suggestions for a document at `caret`: `{ from, to, items }`, or null where there are none. */
export function suggest(text, schema, caret) {
  const document = readDocument(text, schema, caret);
  const { expected, word } = document;
  if (!expected) return null;
  const source = SOURCES[expected.kind];
  const following = text.slice(word.end).match(/^[ \t]*(\S?)/)[1];
  const indent = text.slice(text.lastIndexOf('\n', word.start - 1) + 1, word.start).match(/^\s*/)[0];
  const items = source?.({ ...expected, document, schema, following, indent, text }) ?? [];
  return matching(items, text.slice(word.start, Math.max(caret, word.start)), word.start, word.end);
}

/** Those that contain what is typed between `from` and `to`, beginnings first; null without any. */
export function matching(items, typed, from, to) {
  const place = ({ label }) => label.replace('$', '').toLowerCase().indexOf(typed.toLowerCase());
  const found = items.filter((item) => place(item) >= 0).sort((one, other) => Math.min(1, place(one)) - Math.min(1, place(other)));
  return found.length ? { from, to, items: found.slice(0, MOST_SUGGESTED) } : null;
}

const SOURCES = {
  definition: () => ['query', 'mutation', 'fragment'].map((label) => ({ label, insert: `${label} ` })),

  field({ parent, schema, following, indent }) {
    return parent && schema.fieldsOf(parent).map((field) => fieldItem(field, { schema, following, indent }));
  },

  argument({ definitions, given, following }) {
    return definitions
      ?.filter((each) => !given.has(each.name))
      .map((each) => ({
        label: each.name,
        detail: written(each.type) + (each.defaultValue == null ? '' : ` = ${each.defaultValue}`),
        about: each.description,
        insert: following === ':' ? each.name : `${each.name}: `,
      }));
  },

  value({ type, definition, document, schema, text }) {
    const known = type && schema?.type(type);
    const values = known?.name === 'Boolean' ? ['true', 'false'] : [];
    return [
      ...(known?.enumValues ?? []).map((each) => ({ label: each.name, detail: known.name, about: each.description })),
      ...values.map((label) => ({ label, detail: 'Boolean' })),
      ...variablesFor(definition, document, text, known).map((each) => ({ ...each, label: `$${each.label}` })),
    ];
  },

  variable: ({ definition, document, text }) => variablesFor(definition, document, text),

  spread({ parent, document, schema }) {
    const fits = ({ type }) => !parent || !type || schema.overlap(parent, type);
    const fragments = [...document.fragments].filter(([, each]) => each !== document.definition && fits(each));
    return [
      { label: 'on', detail: 'a type', insert: 'on ' },
      ...fragments.map(([label, { type }]) => ({ label, detail: type?.name })),
    ];
  },

  on: () => [{ label: 'on', insert: 'on ' }],

  condition: ({ within, schema }) =>
    types(schema, (type) => schema.isComposite(type) && (!within || schema.overlap(within, type))),

  inputType: ({ schema }) => types(schema, (type) => schema.isInput(type)),

  directive({ location, schema }) {
    return [...(schema?.directives.values() ?? [])]
      .filter((each) => each.locations.includes(location))
      .map((each) => ({ label: each.name, about: each.description, ...holes(each.name, each.args) }));
  },
};

function types(schema, fits) {
  const found = [...(schema?.types.values() ?? [])].filter((type) => fits(type) && !type.name.startsWith('__'));
  return found.map((type) => ({ label: type.name, detail: kindName(type), about: type.description }));
}

function fieldItem(field, { schema, following, indent }) {
  const item = {
    label: field.name,
    detail: written(field.type),
    about: field.isDeprecated ? `Deprecated: ${field.deprecationReason ?? ''}` : field.description,
    deprecated: field.isDeprecated,
  };
  if ('{(:'.includes(following) && following) return item;
  const { insert, caret } = holes(field.name, field.args);
  if (!schema.isComposite(schema.type(field.type))) return { ...item, insert, caret };
  const block = `${insert} {\n${indent}  \n${indent}}`;
  // The caret goes to what has to be filled in first.
  return { ...item, insert: block, caret: caret ?? insert.length + 5 + indent.length };
}

/** A name with its required arguments to fill in. */
function holes(name, args) {
  const given = requiredOf(args, (each) => `${each.name}: `);
  return { insert: name + given, caret: given ? name.length + given.indexOf(':') + 2 : undefined };
}

/** The variables of an operation; in a fragment, all that the document names. */
function variablesFor(definition, document, text, type) {
  if (!definition?.variables) {
    const names = new Set([...text.matchAll(/\$(\w+)/g)].map(([, name]) => name));
    return [...names].filter((name) => name !== document.word.value).map((label) => ({ label }));
  }
  return [...definition.variables]
    .filter(([, variable]) => !type || !variable.type || named(variable.type).name === type.name)
    .map(([label, { type: declared }]) => ({ label, detail: declared && written(declared) }));
}
