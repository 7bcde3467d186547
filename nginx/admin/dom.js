// dom.js - elements made by hand. Text goes in as text and only as text: there is no markup from a string anywhere on
// this page, and the Content-Security-Policy would refuse it (require-trusted-types-for).

const PROPERTIES = new Set(['value', 'checked', 'disabled', 'hidden', 'readOnly', 'open', 'tabIndex', 'download']);

/** el('a', { href, class, on: { click } }, child, 'text', ...): nothing (null, false) is left out. */
export function el(name, props = {}, ...children) {
  const node = document.createElement(name);
  for (const [prop, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (prop === 'on') for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    else if (PROPERTIES.has(prop)) node[prop] = value;
    else node.setAttribute(prop, value === true ? '' : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const SVG = 'http://www.w3.org/2000/svg';

export function svg(name, props = {}, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [prop, value] of Object.entries(props)) node.setAttribute(prop, value);
  node.append(...children);
  return node;
}

let ids = 0;
export const newId = (what) => `${what}-${++ids}`;

/** A control with its label above it, and what helps to fill it in below. */
export function field(label, control, help) {
  const id = control.id || newId('field');
  control.id = id;
  const parts = [el('label', { for: id }, label), control];
  if (help) {
    const helpId = `${id}-help`;
    control.setAttribute('aria-describedby', helpId);
    parts.push(el('p', { class: 'help', id: helpId }, help));
  }
  return el('div', { class: 'field' }, parts);
}

/** An error that belongs to CONTROL: said at once, tied to it, and gone when TEXT is empty. */
export function showProblem(control, text) {
  const id = `${control.id}-problem`;
  let node = control.nextElementSibling?.id === id ? control.nextElementSibling : null;
  const others = (control.getAttribute('aria-describedby') ?? '').split(' ').filter((one) => one && one !== id);
  if (!text) {
    node?.remove();
    control.removeAttribute('aria-invalid');
    if (others.length) control.setAttribute('aria-describedby', others.join(' '));
    else control.removeAttribute('aria-describedby');
    return;
  }
  if (!node) {
    node = el('p', { class: 'problem', id, role: 'alert' });
    control.after(node);
  }
  node.textContent = text;
  control.setAttribute('aria-invalid', 'true');
  control.setAttribute('aria-describedby', [id, ...others].join(' '));
}

/** A question before something that cannot be undone. Resolves with whether the answer was yes. */
export function confirm({ title, body, yes }) {
  const heading = newId('dialog');
  return new Promise((resolve) => {
    const before = document.activeElement;
    const close = (answer) => () => dialog.close(answer);
    const dialog = el('dialog', { 'aria-labelledby': heading, class: 'card' },
      el('h2', { id: heading }, title), body,
      el('div', { class: 'buttons' },
        el('button', { type: 'button', class: 'danger', on: { click: close('yes') } }, yes),
        el('button', { type: 'button', class: 'plain', autofocus: true, on: { click: close('') } }, 'Cancel')));
    dialog.addEventListener('close', () => {
      dialog.remove();
      if (before?.isConnected) before.focus();
      resolve(dialog.returnValue === 'yes');
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
