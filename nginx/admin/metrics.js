// metrics.js - /metrics as figures: the text format read, asked every second while somebody looks, and rates made
// of what was counted.

/** How often, and how far back one can look. */
export const EVERY_MS = 1000;
export const SPAN_MS = 5 * 60 * 1000;
const ASK_AGAIN_MS = 5000;

const LINE = /^([A-Za-z_:][A-Za-z0-9_:]*)(?:\{(.*)\})?[ \t]+(\S+)(?:[ \t]+-?\d+)?[ \t]*$/;
const LABEL = /([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"[ \t]*,?[ \t]*/y;
const ESCAPES = { '\\n': '\n', '\\"': '"', '\\\\': '\\' };

function labelsOf(text) {
  const labels = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const match = LABEL.exec(text);
    if (match === null) return null;
    labels[match[1]] = match[2].replace(/\\[n"\\]/g, (escape) => ESCAPES[escape]);
  }
  return labels;
}

function numberOf(text) {
  if (text === '+Inf' || text === 'Inf') return Infinity;
  return text === '-Inf' ? -Infinity : Number(text);
}

/** Prometheus' text format: a Map of a family's name to its samples, [{ labels, value }]. Broken lines are left out. */
export function parse(text) {
  const families = new Map();
  for (const line of text.split('\n')) {
    if (line === '' || line[0] === '#') continue;
    const match = LINE.exec(line.replace(/\r$/, ''));
    const labels = match && labelsOf((match[2] ?? '').trim());
    if (!labels) continue;
    const [, name, , value] = match;
    if (!families.has(name)) families.set(name, []);
    families.get(name).push({ labels, value: numberOf(value) });
  }
  return families;
}

const READS = 'tmakv_reads_total';
const WRITES = 'tmakv_writes_total';
const REQUESTS = 'tmakv_project_requests_total';	// by project and kind: read, write
const KEYS = 'tmakv_project_keys';
const BYTES = 'tmakv_project_bytes';
const STARTED = 'process_start_time_seconds';

const sum = (samples) => samples?.reduce((all, { value }) => all + value, 0);

/** A Map of what stands in the label `project`, to what ADD makes of its samples. */
function byProject(samples, add) {
  const projects = new Map();
  for (const { labels, value } of samples ?? [])
    if (labels.project !== undefined) projects.set(labels.project, add(projects.get(labels.project), value, labels));
  return projects;
}

/** What is shown, out of an answer. Projects by their names; only the largest ones are there. */
function figuresOf(text) {
  const families = parse(text);
  const last = (was, value) => value;
  return {
    started: sum(families.get(STARTED)) ?? null,
    all: { reads: sum(families.get(READS)), writes: sum(families.get(WRITES)) },
    projects: byProject(families.get(REQUESTS), (was = { reads: 0, writes: 0 }, value, { kind }) => ({
      reads: was.reads + (kind === 'read' ? value : 0), writes: was.writes + (kind === 'write' ? value : 0) })),
    keys: byProject(families.get(KEYS), last),
    bytes: byProject(families.get(BYTES), last),
  };
}

/**
 * Rates between the samples: [{ at, reads, writes }], null where there is none: between two of which something was
 * not counted, where nobody looked for a while, and where counting began anew, as it does when tmakvd starts.
 */
export function ratesOf(samples, pick) {
  const rates = [];
  for (let i = 1; i < samples.length; i++) {
    const [was, is] = [samples[i - 1], samples[i]];
    const [from, to] = [pick(was), pick(is)];
    const seconds = (is.clock - was.clock) / 1000;
    const known = from && to && was.started === is.started && seconds > 0 && seconds < 4 * EVERY_MS / 1000 &&
      to.reads >= from.reads && to.writes >= from.writes;
    rates.push({ at: is.at, reads: known ? (to.reads - from.reads) / seconds : null,
      writes: known ? (to.writes - from.writes) / seconds : null });
  }
  return rates;
}

/** Samples of the last minutes. LISTENER is told of each; `problem` is what there is to say instead of figures. */
export function openMetrics() {
  const listeners = new Set();
  let samples = [], problem = null, timer = null, running = false, asking = null;

  function take(text) {
    const figures = figuresOf(text);
    if (figures.all.reads === undefined || figures.all.writes === undefined) {
      problem = `/metrics has no ${READS} and ${WRITES}: is this tmakvd of another version?`;
      return;
    }
    problem = null;
    const at = Date.now();
    samples = samples.filter((one) => one.at > at - SPAN_MS - EVERY_MS);
    samples.push({ at, clock: performance.now(), ...figures });
  }

  async function ask() {
    timer = null;
    const mine = asking = new AbortController();
    try {
      const response = await fetch('/metrics', { cache: 'no-store', credentials: 'omit', signal: mine.signal });
      const text = await response.text();
      if (mine.signal.aborted) return;
      if (response.ok) take(text);
      else problem = `No figures: /metrics answers ${response.status}.`;
    } catch {
      if (mine.signal.aborted) return;
      problem = 'No figures: /metrics cannot be reached.';
    }
    listeners.forEach((listener) => listener());
    plan(problem ? ASK_AGAIN_MS : EVERY_MS);
  }

  function plan(after) {
    if (running && !document.hidden && timer === null) timer = setTimeout(ask, after);
  }

  function pause() {
    clearTimeout(timer);
    timer = null;
    asking?.abort();
  }

  function look() {
    if (document.hidden) pause();
    else plan(0);
  }

  return {
    start() {
      if (running) return;
      running = true;
      document.addEventListener('visibilitychange', look);
      plan(0);
    },
    stop() {
      running = false;
      document.removeEventListener('visibilitychange', look);
      pause();
      samples = [];
      problem = null;
    },
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    get problem() { return problem; },
    get samples() { return samples; },
    get latest() { return samples.at(-1); },
  };
}
