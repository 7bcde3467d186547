// editor.js - a key is made or changed. Only over the version that was read: what somebody wrote meanwhile is shown, and
// what becomes of it is for the person to say.
import { kindOf, readKey } from './api.js';
import { el, field, newId, showProblem } from './dom.js';
import { formatted, isJson, problem } from './json.js';
import { trail } from './keys.js';
import { toKey, toKeys } from './routes.js';
import { SHOWN_MAX, jsonNodes, textBox, writtenAt } from './value.js';
import { count, localTime, shown, shownKey, size, time, utf8Length } from './text.js';

const KEY_MAX = 512, METADATA_MAX = 1024;
const UNITS = [['minutes', 60], ['hours', 3600], ['days', 86400], ['seconds', 1]];

/** What a text area makes of line ends, and what a value had. */
const lineEnds = (text) => {
  if (!text.includes('\r')) return 'lf';
  return text.replaceAll('\r\n', '').match(/[\r\n]/) ? 'mixed' : 'crlf';
};

// --- when it expires ---

function expiryPart(expiration) {
  const kept = expiration !== null;
  const choice = newId('expiry');
  const number = el('input', { type: 'number', id: newId('after'), min: 1, step: 1, value: '1', 'aria-label': 'How long' });
  const unit = el('select', { 'aria-label': 'Unit of time' }, UNITS.map(([name, seconds]) => el('option', { value: seconds }, name)));
  unit.value = '86400';
  const at = el('input', { type: 'datetime-local', id: newId('at'), step: 1, 'aria-label': 'Date and time' });
  const rows = [
    kept && ['keep', ['As it is: ', time(expiration * 1000)]],
    ['never', ['Never']],
    ['after', ['After '], number, ' ', unit],
    ['at', ['At '], at],
  ].filter(Boolean);
  const radios = rows.map(([value]) => el('input', { type: 'radio', name: choice, value, id: newId('expires') }));
  const select = (value) => { radios.find((one) => one.value === value).checked = true; };
  select(kept ? 'keep' : 'never');
  for (const [control, value] of [[number, 'after'], [unit, 'after'], [at, 'at']]) {
    control.addEventListener('input', () => select(value));
    control.addEventListener('change', () => select(value));
  }
  const node = el('fieldset', { class: 'field', id: newId('expiry-field') }, el('legend', {}, 'Expires'),
    rows.map(([, label, ...controls], i) => el('div', { class: 'choice-row' },
      radios[i], el('label', { for: radios[i].id }, label), ...controls)));
  return {
    node,
    get state() { return { choice: radios.find((one) => one.checked).value, number: number.value, unit: unit.value, at: at.value }; },
    set state(state) {
      [number.value, unit.value, at.value] = [state.number, state.unit, state.at];
      if (radios.some((one) => one.value === state.choice)) select(state.choice);
    },
    /** { expiration } or { ttl } or neither; null when something is missing, and said. */
    read() {
      showProblem(number, '');
      showProblem(at, '');
      const missing = (control, words) => {
        showProblem(control, words);
        control.focus();
        return null;
      };
      const chosen = radios.find((one) => one.checked).value;
      if (chosen === 'keep') return { expiration };
      if (chosen === 'after') {
        const ttl = Number(number.value) * Number(unit.value);
        return Number.isSafeInteger(ttl) && ttl > 0 ? { ttl } : missing(number, 'Say after how long it expires.');
      }
      if (chosen === 'at') {
        const ms = new Date(at.value).getTime();
        return Number.isNaN(ms) ? missing(at, 'Say when it expires.') : { expiration: Math.floor(ms / 1000) };
      }
      return {};
    },
  };
}

// --- the value ---

