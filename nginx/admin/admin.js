// admin.js - the page: who is signed in, which view the address asks for, and what happens when either changes.
//
//   api.js      the REST door            metrics.js  /metrics, and rates of it
//   signin.js projects.js keys.js value.js editor.js      the views
//   traffic.js plot.js                   reads and writes per second
//   routes.js   addresses                dom.js text.js json.js      small tools
import { el } from './dom.js';
import { editorView } from './editor.js';
import { keysView } from './keys.js';
import { openMetrics } from './metrics.js';
import { projectsView } from './projects.js';
import { read, toKeys, toProjects } from './routes.js';
import { signInView } from './signin.js';
import { plainKey } from './text.js';
import { keyView } from './value.js';

const VIEWS = { projects: projectsView, keys: keysView, key: keyView, edit: editorView, new: editorView };

const byId = (id) => document.getElementById(id);
const main = byId('main'), status = byId('status');

/** The key is in `api`, and there alone. */
let session = null;		// { api, access, home }
let current = null;		// { view, project, close, unsaved, abort } that is shown
const metrics = openMetrics();
const drafts = new Map();	// what was typed and not saved, until it is, or nobody is signed in
const cursors = new Map();	// of pages that were seen
const titles = new Map();	// projects by their id

/** Say it once, where it is read out and seen; TONE 'bad' for what did not work. */
function say(what, tone = 'good') {
  status.className = tone;
  status.replaceChildren(...[what].flat());
}

const hush = () => say([]);

// --- who is signed in ---

function opened({ api, access }) {
  session = { api, access };
  byId('who').hidden = false;
  byId('access').textContent = { admin: 'Admin key', read_write: 'API key', read: 'API key, read only' }[access] ?? 'Key';
  metrics.start();
  hush();
  show();
}

/** Nothing of what the key opened stays. */
function close(message = '') {
  session?.api.forget();
  session = null;
  metrics.stop();
  current?.close?.();
  if (current) current.close = current.unsaved = undefined;
  drafts.clear();
  cursors.clear();
  titles.clear();
  byId('who').hidden = true;
  byId('access').textContent = '';
  hush();
  show(message);
}

function refused() {
  if (session) close('Your key is no longer taken: it has expired or was revoked. Sign in with another one.');
}

// --- which view ---

/** Where an API key is at home: its one project. */
async function home(signal) {
  if (session.access === 'admin') return toProjects(1);
  const { projects } = await session.api.projects(1, 1, signal);
  return toKeys(projects[0].id);
}

function go(hash, { replace = false } = {}) {
  if (location.hash === hash) return show();
  if (!replace) {
    location.hash = hash;
    return undefined;
  }
  history.replaceState(null, '', hash);
  return show();
}

function contextOf(place, signal, from) {
  const { api, access } = session;
  return {
    ...place, api, access, metrics, drafts, cursors, signal, go, say, plainKey, from, projectId: place.project, reload: () => show(),
    async project() {
      if (!titles.has(place.project)) titles.set(place.project, await api.project(place.project, signal));
      return titles.get(place.project);
    },
  };
}

function errorView(error, place) {
  const words = {
    404: place.view === 'key' || place.view === 'edit' ?
      ['There is no such key', 'It was deleted, or has expired, or never was.'] : ['There is no such project', 'It was deleted, or never was.'],
    403: ['Not with this key', error.message],
  }[error.status] ?? ['This did not work', error.message];
  const heading = el('h1', { tabIndex: -1 }, words[0]);
  return { title: words[0], focus: heading, node: el('div', { class: 'card' }, heading, el('p', {}, words[1]),
    el('div', { class: 'buttons' }, el('button', { type: 'button', on: { click: () => show() } }, 'Try again'),
      place.project && place.view !== 'keys' && error.status === 404 && el('a', { class: 'button plain', href: toKeys(place.project) }, 'To the keys'),
      el('a', { class: 'button plain', href: '#/' }, 'To the start'))) };
}

async function viewOf(place, signal, from, message) {
  if (!session) return signInView({ opened, refused, message, signal });
  try {
    if (place.view === '' || (place.view === 'projects' && session.access !== 'admin')) {
      history.replaceState(null, '', await home(signal));
      return await viewOf(read(location.hash), signal, from);
    }
    if (place.view === null) return errorView({ status: 0, message: 'There is nothing at this address.' }, place);
    return await VIEWS[place.view](contextOf(place, signal, from));
  } catch (error) {
    if (signal.aborted) throw error;
    if (!(error instanceof Error) || error.status === undefined) console.error(error);
    return errorView(error, place);
  }
}

/** What the address says, in place of what is there. */
async function show(message = '') {
  const from = current;
  const abort = new AbortController();
  const place = read(location.hash);
  from?.abort.abort();
  current = { ...place, abort, close: from?.close, unsaved: from?.unsaved };
  const mine = current;
  main.setAttribute('aria-busy', 'true');
  let view;
  try {
    view = await viewOf(place, abort.signal, from, message);
  } catch {
    return;
  }
  if (current !== mine) {
    view.close?.();
    return;
  }
  mine.close?.();
  current = { ...read(location.hash), abort, close: view.close, unsaved: view.unsaved };
  document.title = `${view.title} – TMA KV`;
  main.replaceChildren(view.node);
  main.removeAttribute('aria-busy');
  (view.focus ?? main).focus({ preventScroll: true });
  if (from) scrollTo(0, 0);
}

addEventListener('hashchange', () => {
  // The link to the content is no address.
  if (location.hash === '#main') return;
  hush();
  show();
});
addEventListener('beforeunload', (event) => { if (current?.unsaved?.()) event.preventDefault(); });
// A page that waits behind another one would still have the key in its memory.
addEventListener('pagehide', () => { if (session) close(); });
byId('sign-out').addEventListener('click', () => {
  history.replaceState(null, '', '#/');
  close();
  say('Signed out.');
});
byId('skip').addEventListener('click', (event) => {
  event.preventDefault();
  main.focus();
});
show();
