// Lays a document out anew. Only what means nothing changes: space, commas and
// line breaks; every token and comment stays, in its order.

import { lex } from './lex.js';

const WIDTH = 80;
const CLOSING = { '{': '}', '(': ')', '[': ']' };

/** The document in the customary form; as it is, if brackets or tokens are wrong. */
export function prettify(text) {
  const tokens = lex(text);
  const open = [];
  let out = '';
  for (const [index, token] of tokens.entries()) {
    const around = open.at(-1);
    const isClosing = is(token, '}', ')', ']');
    if (token.kind === 'bad' || (isClosing && CLOSING[around?.value] !== token.value)) return text;
    if (isClosing) open.pop();
    const gap = gapBefore(tokens, index, around, isClosing);
    if (gap.includes('\n')) out = out.trimEnd() + gap + '  '.repeat(open.filter((each) => each.isBroken).length);
    else out += gap;
    const column = out.length - out.lastIndexOf('\n');
    if (is(token, ...Object.keys(CLOSING))) open.push({ ...token, isBroken: isBroken(tokens, index, open, column) });
    out += token.value;
  }
  return open.length ? text : `${out}\n`;
}

const is = ({ kind, value } = {}, ...values) => kind === 'punctuator' && values.includes(value);
const isSelections = (bracket) => bracket?.value === '{' && bracket.isBroken;

/** Whether what is inside a bracket stands on lines of its own. */
function isBroken(tokens, index, open, column) {
  if (tokens[index].value !== '(') return tokens[index].value === '{' && open.every(isSelections);
  let width = column;
  for (let depth = 0, each = index; each < tokens.length; each++) {
    const { kind, value } = tokens[each];
    if (kind === 'comment' || value.includes('\n')) return true;
    width += value.length + 1;
    if (is(tokens[each], '(')) depth++;
    if (is(tokens[each], ')') && --depth === 0) break;
  }
  return width > WIDTH;
}

function gapBefore(tokens, index, around, isClosing) {
  const [token, next] = [tokens[index], tokens[index + 1]];
  const [before, last] = [tokens[index - 2], tokens[index - 1]];
  if (!last) return '';
  const isName = token.kind === 'name';
  const line = !around && is(last, '}') ? '\n\n' : '\n';
  if (last.kind === 'comment') return '\n';
  if (token.kind === 'comment') return line;
  if (isClosing) return around.isBroken ? '\n' : around.value === '{' ? ' ' : '';
  if (!around && is(last, '}')) return line;
  if (isSelections(around)) {
    const goesOn = is(last, ':', '@', '...') || (last.value === 'on' && is(before, '...'));
    if ((isName && !goesOn) || is(token, '...') || is(last, '{')) return '\n';
  }
  const isMember = isName && is(next, ':') && !is(last, '$');
  if (around?.value === '(' && (isMember || (is(token, '$') && !is(last, ':', '=')))) {
    return around.isBroken ? '\n' : is(last, '(') ? '' : ', ';
  }
  if (is(last, '$', '@', '(', '[') || is(token, ':', '(', '!')) return '';
  if (is(last, '...') && isName && token.value !== 'on') return '';
  if (is(last, '{') || !around || isSelections(around)) return ' ';
  const isItem = around.value === '[' && (token.kind !== 'punctuator' || is(token, '[', '{', '$')) && !is(last, ':');
  return isItem || (around.value === '{' && isMember) ? ', ' : ' ';
}
