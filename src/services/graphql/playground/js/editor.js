// A text editor: a plain textarea, so that caret, selection, undo, input methods
// and screen readers are the browser's, over a layer that shows the same text
// highlighted. Both have the same size; the element around them scrolls.

import { button, byId, element } from './dom.js';
import { brackets, positionOf } from './lex.js';
import { Suggestions } from './suggestions.js';

const PAIRS = { '{': '}', '(': ')', '[': ']' };

/** The class of what has a problem; problems are errors unless they say otherwise. */
const severityOf = (problem) => (problem ? (problem.severity ?? 'error') : '');

export class Editor {
  /**
   * @param id of the element that becomes the editor
   * @param options `label`; `read(text)` → `{ tokens, problems }`; `suggest(text, caret)` →
   *   suggestions or null; `onChange()`; `hint` for an empty editor
   */
  constructor(id, options) {
    this.options = options;
    this.host = byId(id);
    this.area = element('textarea.code', {
      id: `${id}-text`, spellcheck: false, autocapitalize: 'off', autocomplete: 'off', wrap: 'off',
      placeholder: options.hint ?? '',
      'aria-label': options.label, 'aria-describedby': `${id}-problem`,
    });
    this.layer = element('pre.code.layer', { 'aria-hidden': 'true' });
    this.numbers = element('div.code.numbers', { 'aria-hidden': 'true' });
    this.status = button('.problem', () => this.select(this.problem.start, this.problem.end));
    this.status.id = `${id}-problem`;
    this.scroller = element('div.scroller', {}, this.numbers, element('div.stack', {}, this.layer, this.area));
    this.suggestions = new Suggestions(this, id);
    this.host.append(this.scroller, this.status, this.suggestions.list);
    this.marks = [];
    this.listen();
    this.show();
  }

  listen() {
    this.area.addEventListener('input', (event) => {
      this.marks = [];
      this.changed();
      const isTyping = /[\w$@]/.test(event.data ?? '') && event.inputType !== 'insertFromPaste';
      const isNarrowing = /^delete/.test(event.inputType) && this.suggestions.isOpen;
      if (isTyping || isNarrowing) this.suggestions.open();
      else this.suggestions.close();
    });
    this.area.addEventListener('keydown', (event) => this.key(event));
    this.area.addEventListener('blur', () => this.suggestions.close());
    document.addEventListener('selectionchange', () => {
      if (document.activeElement !== this.area) return;
      this.options.onCaret?.(this.caret);
      this.moved();
    });
  }

  // --- text

  get text() {
    return this.area.value;
  }

  /** Replaces the whole text, as one step that can be undone. */
  set text(value) {
    this.replace(0, this.text.length, value);
    this.area.setSelectionRange(0, 0);
    this.scroller.scrollTop = 0;
  }

  get caret() {
    return this.area.selectionEnd;
  }

  /** Replaces a part; the caret then stands `caret` characters into what was put in. */
  replace(from, to, insert, caret = insert.length) {
    const focused = document.activeElement;
    this.area.focus({ preventScroll: true });
    this.area.setSelectionRange(from, to);
    // The old command is the only way that keeps the browser's undo; not every browser has it.
    // It works on what has the focus, which an editor in a hidden tab cannot get.
    const isHere = document.activeElement === this.area;
    const isDone = isHere && document.execCommand?.(insert ? 'insertText' : 'delete', false, insert);
    if (!isDone) this.area.setRangeText(insert, from, to, 'end');
    this.area.setSelectionRange(from + caret, from + caret);
    if (focused !== document.body) focused.focus({ preventScroll: true });
    this.marks = [];
    this.changed();
  }

  changed() {
    this.show();
    this.options.onChange?.();
  }

  /** Shows mistakes that the server told: `{ start, end, message }`. They are gone with the next change. */
  mark(marks) {
    this.marks = marks;
    this.show();
  }

  /** Selects a range and brings it into view. */
  select(start, end) {
    this.area.focus();
    this.area.setSelectionRange(start, end);
    this.tokens.find((token) => token.end > start)?.span.scrollIntoView({ block: 'nearest' });
  }

