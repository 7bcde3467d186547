// projects.js - all projects, for who holds an admin key.
import { el, field, showProblem } from './dom.js';
import { toKeys, toProjects } from './routes.js';
import { openTraffic } from './traffic.js';
import { count, shownKey, size } from './text.js';

const PER_PAGE = 50;

/** A project's id as it is known everywhere else: with its dashes. */
export const uuid = (id) => id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

/**
 * The name of a project, which /metrics has, as tmakvd makes it of a title. When it was taken, a number stands behind
 * it: so it is a guess.
 */
const nameOf = (title) => title.replace(/[A-Z]/g, (letter) => letter.toLowerCase()).replace(/[^a-z0-9]+/g, '-')
  .replace(/^-+/, '').slice(0, 52).replace(/-+$/, '') || 'project';

/** The name of PROJECT among NAMES, looked after; undefined when it is not there. */
export async function findName(api, project, names, signal) {
  const guess = nameOf(project.title);
  for (const name of [guess, ...names].filter((one, i) => names.includes(one) && (i === 0 ||
    (one.startsWith(`${guess}-`) && /^\d+$/.test(one.slice(guess.length + 1)))))) {
    if ((await api.project(name, signal).catch(() => null))?.id === project.id) return name;
  }
  return undefined;
}

/** How many keys, how many bytes, in the two cells of a row; filled again when there are newer figures. */
function usage(metrics, title, isGuess) {
  const keys = el('td', { class: 'number' }), bytes = el('td', { class: 'number wide-only' });
  const fill = () => {
    const name = isGuess ? undefined : nameOf(title);
    const n = metrics.latest?.keys.get(name), m = metrics.latest?.bytes.get(name);
    keys.textContent = n === undefined ? '–' : count(n);
    bytes.textContent = m === undefined ? '–' : size(m);
  };
  fill();
  return { cells: [keys, bytes], fill };
}

/** To a project by its name or id, where there are too many to look through. */
function finder({ api, signal, go }) {
  const input = el('input', { type: 'text', id: 'find', autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false' });
  async function submit(event) {
    event.preventDefault();
    const name = input.value.trim();
    if (name === '') return;
    try {
      const { id } = await api.project(name, signal);
      go(toKeys(id));
    } catch (error) {
      if (error.name !== 'AbortError') showProblem(input, 'There is no project of this name or id.');
    }
  }
  return el('form', { class: 'inline', method: 'dialog', on: { submit } },
    field('Name or id of a project', input), el('button', { type: 'submit', class: 'plain' }, 'Open'));
}

export async function projectsView(context) {
  const { api, metrics, query, signal } = context;
  const page = Math.max(1, Number(query.page) || 1);
  const { projects, pages, total } = await api.projects(page, PER_PAGE, signal);
  const traffic = openTraffic(metrics, { title: 'Traffic of all projects', height: 190, pick: (sample) => sample.all });
  const names = projects.map(({ title }) => nameOf(title));
  const used = projects.map(({ title }, i) => usage(metrics, title, names.indexOf(names[i]) !== names.lastIndexOf(names[i])));
  const stop = metrics.listen(() => used.forEach(({ fill }) => fill()));
  const rows = projects.map(({ id, title }, i) => el('tr', {},
    el('th', { scope: 'row' }, el('a', { href: toKeys(id) }, shownKey(title))), used[i].cells,
    el('td', { class: 'id wide-only' }, uuid(id))));
  const heading = el('h1', { tabIndex: -1 }, 'Projects');
  return {
    title: 'Projects', focus: heading,
    close() {
      stop();
      traffic.close();
    },
    node: el('div', {},
      el('div', { class: 'page-head' }, heading),
      traffic.node,
      el('section', { class: 'card', 'aria-labelledby': 'all-projects' },
        el('div', { class: 'card-head' }, el('h2', { id: 'all-projects' }, total === 1 ? '1 project' : `${count(total)} projects`),
          pages > 1 && finder(context)),
        rows.length ? el('table', { class: 'projects' },
          el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'Title'), el('th', { scope: 'col', class: 'number' }, 'Keys'),
            el('th', { scope: 'col', class: 'number wide-only' }, 'Size'), el('th', { scope: 'col', class: 'id wide-only' }, 'Id'))),
          el('tbody', {}, rows)) :
          el('p', { class: 'empty' }, 'None yet. Make one on the server: ', el('code', {}, 'tmakvctl project create NAME')),
        pages > 1 && el('nav', { class: 'pager', 'aria-label': 'Pages of projects' },
          page > 1 ? el('a', { href: toProjects(page - 1), rel: 'prev' }, '← Previous') : el('span'),
          el('span', {}, `Page ${page} of ${pages}`),
          page < pages ? el('a', { href: toProjects(page + 1), rel: 'next' }, 'Next →') : el('span')))),
  };
}
