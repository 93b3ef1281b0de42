// JSON with positions: for the editors of variables and headers, which need to
// know where a mistake is, and for answers, whose numbers must stay as written
// (a double has no room for large integers).

const JSON_TOKEN = /([ \t\r\n]+)|("(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)|(true|false|null)\b|([{}[\],:])|("[^\n]*|[\w$.+-]+|[^])/y;
const KINDS = ['space', 'string', 'number', 'literal', 'punctuator', 'bad'];

export function lexJson(text) {
  const tokens = [];
  JSON_TOKEN.lastIndex = 0;
  while (JSON_TOKEN.lastIndex < text.length) {
    const start = JSON_TOKEN.lastIndex;
    const found = JSON_TOKEN.exec(text);
    const kind = KINDS[found.findIndex((group, index) => index > 0 && group !== undefined) - 1];
    if (kind !== 'space') tokens.push({ kind, value: found[0], start, end: JSON_TOKEN.lastIndex });
  }
  return tokens;
}

/**
 * Reads a text as far as it goes. Nodes are `{ kind, start, end }` with `text`
 * (scalars), `items` (arrays) or `members` of `{ key, at, node }` (objects).
 *
 * @returns {{ tokens, root, problems }} where `root` is undefined if there is nothing
 */
export function readJson(text) {
  const tokens = lexJson(text);
  const problems = [];
  let index = 0;
  const end = { kind: 'end', value: '', start: text.length, end: text.length };
  const peek = () => tokens[index] ?? end;
  const fail = (token, message) => {
    const found = token.kind === 'end' ? 'the end' : `“${token.value.slice(0, 20)}”`;
    problems.push({ start: token.start, end: token.end, message: `${message}, found ${found}` });
  };

  function value() {
    const token = peek();
    if (token.value === '{' || token.value === '[') return group(token);
    if (['string', 'number', 'literal'].includes(token.kind)) {
      index++;
      return { kind: token.kind, text: token.value, start: token.start, end: token.end };
    }
    fail(token, 'Expected a value');
    return undefined;
  }

  /** An object or an array; the first mistake ends it. */
  function group(open) {
    const isObject = open.value === '{';
    const close = isObject ? '}' : ']';
    const node = { kind: isObject ? 'object' : 'array', start: open.start, [isObject ? 'members' : 'items']: [] };
    index++;
    for (let first = true; peek().value !== close; first = false) {
      if (!first) {
        if (peek().value !== ',') {
          fail(peek(), `Expected “,” or “${close}”`);
          return { ...node, end: peek().end };
        }
        index++;
      }
      const read = isObject ? member(node) : value();
      if (!isObject && read) node.items.push(read);
      if (!read) return { ...node, end: peek().end };
    }
    node.end = peek().end;
    index++;
    return node;
  }

  function member(node) {
    const key = peek();
    if (key.kind !== 'string') return fail(key, 'Expected a name in quotes');
    key.role = 'key';
    const name = JSON.parse(key.value);
    const made = { key: name, at: key };
    node.members.push(made);
    index++;
    if (peek().value !== ':') return fail(peek(), 'Expected “:”');
    index++;
    made.node = value();
    return made.node;
  }

  const root = tokens.length ? value() : undefined;
  if (tokens.length && !problems.length && index < tokens.length) fail(peek(), 'Expected the end');
  return { tokens, root, problems };
}

/** Reads a text that has to be an object, or empty. */
export function readObject(text) {
  const read = readJson(text);
  if (read.root && read.root.kind !== 'object') read.problems.push({ ...read.root, message: 'Expected an object: { … }' });
  return read;
}

/** A node laid out over lines. */
export function layOut(node, indent = '') {
  const deeper = `${indent}  `;
  const parts = node.kind === 'object'
    ? node.members.map(({ at, node: value }) => `${deeper}${at.value}: ${layOut(value, deeper)}`)
    : node.items?.map((item) => deeper + layOut(item, deeper));
  if (!parts) return node.text;
  const [open, close] = node.kind === 'object' ? '{}' : '[]';
  return parts.length ? `${open}\n${parts.join(',\n')}\n${indent}${close}` : open + close;
}
