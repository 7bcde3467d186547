// text.js - how bytes, times and hostile texts are shown to a person.
import { el } from './dom.js';

// What has no shape of its own, or changes the order of what is around it: controls, marks of direction, invisible
// spaces. Joiners inside emoji and variation selectors stay as they are.
// eslint-disable-next-line no-control-regex
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]|[\u{e0001}-\u{e007f}]/gu;
const IN_LINES = new Set(['\n', '\t']);
const CHIPS_MAX = 1000;

const nameOf = (char) => `U+${char.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}`;

/**
 * TEXT as nodes in which nothing hides: a mark of direction or a control character becomes its number in a frame.
 * LINES: line ends and tabs are what they are.
 */
export function shown(text, { lines = false } = {}) {
  const nodes = [];
  let from = 0, chips = 0;
  for (const match of text.matchAll(UNSEEN)) {
    if ((lines && IN_LINES.has(match[0])) || ++chips > CHIPS_MAX) continue;
    if (match.index > from) nodes.push(text.slice(from, match.index));
    nodes.push(el('span', { class: 'unseen' }, nameOf(match[0])));
    from = match.index + match[0].length;
  }
  if (from < text.length) nodes.push(text.slice(from));
  return nodes;
}

/** A key as a person reads it: on its own side of any change of direction, spaces at its ends made visible. */
export function shownKey(key) {
  const [, before, middle, after] = key.match(/^( *)(.*?)( *)$/s);
  const spaces = (n) => Array.from({ length: n }, () => el('span', { class: 'unseen' }, 'space'));
  return el('bdi', { class: 'key' }, spaces(before.length), shown(middle), spaces(after.length));
}

/** The same where only text can stand: a window's title. */
export const plainKey = (key) => key.replace(UNSEEN, (char) => nameOf(char));

export const utf8Length = (text) => new TextEncoder().encode(text).length;

export function size(bytes) {
  if (bytes < 1024) return bytes === 1 ? '1 byte' : `${bytes} bytes`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes / 1024, unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

export const count = (n) => n.toLocaleString('en');

/** Per second, with as many digits as say something. */
export function rate(n) {
  if (n >= 10) return Math.round(n).toLocaleString('en');
  return n === 0 ? '0' : n.toFixed(n < 1 ? 2 : 1);
}

const two = (n) => String(n).padStart(2, '0');

export function localTime(ms) {
  const at = new Date(ms);
  if (Number.isNaN(at.getTime())) return 'beyond the calendar';
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ` +
    `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

export function clockTime(ms) {
  return localTime(ms).slice(-8);
}

const STEPS = [['second', 60], ['minute', 60], ['hour', 24], ['day', 365], ['year', Infinity]];

export function fromNow(ms, now = Date.now()) {
  let n = (ms - now) / 1000, unit = 'second';
  for (const [name, size] of STEPS) {
    unit = name;
    if (Math.abs(n) < size) break;
    if (size !== Infinity) n /= size;
  }
  return new Intl.RelativeTimeFormat('en', { numeric: 'auto' }).format(Math.trunc(n), unit);
}

/** A moment, for people and for programs. */
export function time(ms) {
  const at = new Date(ms);
  if (Number.isNaN(at.getTime())) return el('span', {}, 'beyond the calendar');
  return el('span', { class: 'moment' }, el('time', { datetime: at.toISOString() }, localTime(ms)), ' ',
    el('span', { class: 'muted' }, `(${fromNow(ms)})`));
}

/** The first bytes, PER_ROW in a row: where, in hex, as text. */
export function hex(bytes, perRow = 16, max = 512) {
  const rows = [];
  for (let at = 0; at < Math.min(bytes.length, max); at += perRow) {
    const row = [...bytes.subarray(at, Math.min(at + perRow, max))];
    const digits = row.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const text = row.map((byte) => (byte > 0x1f && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
    rows.push(`${at.toString(16).padStart(6, '0')}  ${digits.padEnd(perRow * 3 - 1)}  ${text}`);
  }
  return rows.join('\n');
}

/** A name for a file that holds the value of KEY; no path, nothing a system stumbles over. */
export function fileName(key, kind) {
  const safe = key.replace(/[^A-Za-z0-9._-]+/g, '_').replace(/^[._]+/, '').slice(0, 100) || 'value';
  const ending = { json: '.json', text: '.txt', binary: '.bin' }[kind] ?? '';
  return safe.endsWith(ending) ? safe : safe + ending;
}
