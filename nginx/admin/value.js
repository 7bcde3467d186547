// value.js - one key: its value, its metadata, and what is known of both.
import { kindOf, readKey } from './api.js';
import { confirm, el, newId } from './dom.js';
import { format } from './json.js';
import { readOnlyNote, trail } from './keys.js';
import { toEditor, toKeys } from './routes.js';
import { count, fileName, hex, shown, shownKey, size, time } from './text.js';

/** What is shown at once, and what can be changed by hand; more is offered as a file. */
export const SHOWN_MAX = 256 * 1024;
const COLOURED_MAX = 4000;

const KINDS = { json: 'JSON', text: 'text', binary: 'binary', large: 'not looked at' };

/** JSON for a person: a member a line, tokens as they are, in colours where there are not too many. */
export function jsonNodes(text) {
  const parts = format(text);
  if (parts.length > COLOURED_MAX) return shown(parts.map(([, part]) => part).join(''), { lines: true });
  return parts.map(([kind, part]) => (kind === '' ? part :
    el('span', { class: `token-${kind}` }, shown(part, { lines: true }))));
}

export const textBox = (label, nodes, more = {}) =>
  el('pre', { class: 'value', tabindex: 0, role: 'group', 'aria-label': label, ...more }, nodes);

/** The version is the moment of its writing in microseconds, unless many came at once: then a little later. */
export function writtenAt(version) {
  const digits = version?.match(/^"(\d{10,17})"$/)?.[1];
  return digits ? Number(digits) / 1000 : null;
}

/** BYTES to a file of the person's own. */
function save(bytes, name) {
  const url = URL.createObjectURL(new Blob([bytes], { type: 'application/octet-stream' }));
  const link = el('a', { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

function facts(pairs) {
  return el('dl', { class: 'facts' }, pairs.filter(Boolean).map(([name, value]) =>
    el('div', {}, el('dt', {}, name), el('dd', {}, value))));
}

/** A JSON value as it is easier to read, or as it is. */
function jsonPart(text) {
  const pre = textBox('Value', jsonNodes(text), { dir: 'ltr' });
  const choice = newId('look');
  const radio = (label, nodes, checked) => el('label', { class: 'choice' }, el('input', { type: 'radio', name: choice, checked,
    on: { change: () => pre.replaceChildren(...nodes()) } }), ` ${label}`);
  return [
    el('fieldset', { class: 'choices', 'aria-label': 'How the value is shown' },
      radio('Indented', () => jsonNodes(text), true), radio('As stored', () => shown(text, { lines: true }), false)),
    pre,
  ];
}

function valuePart(found, kind, text) {
  if (kind === 'large') return el('p', { class: 'empty' }, `${size(found.size)} are too much to show here. Download the value to see it.`);
  if (found.size === 0) return el('p', { class: 'empty' }, 'The value is empty: it has no bytes.');
  if (kind === 'json') return jsonPart(text);
  if (kind === 'text') return textBox('Value', shown(text, { lines: true }), { dir: 'auto' });
  const narrow = matchMedia('(max-width: 40rem)').matches;
  return [
    textBox('Value, in hexadecimal', hex(found.bytes, narrow ? 8 : 16), { class: 'value hex', dir: 'ltr' }),
    found.size > 512 && el('p', { class: 'help' }, `The first 512 of ${count(found.size)} bytes.`),
  ];
}

export async function keyView(context) {
  const { api, query, signal, projectId, go, say, access } = context;
  const name = query.name ?? '';
  const [project, found] = await Promise.all([context.project(), readKey(api, projectId, name, SHOWN_MAX, signal)]);
  const { kind, text } = found.bytes === null ? { kind: 'large', text: null } : kindOf(found.bytes);
  const written = writtenAt(found.version);
  const mayWrite = access !== 'read';

  async function download(event) {
    const button = event.currentTarget;
    button.disabled = true;
    try {
      save(found.bytes ?? await api.bytes(projectId, name, found.version, signal), fileName(name, kind));
    } catch (error) {
      if (error.name === 'AbortError') return;
      say(error.status === 412 ? 'It was changed meanwhile: load the page again.' : error.message, 'bad');
    } finally {
      button.disabled = false;
    }
  }

  async function remove() {
    const yes = await confirm({
      title: 'Delete this key?', yes: 'Delete',
      body: el('p', {}, el('strong', {}, shownKey(name)), ' of project ', shownKey(project.title),
        ', with its value and metadata. There is no way back but a backup.'),
    });
    if (!yes || signal.aborted) return;
    try {
      await api.remove(projectId, name, found.version, signal);
      go(toKeys(projectId), { replace: true });
      say(['Deleted: ', shownKey(name)]);
    } catch (error) {
      if (error.name === 'AbortError') return;
      if (error.status === 412) {
        await context.reload();
        say('Not deleted: it was changed meanwhile. This is what is there now.', 'bad');
      } else {
        say(`Not deleted. ${error.message}`, 'bad');
      }
    }
  }

  const action = (label, more) => el('button', { type: 'button', disabled: !mayWrite,
    'aria-describedby': mayWrite ? null : 'read-only', ...more }, label);
  const heading = el('h1', { tabIndex: -1, class: 'key-heading' }, shownKey(name));
  return {
    title: `${context.plainKey(name)} – ${project.title}`, focus: heading,
    node: el('div', {},
      trail(context, project, [el('span', { 'aria-current': 'page' }, 'Key')]),
      el('div', { class: 'page-head' }, heading),
      readOnlyNote(context, project),
      el('section', { class: 'card', 'aria-label': 'About this key' },
        facts([
          ['Expires', found.expiration ? time(found.expiration * 1000) : 'never'],
          written && ['Last written', time(written)],
          ['Writes', count(found.writes)],
          ['Size', size(found.size)],
          ['Kind', KINDS[kind]],
          ['Version', el('code', {}, found.version.replaceAll('"', ''))],
        ])),
      el('section', { class: 'card', 'aria-labelledby': 'value-heading' },
        el('div', { class: 'card-head' }, el('h2', { id: 'value-heading' }, 'Value'),
          el('div', { class: 'buttons' },
            action('Edit', { id: 'edit', on: { click: () => go(toEditor(projectId, name)) } }),
            el('button', { type: 'button', class: 'plain', on: { click: download } }, 'Download'),
            action('Delete', { id: 'delete', class: 'danger plain', on: { click: remove } }))),
        valuePart(found, kind, text)),
      el('section', { class: 'card', 'aria-labelledby': 'metadata-heading' },
        el('h2', { id: 'metadata-heading' }, 'Metadata'),
        found.metadata === null ? el('p', { class: 'empty' }, 'None.') :
          textBox('Metadata', jsonNodes(found.metadata), { dir: 'ltr' }))),
  };
}
