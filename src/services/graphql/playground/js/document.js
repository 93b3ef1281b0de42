// Reads a GraphQL document as it stands while somebody types: it goes on after
// mistakes, tells each token's role for highlighting, and knows what may stand
// at the caret. With a schema it also tells what the server would refuse.

import { lex } from './lex.js';
import { isRequired, nullable, written } from './schema.js';

const KEYWORDS = ['query', 'mutation', 'subscription', 'fragment'];

/**
 * Reads `text`. With a `caret` the word under it is taken for one that is not
 * finished: `expected` then says what it could become, `word` where it stands.
 *
 * @returns {{ tokens, problems, operations, fragments, expected, word }}
 */
export function readDocument(text, schema, caret = -1) {
  return new Reader(text, schema, caret).document();
}

class Reader {
  constructor(text, schema, caret) {
    this.text = text;
    this.schema = schema;
    this.tokens = lex(text);
    this.queue = this.tokens.filter((token) => token.kind !== 'comment');
    this.index = 0;
    this.problems = [];
    this.operations = [];
    this.fragments = new Map();
    if (caret >= 0) this.placeCaret(caret);
  }

  placeCaret(caret) {
    const around = this.tokens.find((token) => token.start < caret && caret <= token.end);
    const isText = ['comment', 'string', 'number', 'bad'].includes(around?.kind);
    if (isText && (caret < around.end || around.kind !== 'string')) return;
    if (around?.kind === 'name') {
      this.word = around;
    } else {
      this.word = { kind: 'name', value: '', start: caret, end: caret };
      const next = this.queue.findIndex((token) => token.start >= caret);
      this.queue.splice(next < 0 ? this.queue.length : next, 0, this.word);
    }
  }

  // --- tokens

  get token() {
    return this.queue[this.index] ?? { kind: 'end', value: '', start: this.text.length, end: this.text.length };
  }

  at(value) {
    const { kind, value: found } = this.token;
    return kind === 'punctuator' && found === value;
  }

  advance() {
    const { token } = this;
    this.index++;
    return token;
  }

  take(value) {
    if (this.at(value)) return this.advance();
    const { token } = this;
    if (token !== this.word) this.problem(token, `Expected “${value}”${shown(token)}`);
    return null;
  }

  /** Takes a name; `expected` describes what else it could be. */
  name(role, expected) {
    const { token } = this;
    if (token.kind !== 'name') {
      this.problem(token, `Expected a name${shown(token)}`);
      return null;
    }
    token.role = role;
    if (token === this.word) this.expected = expected;
    return this.advance();
  }

  problem({ start, end }, message, severity) {
    this.problems.push({ start, end, message, severity });
  }

  /** Reads items between brackets, going on after what does not belong there. */
  list(open, close, isItem, item, isNeeded = open === '(') {
    const opened = this.advance();
    let count = 0;
    while (!this.at(close) && this.token.kind !== 'end' && !this.startsDefinition()) {
      const before = this.index;
      if (isItem()) {
        item();
        count++;
      } else {
        this.problem(this.token, `Unexpected “${this.token.value}”`);
      }
      if (this.index === before) this.advance();
    }
    if (!this.at(close)) {
      this.problem(opened, `This “${open}” is never closed`);
      return opened;
    }
    if (isNeeded && !count) this.problem({ start: opened.start, end: this.token.end }, 'Nothing between these');
    return this.advance();
  }

  /** Whether a definition begins here, at the start of a line: then a bracket above was forgotten. */
  startsDefinition() {
    const { token } = this;
    if (token.kind !== 'name' || token === this.word || !KEYWORDS.includes(token.value)) return false;
    const next = this.queue[this.index + 1];
    return (token.start === 0 || this.text[token.start - 1] === '\n') && (next?.kind === 'name' || next?.value === '{');
  }

  // --- definitions

  document() {
    while (this.token.kind !== 'end') {
      const { token } = this;
      if (this.at('{')) this.operation('query');
      else if (token === this.word) this.name('keyword', { kind: 'definition' });
      else if (token.value === 'fragment') this.fragment();
      else if (KEYWORDS.includes(token.value)) this.operation(this.name('keyword').value);
      else this.problem(this.advance(), `Expected a definition${shown(token)}`);
    }
    this.wholeDocument();
    const { tokens, problems, operations, fragments, expected, word } = this;
    problems.sort((one, other) => one.start - other.start);
    return { tokens, problems, operations, fragments, expected, word };
  }

