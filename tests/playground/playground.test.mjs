import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { parse, print } from 'graphql';
import { open } from './page.mjs';

const pages = [];
const opened = async (path) => {
  const page = await open(path);
  pages.push(page);
  return page;
};
after(() => {
  for (const page of pages) {
    assert.deepEqual(page.problems, []);
    page.window.close();
  }
});

test('the page loads its own two files and nothing else, wherever it is mounted', async () => {
  for (const path of ['/graphql', '/', '/api/v2/gql']) {
    const page = await opened(path);
    assert.deepEqual(page.loaded.sort(), [`${page.origin}${path}?playground.css`, `${page.origin}${path}?playground.js`]);
    assert.equal(page.text('#endpoint'), path);
    assert.deepEqual(page.requests.map(({ url, method }) => [url, method]), [[page.origin + path, 'POST']]);
    for (const { url } of page.requests) assert.ok(url.startsWith(page.origin));
  }
});

test('a query with variables runs, and its answer is told', async () => {
  const page = await opened();
  page.write('query', 'query One($id: ID!) { patient(id: $id) { id name } }');
  page.write('variables', '{ "id": 12345678901234567890 }');
  const sent = await page.run();
  assert.equal(sent.method, 'POST');
  assert.equal(sent.headers['content-type'], 'application/json');
  assert.equal(sent.headers['x-graphql-trace'], '1');
  assert.ok(sent.body.includes('"variables":{"id":12345678901234567890}'), 'no digit is lost');
  assert.ok(page.text('#body').includes('"name": "Amina"'));
  assert.match(page.text('#facts'), /^200.*cost 212 calls$/);
  const rows = page.all('.waterfall li');
  assert.deepEqual(rows.map((row) => row.querySelector('b').textContent), ['patients', 'labs']);
  assert.equal(rows[1].querySelector('.fact.bad').textContent, 'failed');
  assert.equal(rows[1].title, '/labs\npatients.broken × 2\nthe service is not available');
});

test('a mutation runs from the explorer, its input written with completion', async () => {
  const page = await opened();
  page.write('query', '');
  page.get('#search').value = 'create';
  page.get('#search').dispatchEvent(new page.window.Event('input'));
  page.get('#types button.field').click();
  assert.equal(
    page.value('query'),
    'mutation CreatePatient($input: NewPatient!) {\n  createPatient(input: $input) {\n    id\n    name\n    status\n    broken\n  }\n}\n',
  );
  assert.deepEqual(JSON.parse(page.value('variables')), { input: { name: '' } });
  page.write('query', 'mutation Create($input: NewPatient!) { createPatient(input: $input) { id name } }');
  page.write('variables', '{ "input": { "name": "Nour", | } }');
  assert.deepEqual(page.suggested('variables'), ['status']);
  page.press('variables', 'Enter');
  assert.deepEqual(page.suggested('variables'), ['ACTIVE', 'GONE']);
  page.press('variables', 'ArrowDown');
  page.press('variables', 'Enter');
  assert.equal(page.value('variables'), '{ "input": { "name": "Nour", "status": "GONE" } }');
  page.get('#method').value = 'GET';
  const sent = await page.run();
  assert.equal(sent.method, 'POST', 'a mutation never goes with GET');
  assert.ok(page.text('#body').includes('"name": "Nour"'));
});

test('what fits is suggested at the caret', async () => {
  const page = await opened();
  const cases = [
    ['|', ['query', 'mutation', 'fragment']],
    ['{ pat| }', ['patient', 'patients']],
    ['{ patient(|) { id } }', ['id']],
    ['{ patient(id: 1) { appointments(limit: 1, |) { id } } }', ['status']],
    ['{ patient(id: 1) { appointments(status: |) { id } } }', ['ACTIVE', 'GONE']],
    ['query Q($status: Status, $id: ID!) { patient(id: $|) { id } }', ['status', 'id']],
    ['query Q($id: ID!, $s: Status) { patient(id: |) { id } }', ['$id']],
    ['query Q($input: New|', ['NewPatient']],
    ['{ patient(id: 1) { ...| } } fragment F on Patient { id } fragment Q on Query { __typename }', ['on', 'F']],
    ['{ patient(id: 1) { ... on | } }', ['Patient', 'Node']],
    ['{ patient(id: 1) @| { id } }', ['include', 'skip']],
    ['{ patient(id: 1) { appointments { |', ['id', 'at', 'patient', '__typename']],
    ['mutation { createPatient(input: { name: "x", | }) { id } }', ['status']],
    ['{ patient(id: "|") { id } }', []],
    ['{ patients { id } } # |', []],
  ];
  for (const [text, expected] of cases) {
    page.write('query', text);
    assert.deepEqual(page.suggested('query'), expected, text);
  }
});

test('a suggestion is taken by keyboard with what it needs', async () => {
  const page = await opened();
  page.write('query', '{\n  pat|\n}');
  page.suggested('query');
  page.press('query', 'Enter');
  assert.equal(page.value('query'), '{\n  patient(id: ) {\n    \n  }\n}');
  page.write('query', '{\n  patients {\n    |\n  }\n}');
  page.suggested('query');
  page.press('query', 'Escape');
  assert.ok(page.get('#query-suggestions').hidden);
  assert.equal(page.value('query'), '{\n  patients {\n    \n  }\n}');
});

