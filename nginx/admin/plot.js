// plot.js - two lines over the last minutes, as SVG: reads drawn through, writes dashed, so that they can be told apart
// without their colours.
import { svg } from './dom.js';
import { clockTime, rate } from './text.js';

const EDGE = { top: 12, right: 12, bottom: 26, left: 52 };

/** The top of the scale: 1, 2 or 5 times a power of ten. */
export function roundUp(most) {
  if (!(most > 1)) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 5, 10].map((step) => step * power).find((top) => top >= most);
}

/** The points of one line; a gap begins a new stretch, and a point alone is a dot. */
function pathOf(rates, what, x, y) {
  let path = '', open = false;
  rates.forEach((one, i) => {
    if (one[what] === null) {
      open = false;
      return;
    }
    const alone = !open && (rates[i + 1]?.[what] ?? null) === null;
    path += `${open ? 'L' : 'M'}${x(one.at).toFixed(1)} ${y(one[what]).toFixed(1)}${alone ? 'h0.1' : ''}`;
    open = true;
  });
  return path;
}

/**
 * A plot, HEIGHT pixels high and as wide as its place: { node, draw({ rates, until, span, label, marked }), momentAt(x),
 * close() }.
 */
export function openPlot(height) {
  const node = svg('svg', { class: 'plot', role: 'img', height, focusable: 'false' });
  let last = null;

  function draw(what) {
    last = what;
    const { rates, until, span, label, marked } = what;
    const width = Math.max(node.clientWidth, 200);
    const inner = { width: width - EDGE.left - EDGE.right, height: height - EDGE.top - EDGE.bottom };
    const most = Math.max(0, ...rates.map((one) => Math.max(one.reads ?? 0, one.writes ?? 0)));
    const top = roundUp(most);
    const x = (at) => EDGE.left + inner.width * (1 - (until - at) / span);
    const y = (value) => EDGE.top + inner.height * (1 - value / top);

    node.setAttribute('viewBox', `0 0 ${width} ${height}`);
    node.setAttribute('aria-label', label);
    const parts = [];
    for (const share of [0, 0.5, 1]) {
      parts.push(svg('line', { class: 'grid', x1: EDGE.left, x2: width - EDGE.right, y1: y(top * share), y2: y(top * share) }),
        svg('text', { class: 'scale', x: EDGE.left - 8, y: y(top * share) + 4, 'text-anchor': 'end' }, (top * share).toLocaleString('en')));
    }
    const minutes = Math.round(span / 60000), step = width < 480 ? 2 : 1;
    for (let ago = 0; ago <= minutes; ago += step) {
      const at = x(until - ago * 60000);
      parts.push(svg('line', { class: 'tick', x1: at, x2: at, y1: y(0), y2: y(0) + 4 }),
        svg('text', { class: 'scale', x: at, y: height - 6, 'text-anchor': ago === 0 ? 'end' : 'middle' },
          ago === 0 ? 'now' : `${ago} min`));
    }
    const seen = rates.filter((one) => one.at >= until - span);
    parts.push(svg('path', { class: 'line reads', d: pathOf(seen, 'reads', x, y) }),
      svg('path', { class: 'line writes', d: pathOf(seen, 'writes', x, y) }));
    if (marked && marked.reads !== null) {
      parts.push(svg('line', { class: 'mark', x1: x(marked.at), x2: x(marked.at), y1: EDGE.top, y2: y(0) }),
        svg('circle', { class: 'dot reads', cx: x(marked.at), cy: y(marked.reads), r: 4 }),
        svg('circle', { class: 'dot writes', cx: x(marked.at), cy: y(marked.writes), r: 4 }));
    }
    node.replaceChildren(...parts);
  }

  /** The moment below the pointer. */
  function momentAt(clientX) {
    const box = node.getBoundingClientRect();
    const inner = box.width - EDGE.left - EDGE.right;
    return last.until - last.span * (1 - (clientX - box.left - EDGE.left) / inner);
  }

  const watch = new ResizeObserver(() => { if (last) draw(last); });
  watch.observe(node);
  return { node, draw, momentAt, close: () => watch.disconnect() };
}

export const words = (one) => (!one || one.reads === null ? 'no figures' :
  `${clockTime(one.at)}: ${rate(one.reads)} reads, ${rate(one.writes)} writes per second`);