  operation(kind) {
    const start = this.queue[this.index - (this.at('{') && kind === 'query' ? 0 : 1)]?.start ?? 0;
    const operation = { kind, start, variables: new Map(), uses: [], spreads: [] };
    this.definition = operation;
    this.operations.push(operation);
    if (this.token.kind === 'name') {
      operation.at = this.name('definition');
      operation.name = operation.at?.value;
    }
    if (this.at('(')) this.list('(', ')', () => this.at('$'), () => this.variable(operation));
    this.directives(kind.toUpperCase());
    const root = this.schema?.roots[kind];
    if (this.schema && !root) this.problem(operation.at ?? this.token, `The schema has no ${kind}`);
    operation.end = this.needSelections(root, { start, end: start + kind.length });
  }

  variable(operation) {
    const dollar = this.advance();
    const name = this.name('variable');
    if (name) dollar.role = 'variable';
    this.take(':');
    const type = this.typeReference();
    if (name) operation.variables.set(name.value, { at: name, type });
    if (this.at('=')) {
      this.advance();
      this.value(type);
    }
    this.directives('VARIABLE_DEFINITION');
  }

  typeReference() {
    let type;
    if (this.at('[')) {
      this.advance();
      type = { kind: 'LIST', ofType: this.typeReference() };
      this.take(']');
    } else {
      const name = this.name('type', { kind: 'inputType' });
      const known = this.schema?.types.get(name?.value);
      if (name && this.schema && !this.schema.isInput(known)) this.problem(name, `${name.value} is no type of input`);
      type = { kind: known?.kind, name: name?.value };
    }
    return this.at('!') && this.advance() ? { kind: 'NON_NULL', ofType: type } : type;
  }

  fragment() {
    const start = this.name('keyword').start;
    const name = this.name('definition');
    const fragment = { start, at: name, uses: [], spreads: [] };
    this.definition = fragment;
    if (name) this.fragments.set(name.value, fragment);
    fragment.type = this.condition();
    this.directives('FRAGMENT_DEFINITION');
    fragment.end = this.needSelections(fragment.type, name ?? { start, end: start + 8 });
  }

  /** `on Type`. */
  condition(within) {
    const { token } = this;
    if (token.value !== 'on') this.problem(token, `Expected “on”${shown(token)}`);
    if (token.kind === 'name') this.name('keyword', { kind: 'on' });
    const name = this.name('type', { kind: 'condition', within });
    const type = name && this.schema?.types.get(name.value);
    if (name && this.schema && !this.schema.isComposite(type)) this.problem(name, `${name.value} is no type with fields`);
    return type ?? undefined;
  }

  // --- selections

  needSelections(parent, at) {
    if (this.at('{')) return this.selections(parent);
    this.problem(at, `Expected “{” and fields${parent ? ` of ${parent.name}` : ''}`);
    return this.token.start;
  }

  /** Reads `{ … }`; returns where it ends. */
  selections(parent) {
    const isItem = () => this.at('...') || this.token.kind === 'name';
    return this.list('{', '}', isItem, () => (this.at('...') ? this.spread(parent) : this.field(parent)), true).end;
  }

  spread(parent) {
    this.advance().role = 'keyword';
    const { token } = this;
    const isCaret = token === this.word && token.value !== 'on';
    if (token.kind === 'name' && (isCaret || token.value !== 'on')) {
      const name = this.name('definition', { kind: 'spread', parent });
      this.definition.spreads.push(name);
      this.directives('FRAGMENT_SPREAD');
      return;
    }
    const type = token.value === 'on' ? this.condition(parent) : parent;
    this.directives('INLINE_FRAGMENT');
    this.needSelections(type, token);
  }

