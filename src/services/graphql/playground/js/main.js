// Puts the parts together: what runs when, and what depends on what.

import { showAnswer, showNothing } from './answer.js';
import { showCalls } from './calls.js';
import { suggest } from './complete.js';
import { readDocument } from './document.js';
import { announce, byId, copy } from './dom.js';
import { Editor } from './editor.js';
import { Explorer, operationFor, selection } from './explorer.js';
import { History, draft, keepDraft } from './history.js';
import { layOut, readJson } from './json.js';
import { offsetAt } from './lex.js';
import { prettify } from './pretty.js';
import { curlOf, endpoint, requestOf, send } from './request.js';
import { INTROSPECTION, Schema } from './schema.js';
import { readHeaderFields, readVariables, suggestVariables } from './variables.js';

const WELCOME = '# Ctrl-Space completes, Ctrl-Enter runs. A click on a field of the schema puts it in here.\n\n';

let schema;
let parsed = { operations: [] };
let running;
let answer;

// --- editors

const query = new Editor('query', {
  label: 'GraphQL document',
  read: (text) => (parsed = readDocument(text, schema)),
  suggest: (text, caret) => suggest(text, schema, caret),
  onChange: () => {
    keepDraft(query.text);
    showOperations();
  },
  onCaret: (caret) => followCaret(caret),
});
const variables = new Editor('variables', {
  label: 'Variables, as JSON',
  hint: '{ "id": "1" }',
  read: (text) => readVariables(text, operation()),
  suggest: (text, caret) => suggestVariables(text, caret, schema, operation()),
  onChange: () => count('variables', variables.text),
});
const headers = new Editor('headers', {
  label: 'Header fields, as JSON. They are kept until this page is closed, and nowhere stored',
  hint: '{ "authorization": "Bearer …" }',
  read: readHeaderFields,
  onChange: () => count('headers', headers.text),
});

/** Shows at a tab how many members its editor has. */
function count(tab, text) {
  const members = readJson(text).root?.members?.length ?? 0;
  byId(`${tab}-tab`).dataset.count = members || '';
}

// --- operations

const picker = byId('operation');

/** The operation that would run. */
function operation() {
  return parsed.operations.find((each) => each.name && each.name === picker.value) ?? parsed.operations[0];
}

function showOperations() {
  const chosen = picker.value;
  const names = parsed.operations.map(({ name }) => name).filter(Boolean);
  picker.replaceChildren(...names.map((name) => new Option(name)));
  if (names.includes(chosen)) picker.value = chosen;
  picker.parentElement.hidden = names.length < 2;
  followCaret(query.caret);
  variables.show();
}

/** Where there are several, the operation around the caret is the one that runs. */
function followCaret(caret) {
  const around = parsed.operations.find(({ start, end }) => start <= caret && caret <= end);
  if (!around?.name || picker.value === around.name || picker.options.length < 2) return;
  picker.value = around.name;
  variables.show();
}

/** What is asked for, as it stands in the editors. */
function ask() {
  const chosen = operation();
  const isQuery = !chosen || chosen.kind === 'query';
  return {
    query: query.text,
    operationName: parsed.operations.length > 1 ? chosen?.name : undefined,
    variables: variables.text,
    headers: headers.text,
    method: isQuery ? byId('method').value : 'POST',
  };
}

// --- running

async function run() {
  if (running) return running.abort();
  const asked = ask();
  const request = requestOf(asked);
  running = new AbortController();
  busy();
  view('answer');
  answer = undefined;
  try {
    answer = await send(request, running.signal);
    history.add(asked.query, asked.variables, operation()?.name);
    const body = showAnswer(answer, toError);
    showCalls(body?.extensions);
    markErrors(body?.errors, asked.query);
  } catch (error) {
    showCalls();
    const isCancelled = error.name === 'AbortError';
    showNothing(isCancelled ? 'Cancelled.' : `No answer: ${error.message}`, !isCancelled);
  }
  running = undefined;
  return busy();
}

function busy() {
  byId('run').classList.toggle('running', Boolean(running));
  byId('run-label').textContent = running ? 'Stop' : 'Run';
  byId('answer').setAttribute('aria-busy', String(Boolean(running)));
}

const rangeOf = ({ locations: [{ line, column }] }, text) => {
  const start = offsetAt(text, line, column);
  return { start, end: start + Math.max(1, text.slice(start).match(/^\w*/)[0].length) };
};

/** Marks the places that the answer's errors name, unless the document changed meanwhile. */
function markErrors(errors, text) {
  if (!Array.isArray(errors) || text !== query.text) return;
  const placed = errors.filter((error) => error.locations?.length);
  query.mark(placed.map((error) => ({ ...rangeOf(error, text), message: String(error.message) })));
}

function toError(error) {
  const { start, end } = rangeOf(error, query.text);
  view('ask');
  query.select(start, end);
}

// --- schema

const explorer = new Explorer((type, field) => insert(type, field));
let asWhom;

/** Asks for the schema; what it shows may depend on who asks. */
async function loadSchema() {
  asWhom = headers.text;
  explorer.use(schema, 'Loading the schema …');
  let reason = '';
  try {
    const request = requestOf({ query: INTROSPECTION, operationName: 'Introspection', variables: '', headers: asWhom, method: 'POST' });
    const { text, response } = await send(request);
    const { data, errors } = JSON.parse(text);
    schema = data?.__schema && new Schema(data.__schema);
    reason = errors?.[0]?.message ?? `the answer was ${response.status}`;
  } catch (error) {
    schema = undefined;
    reason = error.message;
  }
  explorer.use(schema, `The schema is not shown: ${reason}. If it takes a role, add your credentials under Headers.`);
  query.show();
  variables.show();
}

