// The two small editors below the document: variables and header fields, both
// JSON objects. What is known of variables is suggested and checked.

import { matching } from './complete.js';
import { lexJson, readObject } from './json.js';
import { nullable, written } from './schema.js';

/** Reads the variables of an operation. */
export function readVariables(text, operation) {
  const read = readObject(text);
  const members = read.root?.members ?? [];
  const declared = [...(operation?.variables ?? [])];
  for (const { key, at } of members) {
    const isKnown = !operation || operation.variables.has(key);
    if (!isKnown) read.problems.push({ ...at, message: `The operation has no $${key}`, severity: 'warning' });
  }
  const isMissing = ([name, { type }]) => type?.kind === 'NON_NULL' && !members.some(({ key }) => key === name);
  const missing = declared.filter(isMissing).map(([name]) => name).join(', ');
  const start = read.root?.start ?? 0;
  if (missing && !read.problems.length) read.problems.push({ start, end: start + 1, message: `Still to give: ${missing}`, severity: 'warning' });
  return read;
}

/** Reads header fields: every member is a text. */
export function readHeaderFields(text) {
  const read = readObject(text);
  for (const { at, key, node } of read.root?.members ?? []) {
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(key)) read.problems.push({ ...at, message: 'No name of a header field' });
    else if (node && node.kind !== 'string') read.problems.push({ ...node, message: 'Expected a text in quotes' });
  }
  return read;
}

/** Suggestions for variables at `caret`, by the types the operation declares. */
export function suggestVariables(text, caret, schema, operation) {
  if (!operation) return null;
  const place = placeOf(text, caret);
  if (!place) return null;
  let members = [...operation.variables].map(([name, { type: declared }]) => ({ name, type: declared }));
  let type;
  for (const step of place.path) {
    type = typeof step === 'number' ? nullable(type)?.ofType : members?.find((each) => each.name === step)?.type;
    if (!type) return null;
    members = schema?.type(type)?.inputFields;
  }
  if (place.isName) return names(place, members ?? []);
  const definition = type && nullable(type).kind !== 'LIST' && schema?.type(type);
  const values = definition?.name === 'Boolean' ? ['true', 'false'] : definition?.enumValues?.map(({ name }) => `"${name}"`) ?? [];
  const items = values.map((value) => ({ label: value.replaceAll('"', ''), detail: definition.name, insert: value }));
  if (definition?.kind === 'INPUT_OBJECT') items.push({ label: '{ }', detail: definition.name, insert: '{}', caret: 1 });
  return found(place, items);
}

function names(place, members) {
  return found(place, members.filter(({ name }) => !place.given.has(name)).map(({ name, type, description }) => ({
    label: name, detail: written(type), about: description, insert: place.hasColon ? `"${name}"` : `"${name}": `,
  })));
}

const found = ({ from, to, typed }, items) => matching(items, typed, from, to);

/**
 * Where the caret is in a JSON text that need not be complete: the `path` to the
 * object or value, whether a name is due, which names its object has `given`.
 */
export function placeOf(text, caret) {
  const tokens = lexJson(text);
  const word = tokens.find(({ kind, start, end }) => kind !== 'punctuator' && start < caret && caret <= end);
  const from = word?.start ?? caret;
  const stack = [];
  let last;
  for (const token of tokens) {
    if (token.start >= from) break;
    const top = stack.at(-1);
    if (token.value === '{') stack.push({ given: new Set(), isName: true });
    else if (token.value === '[') stack.push({ index: 0 });
    else if (token.value === '}' || token.value === ']') stack.pop();
    else if (token.value === ':' && top) top.isName = false;
    else if (token.value === ',' && top) Object.assign(top, top.given ? { isName: true } : { index: top.index + 1 });
    else if (top?.isName && token.kind === 'string') top.given.add((top.key = JSON.parse(token.value)));
    last = token;
  }
  const top = stack.at(-1);
  if (!top || (top.isName && ![',', '{'].includes(last.value))) return null;
  const steps = stack.map((each) => (each.given ? each.key : each.index));
  if (top.isName) steps.pop();
  const typed = text.slice(from, caret).replace(/^"/, '').replace(/"$/, '');
  const next = tokens.find(({ start }) => start >= (word?.end ?? caret));
  return { path: steps, isName: Boolean(top.isName), given: top.given ?? new Set(), from, to: word?.end ?? caret, typed, hasColon: next?.value === ':' };
}
