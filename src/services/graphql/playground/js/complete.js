// What can be put in at the caret: a document's expectations as suggestions
// `{ label, detail, about, insert, caret }`; `caret` is where it goes in `insert`.

import { readDocument } from './document.js';
import { isRequired, named, written } from './schema.js';

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
  const best = rank(items, text.slice(word.start, Math.max(caret, word.start)));
  return best.length ? { from: word.start, to: word.end, items: best } : null;
}

/** Those that contain the letters typed, in order: whole beginnings first. */
export function rank(items, typed) {
  const low = typed.toLowerCase();
  const score = ({ label }) => {
    const name = label.replace(/^\$/, '').toLowerCase();
    if (name.startsWith(low)) return 0;
    if (name.includes(low)) return 1;
    let next = 0;
    for (const letter of name) if (letter === low[next]) next++;
    return next === low.length ? 2 : 3;
  };
  return items
    .map((item) => ({ item, place: score(item) }))
    .filter(({ place }) => place < 3)
    .sort((one, other) => one.place - other.place)
    .slice(0, MOST_SUGGESTED)
    .map(({ item }) => item);
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
      ...variables(definition, document, text, known).map((each) => ({ ...each, label: `$${each.label}` })),
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

  condition({ within, schema }) {
    const types = [...(schema?.types.values() ?? [])].filter((type) => schema.isComposite(type) && !type.name.startsWith('__'));
    return types.filter((type) => !within || schema.overlap(within, type)).map(typeItem);
  },

  inputType({ schema }) {
    return [...(schema?.types.values() ?? [])].filter((type) => schema.isInput(type) && !type.name.startsWith('__')).map(typeItem);
  },

  directive({ location, schema }) {
    return [...(schema?.directives.values() ?? [])]
      .filter((each) => each.locations.includes(location))
      .map((each) => ({ label: each.name, about: each.description, ...holes(each.name, each.args) }));
  },
};

const typeItem = (type) => ({ label: type.name, detail: type.kind.toLowerCase().replace('_', ' '), about: type.description });

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
  const required = args.filter(isRequired).map((each) => each.name);
  if (!required.length) return { insert: name };
  return { insert: `${name}(${required.map((each) => `${each}: `).join(', ')})`, caret: name.length + required[0].length + 3 };
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