  field(parent) {
    const expected = { kind: 'field', parent };
    let name = this.name('field', expected);
    if (this.at(':')) {
      name.role = 'alias';
      this.advance();
      name = this.name('field', expected);
      if (!name) return;
    }
    const definition = parent && this.schema.field(parent, name.value);
    const isKnown = definition || !parent || name === this.word || name.value.startsWith('__');
    if (!isKnown) this.problem(name, `${parent.name} has no field “${name.value}”`);
    this.members('(', ')', definition?.args, name);
    this.directives('FIELD');
    const type = definition && this.schema.type(definition.type);
    if (this.at('{')) {
      if (type && !this.schema.isComposite(type)) this.problem(name, `${name.value} is a ${type.name}: it has no fields`);
      this.selections(this.schema?.isComposite(type) ? type : undefined);
    } else if (this.schema?.isComposite(type)) {
      this.problem(name, `Choose fields of ${name.value}: it is a ${written(definition.type)}`);
    }
  }

  /** Reads `(name: value …)`, or the same in braces, by what `owner` takes; without definitions unchecked. */
  members(open, close, definitions, owner) {
    const given = new Set();
    if (this.at(open)) {
      this.list(open, close, () => this.token.kind === 'name', () => {
        const name = this.name('argument', { kind: 'argument', definitions, given });
        given.add(name.value);
        const definition = definitions?.find((each) => each.name === name.value);
        if (definitions && !definition) this.problem(name, `${owner.value} has no “${name.value}”`);
        if (this.take(':')) this.value(definition?.type);
      });
    }
    const missing = (definitions ?? []).filter((each) => isRequired(each) && !given.has(each.name));
    if (missing.length) this.problem(owner, `${owner.value} needs ${missing.map((each) => each.name).join(', ')}`);
  }

  directives(location) {
    while (this.at('@')) {
      this.advance().role = 'directive';
      const name = this.name('directive', { kind: 'directive', location });
      if (!name) return;
      const definition = this.schema?.directives.get(name.value);
      if (this.schema && !definition) this.problem(name, `There is no @${name.value}`);
      this.members('(', ')', definition?.args, name);
    }
  }

  // --- values

  value(type) {
    const { token } = this;
    if (this.at('$')) return this.variableUse();
    if (this.at('[')) {
      const item = type && nullable(type).kind === 'LIST' ? nullable(type).ofType : undefined;
      return this.list('[', ']', () => this.token.value !== ':', () => this.value(item));
    }
    if (this.at('{')) {
      const object = this.schema?.type(type);
      return this.members('{', '}', object?.inputFields, { ...token, value: object?.name });
    }
    if (token.kind === 'name') {
      const isLiteral = ['true', 'false', 'null'].includes(token.value);
      this.name(isLiteral ? 'literal' : 'enum', { kind: 'value', type, definition: this.definition });
      const values = type && this.schema?.type(type)?.enumValues;
      const isKnown = !values || token.value === 'null' || values.some((each) => each.name === token.value);
      if (!isKnown) this.problem(token, `Expected a ${written(type)}${shown(token)}`);
    } else if (token.kind === 'number' || token.kind === 'string') {
      this.advance();
    } else {
      this.problem(token, `Expected a value${shown(token)}`);
    }
    return undefined;
  }

  variableUse() {
    const dollar = this.advance();
    const name = this.name('variable', { kind: 'variable', definition: this.definition });
    if (!name) return;
    dollar.role = 'variable';
    this.definition.uses.push(name);
  }

  // --- what only the whole document tells

  wholeDocument() {
    for (const operation of this.operations) {
      const uses = this.usesOf(operation);
      for (const name of uses) {
        if (!operation.variables.has(name.value)) this.problem(name, `$${name.value} is not declared`);
      }
      for (const [name, { at }] of operation.variables) {
        if (!uses.some((use) => use.value === name)) this.problem(at, `$${name} is never used`, 'warning');
      }
      if (!operation.name && this.operations.length > 1) {
        const { start } = operation;
        this.problem({ start, end: start + 1 }, 'Among several operations each needs a name');
      }
    }
  }

  /** The variables used by an operation, in its fragments too. */
  usesOf(operation) {
    const seen = new Set();
    const uses = [];
    const visit = (definition) => {
      uses.push(...definition.uses);
      for (const spread of definition.spreads) {
        const fragment = this.fragments.get(spread.value);
        if (!fragment) this.problem(spread, `There is no fragment ${spread.value}`);
        else if (!seen.has(fragment)) visit(seen.add(fragment) && fragment);
      }
    };
    visit(operation);
    return uses;
  }
}

const shown = (token) => (token.kind === 'end' ? ', found the end' : `, found “${token.value}”`);
