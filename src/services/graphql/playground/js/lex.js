// Tokens of GraphQL documents (specification, section 2.1).

const TOKEN = new RegExp(
  [
    '(?<space>[ \\t\\n\\r,\\uFEFF]+)',
    '(?<comment>#[^\\n\\r]*)',
    '(?<name>[_A-Za-z][_0-9A-Za-z]*)',
    '(?<number>-?(?:0|[1-9][0-9]*)(?:\\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)',
    '(?<string>"""(?:\\\\"""|[^])*?"""|"(?!"")(?:\\\\.|[^"\\\\\\n\\r])*")',
    '(?<punctuator>\\.\\.\\.|[!$&():=@[\\]{|}])',
    // What is no token: a string that does not end, to the end of its line; else one character.
    '(?<bad>"[^\\n\\r]*|[^])',
  ].join('|'),
  'y',
);

/** All tokens with comments and without space: `{ kind, value, start, end }`. */
export function lex(text) {
  const tokens = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const start = TOKEN.lastIndex;
    const { groups } = TOKEN.exec(text);
    const kind = Object.keys(groups).find((name) => groups[name] !== undefined);
    if (kind !== 'space') tokens.push({ kind, value: groups[kind], start, end: TOKEN.lastIndex });
  }
  return tokens;
}

/** The pair of bracket tokens of which one touches `offset`, if there is one. */
export function brackets(tokens, offset) {
  const open = [];
  const closer = { '{': '}', '(': ')', '[': ']' };
  for (const token of tokens) {
    if (token.kind !== 'punctuator') continue;
    if (closer[token.value]) open.push(token);
    if (!['}', ')', ']'].includes(token.value)) continue;
    const first = open.pop();
    if (!first || closer[first.value] !== token.value) return null;
    if ([first, token].some((each) => each.start === offset || each.end === offset)) return [first, token];
  }
  return null;
}

/** The offset of a line and a column, both counted from 1. */
export function offsetAt(text, line, column) {
  let start = 0;
  for (let left = line; left > 1; left--) {
    const end = text.indexOf('\n', start);
    if (end < 0) break;
    start = end + 1;
  }
  return Math.min(start + column - 1, text.length);
}

/** The line and the column of an offset, as `line:column`. */
export function positionOf(text, offset) {
  const before = text.slice(0, offset).split('\n');
  return `${before.length}:${before.at(-1).length + 1}`;
}