/** Puts a field where the caret is, if it can stand there; else a root field becomes an operation. */
function insert(type, field) {
  const { expected, word } = readDocument(query.text, schema, query.caret);
  const kind = Object.keys(schema.roots).find((each) => schema.roots[each] === type);
  if (expected?.kind === 'field' && expected.parent === type) {
    const [indent] = query.text.slice(0, word.start).match(/[^\n]*$/)[0].match(/^\s*/);
    const text = selection(schema, field, indent).trimStart();
    query.replace(word.end, word.end, word.value ? `\n${indent}${text}` : `${text} `);
  } else if (kind) {
    const made = operationFor(schema, kind, field);
    const before = query.text.replace(/^\s*#.*$/gm, '').trim() ? `${query.text.trimEnd()}\n\n` : '';
    query.replace(0, query.text.length, before + made.query, before.length + made.query.indexOf('{') + 1);
    addVariables(made.variables);
  } else {
    announce(`Put the caret where fields of ${type.name} go, then choose again`);
    return;
  }
  view('ask');
  query.area.focus();
}

/** Writes variables where there are none yet. */
function addVariables(made) {
  if (!Object.keys(made).length || variables.text.replace(/[{}\s]/g, '')) return;
  variables.text = JSON.stringify(made, null, 2);
  select('variables');
}

// --- commands

function tidy() {
  const pretty = prettify(query.text);
  if (pretty !== query.text) query.text = pretty;
  for (const editor of [variables, headers]) {
    const { root, problems } = readJson(editor.text);
    if (root && !problems.length && layOut(root) !== editor.text) editor.text = layOut(root);
  }
  announce('Laid out');
}

const history = new History(byId('entries'), (entry) => {
  query.text = entry.query;
  if (entry.variables !== undefined) variables.text = entry.variables;
  view('ask');
  query.area.focus();
});

// --- views

const { dataset } = document.body;
const isNarrow = () => Boolean(globalThis.matchMedia?.('(max-width: 860px)').matches);

/** Which part narrow screens show; wide ones show all of them. */
function view(name) {
  dataset.view = name;
  for (const each of ['ask', 'answer']) byId(`${each}-nav`).setAttribute('aria-pressed', String(name === each));
  showSide();
}

/** Shows a panel at the side; once more hides it, where there is something beside it. */
function side(name) {
  dataset.side = dataset.side === name && !isNarrow() ? '' : name;
  if (isNarrow()) view('side');
  else showSide();
}

function showSide() {
  for (const each of ['schema', 'history']) {
    const isShown = dataset.side === each && (dataset.view === 'side' || !isNarrow());
    byId(`${each}-nav`).setAttribute('aria-pressed', String(isShown));
    byId(each).hidden = dataset.side !== each;
  }
}

/** Chooses a tab of its group, as the pattern for tabs has it: arrows move, one is in the tab order. */
function select(name, focus = false) {
  const tab = byId(`${name}-tab`);
  for (const each of tab.parentElement.querySelectorAll('[role=tab]')) {
    const isChosen = each === tab;
    each.setAttribute('aria-selected', String(isChosen));
    each.tabIndex = isChosen ? 0 : -1;
    byId(each.getAttribute('aria-controls')).hidden = !isChosen;
  }
  if (focus) tab.focus();
}

for (const tab of document.querySelectorAll('[role=tab]')) {
  tab.addEventListener('click', () => select(tab.id.replace('-tab', '')));
  tab.addEventListener('keydown', ({ key }) => {
    const tabs = [...tab.parentElement.querySelectorAll('[role=tab]')];
    const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
    if (step) select(tabs.at((tabs.indexOf(tab) + step) % tabs.length).id.replace('-tab', ''), true);
  });
}

// --- wiring

const commands = {
  run,
  prettify: tidy,
  curl: () => copy(curlOf(ask()), 'Command'),
  'copy-answer': () => answer && copy(answer.text, 'Answer'),
  reload: loadSchema,
  'clear-history': () => history.clear(),
  keys: () => byId('help').showModal(),
  'schema-nav': () => side('schema'),
  'history-nav': () => side('history'),
  'ask-nav': () => view('ask'),
  'answer-nav': () => view('answer'),
};
for (const [id, command] of Object.entries(commands)) byId(id).addEventListener('click', () => perform(command));

/** Carries out a command, and tells if what is in the editors does not permit it. */
async function perform(command) {
  try {
    await command();
  } catch (error) {
    announce(error.message);
  }
}


picker.addEventListener('change', () => variables.show());
headers.area.addEventListener('blur', () => {
  if (headers.text !== asWhom && !readJson(headers.text).problems.length) loadSchema();
});

document.addEventListener('keydown', (event) => {
  const control = event.ctrlKey || event.metaKey;
  if (control && event.key === 'Enter') perform(run);
  else if (control && event.shiftKey && event.key.toLowerCase() === 'p') tidy();
  else if (event.key === 'Escape' && running) running.abort();
  else return;
  event.preventDefault();
});

byId('endpoint').textContent = endpoint();
query.area.value = draft() || WELCOME;
query.area.setSelectionRange(query.text.length, query.text.length);
query.show();
showOperations();
dataset.side = 'schema';
view('ask');
loadSchema();
