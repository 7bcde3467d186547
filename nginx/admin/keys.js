// keys.js - the keys of a project, by prefix, a page at a time.
import { el, field } from './dom.js';
import { findName, uuid } from './projects.js';
import { toKey, toKeys, toNew, toProjects } from './routes.js';
import { openTraffic } from './traffic.js';
import { count, fromNow, localTime, shown, shownKey, size } from './text.js';

const LIMIT = 100;
const METADATA_SHOWN = 80;

/** Where one is, above the heading. */
export function trail(context, project, more = []) {
  const steps = [
    context.access === 'admin' && el('a', { href: toProjects(1) }, 'Projects'),
    more.length ? el('a', { href: toKeys(project.id) }, shownKey(project.title)) : null,
    ...more,
  ].filter(Boolean);
  if (steps.length === 0) return null;
  return el('nav', { class: 'trail', 'aria-label': 'Breadcrumb' }, el('ol', {}, steps.map((step) => el('li', {}, step))));
}

/** Why nothing can be changed; null when it can. */
export function readOnlyNote(context, project) {
  if (context.access !== 'read') return null;
  return el('p', { class: 'note', id: 'read-only' }, 'This key may only read. To change something, sign in with one that may: ',
    el('code', {}, `tmakvctl key create ${project.title}`));
}

function expiry(seconds) {
  if (!seconds) return el('span', { class: 'muted' }, 'never');
  const at = seconds * 1000;
  return el('time', { datetime: new Date(at).toJSON() ?? '', title: localTime(at) }, fromNow(at));
}

function metadataShort(text) {
  if (text === undefined) return el('span', { class: 'muted' }, '–');
  return el('code', {}, shown(text.length > METADATA_SHOWN ? `${text.slice(0, METADATA_SHOWN)}…` : text));
}

function table(project, keys) {
  return el('table', { class: 'keys' },
    el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'Key'), el('th', { scope: 'col', class: 'wide-only' }, 'Metadata'),
      el('th', { scope: 'col', class: 'expires' }, 'Expires'))),
    el('tbody', {}, keys.map(({ name, expiration, metadata }) => el('tr', {},
      el('th', { scope: 'row' }, el('a', { href: toKey(project.id, name) }, shownKey(name))),
      el('td', { class: 'wide-only' }, metadataShort(metadata)),
      el('td', { class: 'expires' }, expiry(expiration))))));
}

/** The way to the pages around this one. A cursor leads on only; those of the pages before are remembered. */
function pager({ project, query, page, next, before, label }) {
  const { prefix } = query;
  if (page === 1 && !next) return null;
  return el('nav', { class: 'pager', 'aria-label': label },
    page > 1 ? el('a', { href: toKeys(project.id, { prefix }) }, 'First') : el('span'),
    page > 2 && before !== undefined ?
      el('a', { href: toKeys(project.id, { prefix, page: page - 1, cursor: before }), rel: 'prev' }, '← Previous') : null,
    page === 2 ? el('a', { href: toKeys(project.id, { prefix }), rel: 'prev' }, '← Previous') : null,
    el('span', { class: 'here' }, `Page ${page}`),
    next ? el('a', { href: toKeys(project.id, { prefix, page: page + 1, cursor: next }), rel: 'next' }, 'Next →') : el('span'));
}

export async function keysView(context) {
  const { api, metrics, query, signal, go, cursors, from } = context;
  const page = query.cursor ? Math.max(2, Number(query.page) || 2) : 1;
  const prefix = query.prefix ?? '';
  const [project, list] = await Promise.all([
    context.project(), api.keys(context.projectId, { prefix, cursor: query.cursor, limit: LIMIT }, signal)]);
  const place = (n) => JSON.stringify([project.id, prefix, n]);
  cursors.set(place(page), query.cursor ?? '');

  const input = el('input', { type: 'search', id: 'prefix', value: prefix, autocomplete: 'off', autocapitalize: 'off',
    spellcheck: 'false', dir: 'auto' });
  const submit = (event) => {
    event.preventDefault();
    go(toKeys(project.id, { prefix: input.value }));
  };
  let name;
  const traffic = openTraffic(metrics, { title: 'Traffic of this project', height: 130,
    pick: (sample) => sample.projects.get(name) });
  const used = el('p', { class: 'muted' });
  const fill = () => {
    const keys = metrics.latest?.keys.get(name), bytes = metrics.latest?.bytes.get(name);
    used.textContent = keys === undefined ? '' : `${count(keys)} ${keys === 1 ? 'key' : 'keys'}, ${size(bytes)}`;
  };
  // Again only when other projects are named than before.
  let looked = '';
  const find = async () => {
    if (!metrics.latest || name !== undefined) return;
    const all = [...new Set([...metrics.latest.projects.keys(), ...metrics.latest.keys.keys()])].sort();
    if (all.join() === looked) return;
    looked = all.join();
    name = await findName(api, project, all, signal);
    fill();
  };
  const stop = [metrics.listen(fill), metrics.listen(find)];
  find();
  const heading = el('h1', { tabIndex: -1 }, shownKey(project.title));
  const which = el('h2', { id: 'which-keys', tabIndex: -1 }, prefix ? ['Keys that begin with ', el('code', {}, shownKey(prefix))] : 'Keys',
    page > 1 && ` – page ${page}`);
  const pages = (label) => pager({ project, query, page, next: list.cursor, before: cursors.get(place(page - 1)), label });
  const none = page > 1 ? 'No more keys.' : prefix ? 'No key begins with this.' : 'No keys yet.';
  return {
    title: `${project.title} – keys`, close() {
      stop.forEach((one) => one());
      traffic.close();
    },
    // On another page of the same list one stays at the list.
    focus: from?.view === 'keys' && from.project === context.projectId ? which : heading,
    node: el('div', {},
      trail(context, project),
      el('div', { class: 'page-head' }, heading, el('p', { class: 'id' }, uuid(project.id)), used),
      traffic.node,
      readOnlyNote(context, project),
      el('section', { class: 'card', 'aria-labelledby': 'which-keys' },
        el('div', { class: 'card-head' }, which,
          context.access === 'read' ? el('button', { type: 'button', disabled: true, 'aria-describedby': 'read-only' }, 'New key') :
            el('a', { class: 'button', href: toNew(project.id, prefix) }, 'New key')),
        el('form', { class: 'inline', role: 'search', method: 'dialog', on: { submit } },
          field('Prefix', input), el('button', { type: 'submit', class: 'plain' }, 'Show')),
        pages('Pages of keys, above the list'),
        list.keys.length ? table(project, list.keys) : el('p', { class: 'empty' }, none),
        list.keys.length > 20 && pages('Pages of keys, below the list'))),
  };
}
