// The page in jsdom, with a GraphQL server in the place of the network.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSchema, graphql } from 'graphql';
import { JSDOM, ResourceLoader, VirtualConsole } from 'jsdom';

const files = process.env.PLAYGROUND_FILES;
const file = (name) => readFileSync(join(files, name));

const schema = buildSchema(`
  "A person who is cared for."
  type Patient implements Node {
    id: ID!
    name: String!
    status: Status!
    appointments(status: Status, limit: Int = 20): [Appointment!]!
    broken: String
  }
  type Appointment implements Node { id: ID! at: String! patient: Patient! }
  interface Node { id: ID! }
  enum Status { ACTIVE GONE }
  input NewPatient { name: String! status: Status = ACTIVE }
  type Query { "One patient." patient(id: ID!): Patient patients(limit: Int = 20): [Patient!]! }
  type Mutation { "Registers a patient." createPatient(input: NewPatient!): Patient! }
`);

const patient = (id, name = 'Amina') => ({
  id, name, status: 'ACTIVE', appointments: [],
  broken: () => {
    throw new Error('The service is not available');
  },
});
const rootValue = {
  patient: ({ id }) => patient(id),
  patients: ({ limit }) => Array.from({ length: limit }, (_, index) => patient(String(index))),
  createPatient: ({ input }) => patient('7', input.name),
};
const calls = [
  { service: 'patients', method: 'GET', target: '/patients?limit=2', field: 'patients', parents: 1, status: 200, cache: 'hit', startedMs: 0.1, tookMs: 0.2 },
  { service: 'labs', method: 'GET', target: '/labs', field: 'patients.broken', parents: 2, failure: 'the service is not available', cache: 'bypass', startedMs: 0.3, tookMs: 2.5 },
];

/** Opens the page at `path`; `requests` collects what it sends, `loaded` what it refers to. */
export async function open(path = '/graphql') {
  const requests = [];
  const loaded = [];
  const problems = [];
  const origin = 'http://gateway.test';

  class Files extends ResourceLoader {
    fetch(url) {
      loaded.push(url);
      const name = new URL(url).search.slice(1);
      return url.startsWith(`${origin}${path}?`) ? Promise.resolve(file(name)) : null;
    }
  }

  async function fetch(url, { method, headers, body, signal }) {
    const target = new URL(url, origin + path);
    const asked = method === 'GET' ? Object.fromEntries(target.searchParams) : JSON.parse(body);
    if (method === 'GET' && asked.variables) asked.variables = JSON.parse(asked.variables);
    requests.push({ url: target.href, method, headers, body, ...asked });
    if (headers['x-never']) {
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    }
    const result = await graphql({ schema, rootValue, source: asked.query, variableValues: asked.variables, operationName: asked.operationName });
    const text = JSON.stringify({ ...result, extensions: { cost: { requested: 21, max: 5000 }, trace: { calls } } });
    const fields = method === 'GET' ? { 'cache-status': 'nilegate; hit; ttl=18', age: '12' } : {};
    const bytes = new TextEncoder().encode(text);
    return { status: result.data ? 200 : 400, statusText: '', headers: new Headers(fields), arrayBuffer: async () => bytes.buffer };
  }

  const virtualConsole = new VirtualConsole();
  // jsdom's parser of style sheets is older than ours.
  virtualConsole.on('jsdomError', (error) => /CSS/i.test(error.message) || problems.push(error));
  const dom = new JSDOM(file('index.html'), {
    url: origin + path,
    runScripts: 'dangerously',
    resources: new Files(),
    pretendToBeVisual: true,
    virtualConsole,
    beforeParse(window) {
      const copied = { writeText: async (text) => { window.copied = text; } };
      Object.defineProperty(window.navigator, 'clipboard', { value: copied });
      Object.assign(window, { fetch, TextDecoder });
      window.Element.prototype.scrollIntoView = () => {};
    },
  });
  const { window } = dom;
  const { document } = window;
  const page = {
    window, document, requests, loaded, problems, origin,
    get: (selector) => document.querySelector(selector),
    all: (selector) => [...document.querySelectorAll(selector)],
    text: (selector) => document.querySelector(selector).textContent,
    /** Waits until something is true. */
    async until(what, condition) {
      const end = Date.now() + 10_000;
      while (!condition()) {
        if (Date.now() > end) throw new Error(`never: ${what}`);
        await new Promise((resolve) => { setTimeout(resolve, 5); });
      }
    },
    /** Replaces what is in an editor; `|` is where the caret goes. */
    write(editor, text) {
      const area = document.querySelector(`#${editor}-text`);
      const caret = text.includes('|') ? text.indexOf('|') : text.length;
      area.focus();
      area.value = text.replace('|', '');
      area.setSelectionRange(caret, caret);
      area.dispatchEvent(new window.InputEvent('input', { inputType: 'insertText', data: '' }));
    },
    press(editor, key, modifiers = {}) {
      const area = document.querySelector(`#${editor}-text`);
      area.dispatchEvent(new window.KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...modifiers }));
    },
    value: (editor) => document.querySelector(`#${editor}-text`).value,
    /** The names that are suggested at the caret. */
    suggested(editor) {
      this.press(editor, ' ', { ctrlKey: true });
      const list = document.querySelector(`#${editor}-suggestions`);
      return list.hidden ? [] : [...list.querySelectorAll('b')].map((name) => name.textContent);
    },
    /** Runs the document and waits for the answer. */
    async run() {
      const before = requests.length;
      this.press('query', 'Enter', { ctrlKey: true });
      await this.until('an answer', () => requests.length > before && this.get('#answer').getAttribute('aria-busy') === 'false');
      return requests.at(-1);
    },
  };
  await page.until('the schema', () => document.querySelector('#types .fields'));
  return page;
}