test('mistakes are marked while they are made, and where the answer says so', async () => {
  const page = await opened();
  const marked = () => page.all('#query .layer .error').map((span) => span.textContent);
  const cases = [
    ['{ patient(id: 1) { nam } }', ['nam'], /1:20 {2}Patient has no field “nam”/],
    ['{ patients }', ['patients'], /Choose fields of patients/],
    ['{ patient { id } }', ['patient'], /patient needs id/],
    ['{ patients(size: 1) { id } }', ['size'], /patients has no “size”/],
    ['{ patients { id }', ['{'], /never closed/],
    ['{ patient(id: $id) { id } }', ['id'], /\$id is not declared/],
    ['{ patients { ...F } }', ['F'], /There is no fragment F/],
    ['{ patients { id } } }', ['}'], /Expected a definition/],
    ['{ patients { id } }', [], /^$/],
  ];
  for (const [text, expected, message] of cases) {
    page.write('query', text);
    assert.deepEqual(marked(), expected, text);
    assert.match(page.text('#query-problem'), message, text);
  }
  page.write('query', '{ patients(limit: 1) { id broken } }');
  await page.run();
  assert.deepEqual(marked(), ['broken']);
  assert.match(page.text('#errors'), /1:27The service is not available/);
  assert.match(page.text('.failed'), /"broken": null/);
  page.write('variables', '{ "id": }');
  assert.match(page.text('#variables-problem'), /Expected a value/);
});

test('the explorer leads from type to type', async () => {
  const page = await opened();
  const link = (name) => page.all('#types button.type').find((button) => button.textContent === name);
  link('[Patient!]!').click();
  assert.equal(page.text('#types h2'), 'Patientobject');
  assert.match(page.text('#types'), /A person who is cared for\./);
  link('[Appointment!]!').click();
  assert.deepEqual(page.all('#crumbs button').map((crumb) => crumb.textContent), ['Schema', 'Patient', 'Appointment']);
  page.write('query', '{ patient(id: 1) { appointments { | } } }');
  page.all('#types button.field').find((button) => button.textContent === 'at').click();
  assert.equal(page.value('query'), '{ patient(id: 1) { appointments { at  } } }');
  page.get('#crumbs button').click();
  assert.match(page.text('#types h3'), /query/);
});

test('prettifying keeps the meaning and the comments', async () => {
  const page = await opened();
  const documents = [
    'query A($id:ID!,$s:[[Status!]!]=[[ACTIVE]]){a:patient(id:$id)@include(if:true){id,name ...F ...on Node@skip(if:false){id}}} fragment F on Patient{name}',
    '# why\nmutation($i:NewPatient={name:"x" status:GONE}){createPatient(input:$i){id # end\n}}',
    'query Long($first:ID!,$second:ID!,$third:ID!,$fourth:ID!){patient(id:"""a\n  block"""){id} on fragment:query}',
  ];
  for (const document of documents) {
    page.write('query', document);
    page.press('query', 'P', { ctrlKey: true, shiftKey: true });
    const pretty = page.value('query');
    assert.equal(print(parse(pretty)), print(parse(document)));
    assert.deepEqual(pretty.match(/#.*/g), document.match(/#.*/g));
    page.get('#prettify').click();
    assert.equal(page.value('query'), pretty);
  }
  page.write('query', '{ unfinished ');
  page.get('#prettify').click();
  assert.equal(page.value('query'), '{ unfinished ');
});

test('of several operations the chosen one runs; the cache result is shown', async () => {
  const page = await opened();
  page.write('query', 'query A { patients(limit: 1) { id } }\nquery B { patients(limit: 2) { id } }');
  assert.equal(page.get('#operation').value, 'B', 'the one around the caret');
  page.get('#operation').value = 'A';
  page.get('#method').value = 'GET';
  const sent = await page.run();
  assert.deepEqual([sent.method, sent.operationName], ['GET', 'A']);
  assert.match(page.text('#facts'), /hit · age 12 s/);
});

test('nothing secret is stored or copied', async () => {
  const page = await opened();
  page.write('headers', '{ "Authorization": "Bearer s3cret", "x-tenant": "it\'s" }');
  page.write('variables', '{ "id": "s3cret" }');
  page.write('query', 'query Mine($id: ID!) { patient(id: $id) { name } }');
  const sent = await page.run();
  assert.equal(sent.headers.authorization, 'Bearer s3cret');
  page.get('#curl').click();
  await page.until('a copy', () => page.window.copied);
  assert.ok(page.window.copied.includes(`-H 'authorization: Bearer '"$AUTHORIZATION"`));
  assert.ok(page.window.copied.includes(`-H 'x-tenant: it'\\''s'`));
  page.write('query', '{ patients { id } } # login(password: "s3cret")');
  await page.run();
  const kept = JSON.stringify({ ...page.window.localStorage });
  assert.ok(kept.includes('query Mine'));
  assert.ok(!kept.includes('s3cret') && !kept.includes('Amina'));
  assert.deepEqual(page.all('#entries b').map((name) => name.textContent), ['Mine']);
  page.get('#entries button').click();
  assert.equal(page.value('query'), 'query Mine($id: ID!) { patient(id: $id) { name } }');
});

test('a query that takes long is cancelled by Esc', async () => {
  const page = await opened();
  page.write('query', '{ patients { id } }');
  page.write('headers', '{ "x-never": "1" }');
  page.press('query', 'Enter', { ctrlKey: true });
  await page.until('running', () => page.text('#run-label') === 'Stop');
  page.press('query', 'Escape');
  await page.until('stopped', () => page.text('#run-label') === 'Run');
  assert.equal(page.text('#body'), 'Cancelled.');
});