  // --- view

  show() {
    const { text } = this;
    const { tokens, problems } = this.options.read(text);
    this.tokens = tokens;
    // The server knows better, as long as the document is the one it saw.
    this.problems = this.marks.length ? this.marks : problems;
    const lines = [element('div')];
    const isBad = new Set();
    const put = (part, classes) => {
      let span;
      part.split('\n').forEach((piece, index) => {
        if (index > 0) lines.push(element('div'));
        if (classes.includes('error')) isBad.add(lines.length);
        span = classes ? element('span', { className: classes }, piece) : piece;
        lines.at(-1).append(span);
      });
      return span;
    };
    let done = 0;
    for (const token of tokens) {
      put(text.slice(done, token.start), '');
      const problem = this.problemAt(token);
      token.span = put(text.slice(token.start, token.end), `${token.role ?? token.kind} ${severityOf(problem)}`);
      done = token.end;
    }
    put(text.slice(done), '');
    this.layer.replaceChildren(...lines);
    this.numbers.replaceChildren(...lines.map((_, index) => element(isBad.has(index + 1) ? 'div.error' : 'div', {}, index + 1)));
    this.moved();
  }

  problemAt({ start, end }) {
    const touching = this.problems.filter((each) => start < Math.max(each.end, each.start + 1) && each.start < end);
    return touching.find((each) => severityOf(each) === 'error') ?? touching[0];
  }

  /** The caret moved: other brackets match, another mistake is told. */
  moved() {
    for (const old of this.layer.querySelectorAll('.match')) old.classList.remove('match');
    for (const { span } of brackets(this.tokens, this.caret) ?? []) span.classList.add('match');
    const { caret, problems } = this;
    const problem = problems.find((each) => each.start <= caret && caret <= each.end) ?? problems[0];
    const more = problems.length > 1 ? ` (+${problems.length - 1})` : '';
    const told = problem ? `${positionOf(this.text, problem.start)}  ${problem.message}${more}` : '';
    if (this.status.textContent !== told) this.status.textContent = told;
    this.status.className = `problem ${severityOf(problem)}`;
    this.problem = problem;
  }

  /** Where an offset is: the rectangle of its line, and the column from 0. */
  placeOf(offset) {
    const before = this.text.slice(0, offset).split('\n');
    return { line: this.layer.children[before.length - 1].getBoundingClientRect(), column: before.at(-1).length };
  }

  // --- keys

  key(event) {
    const control = event.ctrlKey || event.metaKey;
    if (event.key === ' ' && event.ctrlKey) {
      event.preventDefault();
      return this.suggestions.open(true);
    }
    if (this.suggestions.isOpen && this.suggestions.key(event)) return event.preventDefault();
    if (control || event.altKey || event.isComposing) return undefined;
    const { selectionStart: from, selectionEnd: to } = this.area;
    const edit = this.editFor(event.key, from, to);
    if (!edit) return undefined;
    event.preventDefault();
    this.replace(...edit);
    if (event.key === '(') this.suggestions.open();
    return undefined;
  }

  /** What a key does beyond putting itself in: the arguments of `replace`. */
  editFor(key, from, to) {
    const { text } = this;
    const [before, after] = [text[from - 1] ?? '', text[to] ?? ''];
    const indent = text.slice(text.lastIndexOf('\n', from - 1) + 1, from).match(/^[ \t]*/)[0];
    if (key === 'Enter') {
      if (!PAIRS[before]) return [from, to, `\n${indent}`];
      const deeper = `\n${indent}  `;
      return PAIRS[before] === after ? [from, to, `${deeper}\n${indent}`, deeper.length] : [from, to, deeper];
    }
    if (PAIRS[key] && from === to && /^[\s)\]}]?$/.test(after)) return [from, to, key + PAIRS[key], 1];
    if (Object.values(PAIRS).includes(key) && from === to && after === key) return [from, to + 1, key];
    if (key === 'Backspace' && from === to && PAIRS[before] === after && after) return [from - 1, to + 1, ''];
    return undefined;
  }
}