/** BASE: { bytes, kind, text, size } that is there; null: a new one. */
function valuePart(base) {
  const large = base !== null && base.bytes === null;
  const editable = base === null || (base.text !== null && !large);
  const choice = newId('kind');
  const area = el('textarea', { id: newId('value'), rows: 12, spellcheck: 'false', autocapitalize: 'off', autocomplete: 'off',
    dir: 'auto', class: 'code' });
  const file = el('input', { type: 'file', id: newId('file') });
  let untouched = base !== null;
  const ends = editable && base ? lineEnds(base.text) : 'lf';
  if (editable) area.value = base?.text ?? '';
  const initial = area.value;

  const kinds = [
    !editable && ['keep', large ? `As it is (${size(base.size)})` : `As it is (binary, ${size(base.size)})`],
    ['json', 'JSON'], ['text', 'Text'], ['file', 'From a file'],
  ].filter(Boolean);
  const radios = kinds.map(([value]) => el('input', { type: 'radio', name: choice, value }));
  const chosen = () => radios.find((one) => one.checked).value;
  const areaField = field('Value', area);
  const fileField = field('File', file);
  const counter = el('span', { class: 'muted', id: newId('counter') });
  const tidy = el('button', { type: 'button', class: 'plain small', on: { click: () => {
    const wrong = problem(area.value);
    showProblem(area, wrong);
    if (wrong) return;
    area.value = formatted(area.value);
    touched();
  } } }, 'Indent');
  const below = el('p', { class: 'below' }, counter, ' ', tidy);
  areaField.append(below);
  if (ends !== 'lf') areaField.append(el('p', { class: 'help' }, ends === 'crlf' ?
    'Its lines end in CR LF, and will after a change.' :
    'Its lines end in different ways; where you change anything, all of them will end in LF.'));

  function touched() {
    untouched = base !== null && editable && area.value === initial;
    counter.textContent = size(utf8Length(area.value));
    if (area.getAttribute('aria-invalid') && (chosen() !== 'json' || isJson(area.value))) showProblem(area, '');
  }
  function look() {
    areaField.hidden = !['json', 'text'].includes(chosen());
    fileField.hidden = chosen() !== 'file';
    tidy.hidden = chosen() !== 'json';
    showProblem(area, '');
    showProblem(file, '');
    touched();
  }
  function select(value) {
    radios.find((one) => one.value === value).checked = true;
    look();
  }
  area.addEventListener('input', touched);
  file.addEventListener('change', () => showProblem(file, ''));

  const node = el('div', {},
    el('fieldset', { class: 'choices' }, el('legend', {}, 'Value is'),
      kinds.map(([, label], i) => el('label', { class: 'choice' }, radios[i], ` ${label}`))),
    areaField, fileField);
  radios.forEach((one) => one.addEventListener('change', look));
  select(!editable ? 'keep' : base?.kind === 'text' ? 'text' : 'json');

  return {
    node, area,
    get state() { return { kind: chosen(), text: area.value, files: file.files }; },
    set state(state) {
      area.value = state.text;
      if (state.files.length) file.files = state.files;
      select(state.kind);
    },
    get changed() { return chosen() === 'file' ? file.files.length > 0 : chosen() !== 'keep' && !untouched && area.value !== initial; },
    /** What is to be stored: { bytes }, { asIs: true }, or null after the problem was shown. */
    read() {
      if (chosen() === 'keep') return { asIs: true };
      if (chosen() === 'file') {
        showProblem(file, file.files.length ? '' : 'Choose a file.');
        if (file.files.length) return { bytes: file.files[0], text: null, size: file.files[0].size };
        file.focus();
        return null;
      }
      // Byte for byte, where nothing was changed: a text area has other line ends.
      const same = untouched && base !== null;
      const wrong = chosen() === 'json' ? problem(same ? base.text : area.value) : null;
      showProblem(area, wrong);
      if (wrong) {
        area.focus();
        return null;
      }
      if (same) return { bytes: base.bytes, text: base.text, size: base.size };
      const text = ends === 'crlf' ? area.value.replaceAll('\n', '\r\n') : area.value;
      return { bytes: new TextEncoder().encode(text), text, size: utf8Length(text) };
    },
  };
}

// --- somebody else was there ---

function side(title, { text, size: bytes, metadata, expiration, when }) {
  const id = newId('side');
  return el('section', { class: 'side', 'aria-labelledby': id },
    el('h3', { id }, title), when && el('p', { class: 'muted' }, when),
    text === null ? el('p', { class: 'empty' }, `${size(bytes)}, no text.`) :
      textBox(title, isJson(text) ? jsonNodes(text) : shown(text, { lines: true })),
    el('p', {}, 'Metadata: ', metadata === null ? 'none' : el('code', {}, shown(metadata))),
    el('p', {}, 'Expires: ', expiration));
}

// --- the view ---

