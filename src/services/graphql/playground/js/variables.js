// The two small editors below the document: variables and header fields, both
// JSON objects. What is known of variables is suggested and checked.

import { rank } from './complete.js';
import { lexJson, readJson } from './json.js';
import { nullable, written } from './schema.js';

/** Reads the variables of an operation. */
export function readVariables(text, operation) {
  const { tokens, root, problems } = readObject(text);
  const declared = operation?.variables ?? new Map();
  const given = new Set(root?.members?.map(({ key }) => key));
  for (const { key, at } of (operation && root?.members) || []) {
    if (!declared.has(key)) problems.push({ ...at, message: `The operation has no $${key}`, severity: 'warning' });
  }
  const missing = [...declared].filter(([name, { type }]) => type?.kind === 'NON_NULL' && !given.has(name));
  if (missing.length && !problems.length) {
    const { start, end } = root ?? { start: 0, end: 0 };
    problems.push({ start, end: Math.min(end, start + 1), severity: 'warning', message: `Still to give: ${missing.map(([name]) => name).join(', ')}` });
  }
  return { tokens, problems };
}

/** Reads header fields: every member is a text. */
export function readHeaderFields(text) {
  const { tokens, root, problems } = readObject(text);
  for (const { at, key, node } of root?.members ?? []) {
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(key)) problems.push({ ...at, message: 'No name of a header field', severity: 'error' });
    else if (node && node.kind !== 'string') problems.push({ ...node, message: 'Expected a text in quotes', severity: 'error' });
  }
  return { tokens, problems };
}

function readObject(text) {
  const read = readJson(text);
  if (read.root && read.root.kind !== 'object') {
    read.problems.push({ ...read.root, message: 'Expected an object: { … }', severity: 'error' });
  }
  return read;
}

/** Suggestions for variables at `caret`, by the types the operation declares. */
export function suggestVariables(text, caret, schema, operation) {
  if (!operation) return null;
  const root = [...operation.variables].map(([name, { type }]) => ({ name, type }));
  const place = placeOf(text, caret);
  if (!place) return null;
  let members = root;
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

function found({ from, to, typed }, items) {
  const best = rank(items, typed);
  return best.length ? { from, to, items: best } : null;
}

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
