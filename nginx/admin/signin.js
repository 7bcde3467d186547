// signin.js - the key is asked for. Whoever pastes another secret is told what is wanted before it is sent anywhere.
import { openApi } from './api.js';
import { el, field, showProblem } from './dom.js';

/** What is pasted by mistake, and what to say then. */
const MISTAKEN = [
  [/^eyJ[\w-]*\.[\w-]+\.[\w-]*$/, 'This is the session token of a Mini App user. What opens this page is an API key or an ' +
    'admin key; both begin with tmakv_.'],
  [/(^|&)(hash|auth_date|query_id)=/, 'This is initData of a Mini App. What opens this page is an API key or an admin key; ' +
    'both begin with tmakv_.'],
  [/^\d{5,}:[\w-]{20,}$/, 'This is a bot token: keep it to yourself. It was sent nowhere. What opens this page is an API ' +
    'key or an admin key; both begin with tmakv_.'],
];

function mistake(text) {
  if (text === '') return 'Paste a key first.';
  const found = MISTAKEN.find(([looks]) => looks.test(text));
  if (found) return found[1];
  return /^tmakv_[\w-]+$/.test(text) ? '' : 'This is no key of TMA KV: they begin with tmakv_ and have no spaces in them.';
}

function refusal(error) {
  if (error.status === 401)
    return 'This key is not known here: it has expired, was revoked, or is of another installation.';
  if (error.status === 403) return `The key was refused: ${error.message}`;
  return error.message;
}

/** The view. OPENED({ api, access }) is called when a key fits; REFUSED is what a later 401 calls. */
export function signInView({ opened, refused, message, signal }) {
  const input = el('input', { type: 'password', id: 'key', name: 'key', autocomplete: 'off', autocapitalize: 'off',
    spellcheck: 'false', required: true });
  const button = el('button', { type: 'submit' }, 'Sign in');

  async function submit(event) {
    event.preventDefault();
    const key = input.value.trim().replace(/^Bearer\s+/i, '');
    const wrong = mistake(key);
    showProblem(input, wrong);
    if (wrong) {
      input.focus();
      return;
    }
    button.disabled = true;
    const api = openApi(key, refused);
    try {
      const { access } = await api.signIn(signal);
      input.value = '';
      opened({ api, access });
    } catch (error) {
      api.forget();
      if (error.name === 'AbortError') return;
      showProblem(input, refusal(error));
      input.value = '';
      input.focus();
    } finally {
      button.disabled = false;
    }
  }

  return {
    title: 'Sign in',
    focus: input,
    node: el('div', { class: 'sign-in' },
      el('div', { class: 'card' },
        el('h1', {}, 'Sign in'),
        message && el('p', { class: 'note', role: 'alert' }, message),
        el('form', { method: 'dialog', novalidate: true, on: { submit } },
          field('API key or admin key', input,
            'It stays in the memory of this page alone: after a reload, or when you sign out, it is asked for again.'),
          button)),
      el('section', { class: 'card', 'aria-labelledby': 'make-key' },
        el('h2', { id: 'make-key' }, 'No key yet?'),
        el('p', {}, 'On the server, one for all projects:'),
        el('pre', { class: 'command' }, 'tmakvctl admin-key create'),
        el('p', {}, 'or one for a single project; one that may only read is enough to look around:'),
        el('pre', { class: 'command' }, 'tmakvctl key create PROJECT ', el('span', { class: 'nowrap' }, '--read-only')))),
  };
}
