// The list under the caret: arrows choose, Enter or Tab takes, Esc closes.

import { announce, element } from './dom.js';

export class Suggestions {
  constructor(editor, id) {
    this.editor = editor;
    this.id = `${id}-suggestions`;
    this.list = element('ul.suggestions', { id: this.id, role: 'listbox', hidden: true, 'aria-label': 'Suggestions' });
    editor.area.setAttribute('aria-autocomplete', 'list');
    editor.area.setAttribute('aria-controls', this.id);
  }

  get isOpen() {
    return !this.list.hidden;
  }

  /** Looks for suggestions; `asked` if somebody pressed the key for them. */
  open(asked = false) {
    const { editor } = this;
    const found = editor.options.suggest?.(editor.text, editor.caret);
    const typed = editor.text.slice(found?.from, editor.caret);
    // One that is typed out already is in nobody's way.
    const isDone = !asked && found?.items.length === 1 && found.items[0].label === typed;
    if (!found || isDone) {
      if (asked) announce('Nothing to suggest here');
      return this.close();
    }
    this.found = found;
    this.list.replaceChildren(...found.items.map((item, index) => this.row(item, index)));
    this.list.hidden = false;
    this.place();
    this.choose(0);
    return undefined;
  }

  close() {
    this.list.hidden = true;
    this.editor.area.removeAttribute('aria-activedescendant');
  }

  row(item, index) {
    const row = element(
      item.deprecated ? 'li.deprecated' : 'li',
      { id: `${this.id}-${index}`, role: 'option' },
      element('b', {}, item.label),
      element('i', {}, item.detail ?? ''),
      element('small', {}, (item.about ?? '').split('\n')[0]),
    );
    // Before the blur that would close the list.
    row.addEventListener('mousedown', (event) => {
      event.preventDefault();
      this.take(index);
    });
    return row;
  }

  /** Under the word, or above it where there is no room. */
  place() {
    const { line, column } = this.editor.placeOf(this.found.from);
    const { offsetWidth: width, offsetHeight: height, style } = this.list;
    const isBelow = line.bottom + height < innerHeight || line.top < height;
    // The list has the editor's font, so that a column is one `ch`.
    style.left = `max(4px, min(${line.left}px + ${column - 1}ch, 100vw - ${width + 8}px))`;
    style.top = `${isBelow ? line.bottom + 2 : line.top - height - 2}px`;
  }

  choose(index) {
    const rows = [...this.list.children];
    this.chosen = (index + rows.length) % rows.length;
    rows.forEach((row, each) => row.setAttribute('aria-selected', String(each === this.chosen)));
    rows[this.chosen].scrollIntoView?.({ block: 'nearest' });
    this.editor.area.setAttribute('aria-activedescendant', rows[this.chosen].id);
  }

  /** Whether the list knew what to do with a key. */
  key({ key, ctrlKey, metaKey }) {
    if (ctrlKey || metaKey) return false;
    const { from, items } = this.found;
    // A word that is complete needs nothing taken: then Enter begins a line, as it does elsewhere.
    if (key === 'Enter' && this.editor.text.slice(from, this.editor.caret) === items[this.chosen].label) {
      this.close();
      return false;
    }
    if (key === 'ArrowDown') this.choose(this.chosen + 1);
    else if (key === 'ArrowUp') this.choose(this.chosen - 1);
    else if (key === 'Enter' || key === 'Tab') this.take(this.chosen);
    else if (key === 'Escape') this.close();
    else return false;
    return true;
  }

  take(index) {
    const { from, to, items } = this.found;
    const { label, insert = label, caret } = items[index];
    this.close();
    this.editor.replace(from, to, insert, caret ?? insert.length);
    // What was put in leaves a place to fill: go on there.
    if (caret !== undefined || insert.endsWith(' ')) this.open();
  }
}
