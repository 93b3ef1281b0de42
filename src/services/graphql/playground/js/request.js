// Requests to the endpoint this page was served from.

import { layOut, readObject } from './json.js';
import { readHeaderFields } from './variables.js';

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
  const { query, operationName } = ask;
  const fields = membersOf(readHeaderFields(ask.headers), 'Headers');
  const given = fields.map(({ key, node }) => [key.toLowerCase(), JSON.parse(node.text)]);
  const headers = { accept: ACCEPT, ...Object.fromEntries(given) };
  // Variables go in as they are written: numbers of any size arrive unchanged.
  const variables = membersOf(readObject(ask.variables), 'Variables').map(({ at, node }) => `${at.value}:${layOut(node).replace(/\n\s*/g, '')}`);
  const members = [['query', query, JSON.stringify(query)]];
  if (operationName) members.push(['operationName', operationName, JSON.stringify(operationName)]);
  if (variables.length) members.push(['variables', `{${variables}}`, `{${variables}}`]);
  if (ask.method === 'GET') {
    return { url: `${endpoint()}?${new URLSearchParams(members.map(([name, value]) => [name, value]))}`, method: 'GET', headers };
  }
  headers['content-type'] = 'application/json';
  // Not with GET: there it is the cache's answer that is of interest.
  headers['x-graphql-trace'] = '1';
  return { url: endpoint(), method: 'POST', headers, body: `{${members.map(([name, , json]) => `"${name}":${json}`)}}` };
}

/** The members of an object in one of the editors. */
function membersOf({ root, problems }, editor) {
  const problem = problems.find((each) => each.severity !== 'warning');
  if (problem) throw new Error(`${editor}: ${problem.message}`);
  return root?.members ?? [];
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