const NEW = { version: null, bytes: null, metadata: null, expiration: null };

async function baseOf(context, name) {
  if (name === undefined) return NEW;
  const found = await readKey(context.api, context.projectId, name, SHOWN_MAX, context.signal);
  return { ...found, ...(found.bytes === null ? { kind: 'large', text: null } : kindOf(found.bytes)) };
}

export async function editorView(context) {
  const { api, query, signal, projectId, go, say, drafts, access } = context;
  const isNew = context.view === 'new';
  const draftName = JSON.stringify([projectId, isNew ? null : query.name]);
  const draft = drafts.get(draftName);
  const project = await context.project();
  let base = draft?.base ?? await baseOf(context, isNew ? undefined : query.name);
  let version = base.version;

  const nameInput = isNew && el('input', { type: 'text', id: 'name', value: query.prefix ?? '', autocomplete: 'off',
    autocapitalize: 'off', spellcheck: 'false', dir: 'auto' });
  const value = valuePart(isNew ? null : base);
  const metadata = el('textarea', { id: 'metadata', rows: 3, spellcheck: 'false', autocapitalize: 'off', class: 'code', dir: 'ltr' });
  metadata.value = base.metadata ?? '';
  const metadataWas = metadata.value;
  const expiry = expiryPart(base.expiration);
  const expiryWas = expiry.state.choice;
  const conflict = el('div');
  const saveButton = el('button', { type: 'submit', disabled: access === 'read' }, isNew ? 'Create' : 'Save');
  let saved = false;

  const changed = () => value.changed || metadata.value !== metadataWas || expiry.state.choice !== expiryWas ||
    (isNew && nameInput.value !== (query.prefix ?? ''));
  const state = () => ({ base, name: nameInput && nameInput.value, value: value.state, metadata: metadata.value, expiry: expiry.state });
  function restore(from) {
    if (nameInput) nameInput.value = from.name;
    value.state = from.value;
    metadata.value = from.metadata;
    expiry.state = from.expiry;
  }

  function readMetadata() {
    const text = metadata.value.trim() === '' ? null : metadata.value === metadataWas ? base.metadata : metadata.value.trim();
    const length = text === null ? 0 : utf8Length(text);
    const wrong = text === null ? null : problem(text) ??
      (length > METADATA_MAX ? `Metadata has at most ${count(METADATA_MAX)} bytes; this has ${count(length)}.` : null);
    showProblem(metadata, wrong);
    if (wrong) metadata.focus();
    return wrong ? undefined : text;
  }

  function readName() {
    if (!isNew) return query.name;
    const length = utf8Length(nameInput.value);
    const wrong = length === 0 ? 'A key has at least one byte.' : length > KEY_MAX ?
      `A key has at most ${KEY_MAX} bytes; this has ${count(length)}.` :
      ['.', '..'].includes(nameInput.value) ? 'No key is called so: it would not survive in an address.' : '';
    showProblem(nameInput, wrong);
    if (wrong) nameInput.focus();
    return wrong ? null : nameInput.value;
  }

  /** All that is to be stored; null when something is wrong with it, and said. */
  function readForm() {
    const name = readName();
    if (name === null) return null;
    const content = value.read();
    if (content === null) return null;
    const text = readMetadata();
    if (text === undefined) return null;
    const when = expiry.read();
    if (when === null) return null;
    return { name, content, metadata: text, ...when };
  }

  /** The value as it is, which was too large to be read before. */
  const asIs = async (name) => base.bytes ?? api.bytes(projectId, name, version, signal);

  async function store(form, over) {
    saveButton.disabled = true;
    try {
      await api.put(projectId, form.name, { bytes: form.content.asIs ? await asIs(form.name) : form.content.bytes,
        metadata: form.metadata, expiration: form.expiration, ttl: form.ttl, version: over }, signal);
      saved = true;
      drafts.delete(draftName);
      go(toKey(projectId, form.name), { replace: true });
      say(isNew ? 'Created.' : 'Saved.');
    } catch (error) {
      if (error.name === 'AbortError') return;
      if (error.status === 412) await showConflict(form);
      else say(`Not saved. ${error.message}`, 'bad');
    } finally {
      saveButton.disabled = access === 'read';
    }
  }

  /** What is there now, or null. */
  async function readTheirs(name) {
    try {
      return await baseOf(context, name);
    } catch (error) {
      if (error.status === 404) return null;
      throw error;
    }
  }

  function expiryWords({ expiration, ttl }) {
    if (ttl) return `in ${count(ttl)} seconds`;
    return expiration ? localTime(expiration * 1000) : 'never';
  }

  async function showConflict(form) {
    let theirs;
    try {
      theirs = await readTheirs(form.name);
    } catch (error) {
      if (error.name !== 'AbortError') say(`Not saved: it was changed meanwhile. ${error.message}`, 'bad');
      return;
    }
    const heading = el('h2', { tabIndex: -1, id: newId('conflict') }, theirs === null ? 'This key was deleted meanwhile' :
      isNew ? 'This key is there already' : 'This key was changed meanwhile');
    const button = (label, click, more = {}) => el('button', { type: 'button', on: { click }, ...more }, label);
    const drop = () => {
      saved = true;
      drafts.delete(draftName);
      go(theirs === null ? toKeys(projectId) : toKey(projectId, form.name), { replace: true });
    };
    const goOn = () => {
      version = theirs?.version ?? null;
      conflict.replaceChildren();
      value.area.focus();
    };
    const when = theirs && writtenAt(theirs.version);
    // What was too large to be read belongs to a version that is gone.
    const lost = form.content.asIs && base.bytes === null;
    conflict.replaceChildren(el('section', { class: 'card conflict', 'aria-labelledby': heading.id },
      heading,
      el('p', {}, 'Nothing was written. ', theirs === null ? 'You can write yours as a new key, or leave it deleted.' :
        'Look at both, then say which is to stay.'),
      theirs && el('div', { class: 'sides' },
        side('Stored now', { ...theirs, text: theirs.text, expiration: expiryWords(theirs),
          when: when && `written ${localTime(when)}, ${count(theirs.writes)} writes` }),
        side('Yours, not saved', { text: form.content.asIs ? null : form.content.text, size: form.content.size ?? base.size,
          metadata: form.metadata, expiration: expiryWords(form) })),
      el('div', { class: 'buttons' },
        !lost && button(theirs === null ? 'Write mine as a new key' : 'Write mine over it',
          () => store(form, theirs?.version ?? null), { class: 'danger' }),
        !lost && button('Go on editing mine', goOn, { class: 'plain' }),
        button(theirs === null ? 'Leave it deleted' : 'Keep what is stored', drop, { class: 'plain' }))));
    heading.focus();
  }

  function submit(event) {
    event.preventDefault();
    const form = readForm();
    if (form !== null) store(form, version);
  }

  const cancel = () => {
    saved = true;
    drafts.delete(draftName);
    if (isNew) go(toKeys(projectId, { prefix: query.prefix }), { replace: true });
    else go(toKey(projectId, query.name), { replace: true });
  };
  if (draft) restore(draft);
  const heading = el('h1', { tabIndex: -1, class: isNew ? null : 'key-heading' }, isNew ? 'New key' : ['Edit ', shownKey(query.name)]);
  return {
    title: `${isNew ? 'New key' : `Edit ${context.plainKey(query.name)}`} – ${project.title}`,
    focus: nameInput || heading,
    unsaved: () => !saved && changed(),
    close() {
      if (!saved && changed()) drafts.set(draftName, state());
    },
    node: el('div', {},
      trail(context, project, [
        !isNew && el('a', { href: toKey(projectId, query.name) }, 'Key'),
        el('span', { 'aria-current': 'page' }, isNew ? 'New key' : 'Edit')].filter(Boolean)),
      el('div', { class: 'page-head' }, heading),
      draft && el('p', { class: 'note' }, 'This is what you had not saved.'),
      conflict,
      el('form', { class: 'card editor', method: 'dialog', novalidate: true, on: { submit } },
        nameInput && field('Key', nameInput, `At most ${KEY_MAX} bytes; slashes, spaces and emoji are as good as letters.`),
        value.node,
        field('Metadata', metadata, `JSON, at most ${count(METADATA_MAX)} bytes. Empty: none.`),
        expiry.node,
        el('div', { class: 'buttons' }, saveButton, el('button', { type: 'button', class: 'plain', on: { click: cancel } }, 'Cancel')))),
  };
}
