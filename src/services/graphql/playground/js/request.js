// Requests to the endpoint this page was served from.

import { layOut, readJson } from './json.js';

/** The page's own address is the endpoint, wherever it is mounted. */
export const endpoint = () => location.pathname.replace(/(.)\/$/, '$1');

const ACCEPT = 'application/graphql-response+json, application/json;q=0.9';

/** Header fields whose values are secrets: they are never written down. */
const SECRET = /^(authorization|cookie|proxy-authorization)$|key|token|secret|password/i;

/**
 * A request as `fetch` and `curl` both need it.
 *
 * @param ask `query`, `operationName`, `method`, and the texts of `variables` and `headers`
 */
export function requestOf(ask) {
  const headers = { accept: ACCEPT, ...readHeaders(ask.headers) };
  const variables = variablesOf(ask.variables);
  const { query, operationName } = ask;
  if (ask.method === 'GET') {
    const parameters = new URLSearchParams({ query });
    if (operationName) parameters.set('operationName', operationName);
    if (variables) parameters.set('variables', variables);
    return { url: `${endpoint()}?${parameters}`, method: 'GET', headers };
  }
  // Variables go in as they are written: numbers of any size arrive unchanged.
  const members = [`"query":${JSON.stringify(query)}`];
  if (operationName) members.push(`"operationName":${JSON.stringify(operationName)}`);
  if (variables) members.push(`"variables":${variables}`);
  headers['content-type'] = 'application/json';
  return { url: endpoint(), method: 'POST', headers, body: `{${members.join(',')}}` };
}

function variablesOf(text = '') {
  const { root, problems } = readJson(text);
  if (problems.length) throw new Error(`Variables: ${problems[0].message}`);
  if (root && root.kind !== 'object') throw new Error('Variables: expected an object');
  return root?.members.length ? layOut(root).replace(/\n\s*/g, '') : undefined;
}

/** Header fields from their tab, names in lower case. */
function readHeaders(text = '') {
  const { root, problems } = readJson(text);
  if (problems.length) throw new Error(`Headers: ${problems[0].message}`);
  const members = root?.members ?? [];
  if (members.some(({ node }) => node.kind !== 'string')) throw new Error('Headers: every value is a text in quotes');
  return Object.fromEntries(members.map(({ key, node }) => [key.toLowerCase(), JSON.parse(node.text)]));
}

/** Sends it, and reads the whole answer: `{ response, text, milliseconds, bytes }`. */
export async function send({ url, ...rest }, signal) {
  const started = performance.now();
  // The browser's own cache would hide what the gateway's does.
  const response = await fetch(url, { ...rest, signal, cache: 'no-store' });
  const body = await response.arrayBuffer();
  const milliseconds = performance.now() - started;
  return { response, text: new TextDecoder().decode(body), milliseconds, bytes: body.byteLength };
}

/** The request as a command for a POSIX shell. Secrets become variables of the shell. */
export function curlOf(ask) {
  const { url, method, headers, body } = requestOf(ask);
  const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const lines = [`curl ${quote(location.origin + url)}`];
  for (const [name, value] of Object.entries(headers)) {
    if (!SECRET.test(name)) {
      lines.push(`-H ${quote(`${name}: ${value}`)}`);
      continue;
    }
    const scheme = value.match(/^(Bearer|Basic) /i)?.[0] ?? '';
    lines.push(`-H ${quote(`${name}: ${scheme}`)}"$${name.toUpperCase().replace(/\W/g, '_')}"`);
  }
  if (method === 'POST') lines.push(`--data-raw ${quote(body)}`);
  return lines.join(' \\\n  ');
}
