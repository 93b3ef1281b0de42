// Documents that were run, newest first, in the browser's local storage.
//
// Only documents are stored: no header, no answer, and no variables, which may
// name people. Variables are kept while the page is open. A document with a
// secret written into it is not stored at all.

import { button, element } from './dom.js';

const KEY = 'nilegate.graphql.history';
const DRAFT = 'nilegate.graphql.draft';
const KEPT = 50;
const LONGEST = 16384;

/** An argument that is called a secret and has one, or a signed token anywhere. */
const SECRET_WITHIN = /(password|passphrase|secret|token|api_?key|authorization)\w*"?\s*:\s*"[^"]|eyJ[\w-]{8,}\.[\w-]{8,}/i;

/** Local storage may be full, off, or hold what others wrote: then there is no history. */
function stored(key, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(key)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

function store(key, value) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Nothing depends on it.
  }
}

export const isSecret = (text) => SECRET_WITHIN.test(text) || text.length > LONGEST;

/** The document that was being written when the page was closed. */
export const draft = () => {
  const kept = stored(DRAFT, '');
  return typeof kept === 'string' ? kept : '';
};
export const keepDraft = (query) => store(DRAFT, isSecret(query) ? '' : query);

export class History {
  /** @param restore is called with `{ query, variables }` */
  constructor(list, restore) {
    this.list = list;
    this.restore = restore;
    this.variables = new Map();
    this.show();
  }

  get entries() {
    const kept = stored(KEY, []);
    return Array.isArray(kept) ? kept.filter(({ query }) => typeof query === 'string') : [];
  }

  add(query, variables, name) {
    if (isSecret(query)) return;
    this.variables.set(query, variables);
    const others = this.entries.filter((entry) => entry.query !== query);
    store(KEY, [{ query, name }, ...others].slice(0, KEPT));
    this.show();
  }

  clear() {
    store(KEY, []);
    this.variables.clear();
    this.show();
  }

  show() {
    const rows = this.entries.map(({ query, name }) => {
      const text = query.replace(/#.*/g, '').replace(/\s+/g, ' ').trim();
      const restore = () => this.restore({ query, variables: this.variables.get(query) });
      return element('li', {}, button('.entry', restore,
        element('b', {}, name ?? ''), element('code', {}, text.slice(0, 120))));
    });
    this.list.replaceChildren(...(rows.length ? rows : [element('li.empty', {}, 'What you run appears here.')]));
  }
}
