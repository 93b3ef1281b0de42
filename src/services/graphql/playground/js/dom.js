// Small helpers over the DOM. Text only ever becomes text nodes, so that
// nothing a server says can turn into markup.

/** The element with this id. */
export const byId = (id) => document.getElementById(id);

/**
 * Makes an element: `element('button.plain', { onclick }, 'Text', child)`.
 * Properties are set as properties, those with a hyphen as attributes.
 */
export function element(spec, properties = {}, ...children) {
  const [tag, ...classes] = spec.split('.');
  const made = document.createElement(tag);
  if (classes.length) made.className = classes.join(' ');
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes('-') || name === 'role') made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

/** A button that is no part of a form. */
export const button = (spec, onclick, ...children) => element(`button${spec}`, { type: 'button', onclick }, ...children);

/** Tells people who listen instead of look, and shows it for a moment. */
export function announce(text) {
  const toast = byId('toast');
  toast.textContent = text;
  toast.classList.add('shown');
  clearTimeout(announce.timer);
  announce.timer = setTimeout(() => toast.classList.remove('shown'), 2500);
}

/** Copies text. Without a secure context there is no clipboard interface, only the old command. */
export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const hidden = element('textarea.off-screen', { value: text });
    document.body.append(hidden);
    hidden.select();
    document.execCommand?.('copy');
    hidden.remove();
  }
  announce(`${what} copied`);
}
