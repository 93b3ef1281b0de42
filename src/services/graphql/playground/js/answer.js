// The answer: its facts in a row, its errors, and the body as a tree that folds.

import { button, byId, element } from './dom.js';
import { readJson } from './json.js';

/** Rows that are shown at once; the rest of a long array comes on demand. */
const PAGE = 100;
/** Bytes from which on what is deep starts folded. */
const LARGE = 100_000;

/** Shows an answer; `toError` is called with an error that has a place in the document. */
export function showAnswer({ response, text, milliseconds, bytes }, toError) {
  const { root, problems } = readJson(text);
  const body = problems.length || !root ? undefined : JSON.parse(text);
  const errors = Array.isArray(body?.errors) ? body.errors : [];
  byId('facts').replaceChildren();
  const { status, statusText, headers } = response;
  addFact(`${status} ${statusText}`, 'Status', status >= 300 ? 'bad' : errors.length ? 'warn' : 'good');
  addFact(duration(milliseconds), 'Time until the whole answer was here');
  addFact(bytes < 1024 ? `${bytes} B` : `${(bytes / 1024).toFixed(1)} KiB`, 'Size of the body');
  if (errors.length) addFact(`${errors.length} error${errors.length > 1 ? 's' : ''}`, 'Errors', 'bad');
  const cache = cacheResult(headers);
  if (cache) addFact(cache, 'What the cache had to do with it', cache.startsWith('hit') ? 'good' : '');
  showErrors(errors, toError);
  const failed = new Map(errors.map((error) => [JSON.stringify(error.path), error.message]));
  byId('body').replaceChildren(body === undefined
    ? element('pre.plain', {}, text || 'The answer has no body.')
    : element('div.tree', {}, new Tree(failed, bytes > LARGE).node(root, [], [''])));
  byId('fields').replaceChildren(element('table', {}, ...[...headers].map(([name, value]) =>
    element('tr', {}, element('th', { scope: 'row' }, name), element('td', {}, value)))));
  return body;
}

/** Says what happened where there is no answer. */
export function showNothing(message, isWrong) {
  for (const each of ['facts', 'errors', 'fields']) byId(each).replaceChildren();
  byId('body').replaceChildren(element(isWrong ? 'p.empty.bad' : 'p.empty', { role: 'status' }, message));
}

/** Adds a fact to the row; `kind` is `good`, `warn` or `bad`. */
export function addFact(text, title, kind = '') {
  byId('facts').append(element(`span.fact${kind && `.${kind}`}`, { title }, text));
}

/** `Cache-Status` (RFC 9211) of the cache next to us, and `Age`, in short. */
function cacheResult(headers) {
  const last = headers.get('cache-status')?.split(',').at(-1) ?? '';
  const age = headers.get('age');
  const result = /;\s*hit\b/.test(last) ? 'hit' : last.match(/;\s*fwd=([\w-]+)/)?.[1];
  return [result, /;\s*stored\b/.test(last) && 'stored', age && `age ${age} s`].filter(Boolean).join(' · ');
}

export const duration = (milliseconds) => `${milliseconds.toFixed(milliseconds < 10 ? 2 : 0)} ms`;

function showErrors(errors, toError) {
  byId('errors').replaceChildren(...errors.slice(0, PAGE).map((error) => {
    const { message, path, extensions, locations: [place] = [] } = error;
    const row = button('.error-row', () => toError(error),
      place ? element('code', {}, `${place.line}:${place.column}`) : null,
      element('span', {}, String(message)),
      element('small', {}, [extensions?.code, path?.join('.')].filter(Boolean).join(' · ')));
    row.disabled = !place;
    return element('li', {}, row);
  }));
}

class Tree {
  /** @param failed messages by the path of what failed, as JSON */
  constructor(failed, isLarge) {
    this.failed = failed;
    this.isLarge = isLarge;
  }

  /** A node after its `label`; `path` leads to it from the top, which is its first step. */
  node(node, label, path) {
    const failure = path[1] === 'data' && this.failed.get(JSON.stringify(path.slice(2)));
    const note = failure ? element('span.failure', {}, failure) : null;
    const children = node.kind === 'object'
      ? node.members.map(({ key, at, node: value }) => [value, [element('span.key', {}, at.value), ': '], [...path, key]])
      : node.items?.map((item, index) => [item, [], [...path, index]]);
    const [open, close] = node.kind === 'object' ? '{}' : '[]';
    if (children?.length) return this.group(children, label, open, close, path);
    const text = children ? open + close : element(`span.${node.kind}`, {}, node.text);
    return element(failure ? 'div.leaf.failed' : 'div.leaf', {}, ...label, text, note);
  }

  group(children, label, open, close, path) {
    const count = element('small', {}, ` ${children.length} ${close} `);
    const inside = element('div.inside');
    // Errors and extensions have views of their own.
    const isFolded = /^(errors|extensions)$/.test(path[1]) || (this.isLarge && path.length > 3);
    const group = element('details', { open: !isFolded },
      element('summary', {}, ...label, open, count), inside, element('div.leaf', {}, close));
    // What is folded costs nothing until somebody looks.
    const fill = () => group.open && !inside.firstChild && this.page(inside, children, 0);
    group.addEventListener('toggle', fill);
    fill();
    return group;
  }

  page(inside, children, from) {
    inside.append(...children.slice(from, from + PAGE).map((child) => this.node(...child)));
    const left = children.length - from - PAGE;
    if (left <= 0) return;
    const more = button('.plain', () => {
      more.remove();
      this.page(inside, children, from + PAGE);
    }, `${left} more`);
    inside.append(more);
  }
}
