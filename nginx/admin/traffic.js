// traffic.js - reads and writes per second: a plot, the latest figures in words, and a table for who prefers one.
import { el, newId, svg } from './dom.js';
import { EVERY_MS, SPAN_MS, ratesOf } from './metrics.js';
import { openPlot, words } from './plot.js';
import { clockTime, rate } from './text.js';

const ROWS = 20;

/** A piece of the line itself stands before its name. */
const sample = (what) => svg('svg', { class: 'sample', width: 28, height: 10, 'aria-hidden': 'true' },
  svg('path', { class: `line ${what}`, d: 'M1 5H27' }));

function figure(what, name) {
  const number = el('strong', {}, '–');
  return { number, node: el('li', { class: what }, sample(what), el('span', {}, `${name} `), number,
    el('span', { class: 'muted' }, ' /s')) };
}

function tableOf(rates) {
  const body = el('tbody');
  for (const one of rates.slice(-ROWS).reverse())
    body.append(el('tr', {}, el('th', { scope: 'row' }, clockTime(one.at)),
      el('td', { class: 'number' }, one.reads === null ? '–' : rate(one.reads)),
      el('td', { class: 'number' }, one.writes === null ? '–' : rate(one.writes))));
  return el('table', { class: 'small' },
    el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'Time'), el('th', { scope: 'col', class: 'number' }, 'Reads/s'),
      el('th', { scope: 'col', class: 'number' }, 'Writes/s'))),
    body);
}

/** Of all projects, or of one: PICK takes its figures out of a sample; undefined: this one is not among them. */
export function openTraffic(metrics, { title, pick, height }) {
  const heading = newId('traffic');
  const plot = openPlot(height);
  const reads = figure('reads', 'Reads'), writes = figure('writes', 'Writes');
  const moment = el('p', { class: 'moment-line muted', 'aria-hidden': 'true' }, '\u00a0');
  const problem = el('p', { class: 'note', hidden: true });
  const table = el('div', { class: 'scroll' });
  const details = el('details', {}, el('summary', {}, 'As a table'), table);
  const since = Date.now();
  let rates = [], marked = null;

  function redraw() {
    const until = Math.max(Date.now() - 2 * EVERY_MS, rates.at(-1)?.at ?? 0);
    const now = rates.at(-1);
    plot.draw({ rates, until, span: SPAN_MS, marked,
      label: `Reads and writes per second over the last five minutes. ${now ? `Latest, ${words(now)}.` : 'No figures yet.'}` });
    moment.textContent = marked ? words(marked) : '\u00a0';
  }

  function update() {
    const { latest } = metrics;
    const missing = latest && latest.at > since + EVERY_MS && pick(latest) === undefined;
    rates = ratesOf(metrics.samples, pick);
    const now = rates.at(-1);
    reads.number.textContent = now && now.reads !== null ? rate(now.reads) : '–';
    writes.number.textContent = now && now.writes !== null ? rate(now.writes) : '–';
    problem.textContent = metrics.problem ?? (missing ? 'No figures of this project alone: /metrics names the busiest ones only.' : '');
    problem.hidden = problem.textContent === '';
    if (details.open) table.replaceChildren(tableOf(rates));
    redraw();
  }

  plot.node.addEventListener('pointermove', (event) => {
    const at = plot.momentAt(event.clientX);
    marked = rates.reduce((best, one) => (!best || Math.abs(one.at - at) < Math.abs(best.at - at) ? one : best), null);
    redraw();
  });
  plot.node.addEventListener('pointerleave', () => {
    marked = null;
    redraw();
  });
  details.addEventListener('toggle', update);
  const stop = metrics.listen(update);
  update();
  return {
    node: el('section', { class: 'card traffic', 'aria-labelledby': heading },
      el('div', { class: 'card-head' }, el('h2', { id: heading }, title), el('ul', { class: 'figures' }, reads.node, writes.node)),
      problem, plot.node, el('div', { class: 'under' }, details, moment)),
    close() {
      stop();
      plot.close();
    },
  };
}
