// app.js - a Mini App with everything in TMA KV: a theme and notes of one's own, and a leaderboard that all share.
//
// The keys, and who may do what with them (rules.json beside this):
//   user:<Telegram id>:theme          "auto", "light" or "dark"     theirs alone
//   user:<Telegram id>:note:<when>    { text, at }                  theirs alone
//   user:<Telegram id>:taps           a number                      theirs alone
//   board:taps                        [{ userId, name, score }]     everyone reads and changes it
//
// All of it goes through the npm package @tma.sh/sdk as it is published, but for changes in place: the SDK has no word
// for PATCH, so change() below asks with fetch and the SDK's token.

const $ = (id) => document.getElementById(id);
const encode = encodeURIComponent;

// --- what Telegram says when it opens a page ---

function launch() {
  // With Telegram's own script on the page.
  const app = window.Telegram?.WebApp;
  if (app?.initData) {
    app.ready();
    app.expand();
    app.onEvent('themeChanged', () => showTheme({ params: app.themeParams }));
    return { initData: app.initData, params: app.themeParams };
  }
  // Without it: Telegram puts the same into the address, behind the #.
  const fragment = new URLSearchParams(location.hash.slice(1));
  let params = {};
  try {
    params = JSON.parse(fragment.get('tgWebAppThemeParams') ?? '{}') ?? {};
  } catch {
    // Colours are not worth an error.
  }
  return { initData: fragment.get('tgWebAppData') ?? '', params };
}

// --- the store ---

class Refusal extends Error {
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}

let tma, user, initData, projectId;
const mine = (name) => `user:${user.telegramId}:${name}`;

const signIn = () => tma.auth.validate(initData, projectId);

/** WORK(), and once more with a new token when the old one has run out: a page may stay open for days. */
async function asked(work) {
  try {
    return await work();
  } catch (error) {
    if (error.code !== 'HTTP_401') throw error;
    await signIn();
    return work();
  }
}

const read = (key) => asked(() => tma.kv.get(key));
const namesBelow = async (prefix) => (await asked(() => tma.kv.list(prefix))).keys.map((key) => key.name);
const write = (key, value) => asked(() => tma.kv.set(key, value));
const remove = (key) => asked(() => tma.kv.remove(key));

/** One step on the server, so that nothing is lost whoever else is at it. Answers what the operation answers. */
const change = (key, operation) => asked(async () => {
  const response = await fetch(`${location.origin}/sdk/v1/kv/${encode(key)}`, {
    method: 'PATCH',
    headers: { Authorization: `Bearer ${tma.auth.getJwt()}`, 'Content-Type': 'application/vnd.tmakv.op+json' },
    body: JSON.stringify(operation),
  });
  const answer = await response.json();
  if (!answer.success) throw new Refusal(answer.error, `HTTP_${response.status}`);
  return answer.data;
});

// --- what a person is told ---

const WORDS = {
  HTTP_401: 'You are not signed in any more. Close this page and open it from Telegram again; in the demo, start conf/demo again.',
  HTTP_413: 'That is too long.',
  HTTP_429: 'That was too fast. Wait a second and try again.',
  HTTP_502: 'The server is not answering. Try again in a moment.',
  HTTP_503: 'The server is not answering. Try again in a moment.',
  HTTP_507: 'There is no room left on the server.',
};

/** A sentence for ERROR; the server's own where it has one. */
function inWords(error) {
  if (WORDS[error.code]) return WORDS[error.code];
  if (error.code) return `The server refused: ${error.message}.`;
  return 'The server cannot be reached. Check your connection and try again.';
}

let hush;
function tell(text) {
  clearTimeout(hush);
  $('message').textContent = text;
  hush = setTimeout(() => { $('message').textContent = ''; }, 4000);
}

function complain(text) {
  $('error').textContent = text;
  $('error').hidden = !text;
}

// --- the theme ---

const shown = { choice: 'auto', params: {} };
const COLOURS = { '--page': 'secondary_bg_color', '--card': 'section_bg_color', '--text': 'text_color', '--hint': 'hint_color',
  '--accent': 'button_color', '--on-accent': 'button_text_color', '--danger': 'destructive_text_color' };

const isDark = (colour) => {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return r * 0.299 + g * 0.587 + b * 0.114 < 128;
};
const isColour = (text) => typeof text === 'string' && /^#[0-9a-f]{6}$/i.test(text);
const systemIsDark = matchMedia('(prefers-color-scheme: dark)');

/** As chosen; "auto" is what Telegram looks like, or else the device. */
function showTheme(news) {
  Object.assign(shown, news);
  const { choice, params } = shown;
  const page = params.bg_color;
  const dark = choice === 'auto' ? (isColour(page) ? isDark(page) : systemIsDark.matches) : choice === 'dark';
  const root = document.documentElement;
  root.dataset.theme = dark ? 'dark' : 'light';
  for (const [name, theirs] of Object.entries(COLOURS)) {
    if (choice === 'auto' && isColour(params[theirs])) root.style.setProperty(name, params[theirs]);
    else root.style.removeProperty(name);
  }
  for (const input of document.getElementsByName('theme')) input.checked = input.value === choice;
}

async function chooseTheme(choice) {
  const before = shown.choice;
  showTheme({ choice });
  try {
    await write(mine('theme'), choice);
    tell('Theme saved.');
  } catch (error) {
    showTheme({ choice: before });
    tell(inWords(error));
  }
}

// --- notes ---

const BIN = 'M4 7h16M9 7V5h6v2M6.5 7l1 13h9l1-13M10 11v5.5M14 11v5.5';

function noteItem(key, { text, at }) {
  const item = document.createElement('li');
  const body = document.createElement('div');
  const time = document.createElement('time');
  const button = document.createElement('button');
  const picture = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');

  item.dataset.key = key;
  body.className = 'note-text';
  body.textContent = text;
  time.dateTime = new Date(at).toISOString();
  time.textContent = new Date(at).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
  body.append(time);
  picture.setAttribute('viewBox', '0 0 24 24');
  picture.setAttribute('aria-hidden', 'true');
  path.setAttribute('d', BIN);
  picture.append(path);
  button.type = 'button';
  button.className = 'quiet';
  button.setAttribute('aria-label', `Delete the note "${text.slice(0, 60)}"`);
  button.append(picture);
  button.addEventListener('click', () => deleteNote(item));
  item.append(body, button);
  return item;
}

function showNotes() {
  $('notes-empty').hidden = $('notes').children.length > 0;
}

async function loadNotes(all) {
  // Names sort by time; the newest hundred are enough for a page.
  const names = all.slice(-100).reverse();
  const notes = await Promise.all(names.map(read));
  $('notes').replaceChildren(...names.flatMap((name, i) => (typeof notes[i]?.text === 'string' ? [noteItem(name, notes[i])] : [])));
  showNotes();
}

async function addNote(event) {
  event.preventDefault();
  const input = $('note');
  const button = event.target.querySelector('button');
  const text = input.value.trim();
  if (!text) return;
  const at = Date.now();
  const key = mine(`note:${String(at).padStart(15, '0')}-${Math.random().toString(36).slice(2, 6)}`);
  button.disabled = true;
  try {
    await write(key, { text, at });
    $('notes').prepend(noteItem(key, { text, at }));
    showNotes();
    input.value = '';
    tell('Note saved.');
  } catch (error) {
    tell(inWords(error));
  } finally {
    button.disabled = false;
    input.focus();
  }
}

async function deleteNote(item) {
  const next = (item.nextElementSibling ?? item.previousElementSibling)?.querySelector('button') ?? $('note');
  try {
    await remove(item.dataset.key);
    item.remove();
    showNotes();
    next.focus();
    tell('Note deleted.');
  } catch (error) {
    tell(inWords(error));
  }
}

// --- taps and the leaderboard ---

const BOARD = 'board:taps';
const taps = { saved: 0, waiting: 0, sending: 0, busy: false };
let place = null, boardIsThere = false;

function showTaps() {
  const n = taps.saved + taps.waiting + taps.sending;
  $('mine').textContent = n.toLocaleString();
  $('mine').classList.toggle('long', n > 9999);
  $('tap').toggleAttribute('data-sending', taps.waiting + taps.sending > 0);
}

function boardItem({ userId, name, score }, rank) {
  const item = document.createElement('li');
  const parts = [['rank', rank], ['avatar small', initial(name)], ['name', userId === user.telegramId ? `${name} (you)` : name],
    ['score', score.toLocaleString()]];
  if (userId === user.telegramId) item.className = 'mine';
  item.append(...parts.map(([kind, text]) => {
    const part = document.createElement('span');
    part.className = kind;
    part.textContent = text;
    return part;
  }));
  item.children[1].dataset.tint = tint(userId);
  item.children[1].setAttribute('aria-hidden', 'true');
  return item;
}

const initial = (name) => [...name][0]?.toUpperCase() ?? '?';
const tint = (id) => String(id % 6);

async function loadBoard() {
  // The SDK answers null for a key that is not there, and browsers put the 404 behind it on the console. So ask what
  // there is first.
  boardIsThere ||= (await namesBelow(BOARD)).includes(BOARD);
  const board = boardIsThere ? await read(BOARD) ?? [] : [];
  const at = board.findIndex((entry) => entry.userId === user.telegramId);
  $('board').replaceChildren(...board.slice(0, 10).map((entry, i) => boardItem(entry, i + 1)));
  $('board-empty').hidden = board.length > 0;
  $('everyone').textContent = board.reduce((sum, entry) => sum + entry.score, 0).toLocaleString();
  $('players').textContent = board.length.toLocaleString();
  $('place').textContent = at < 0 ? '–' : `${at + 1}`;
  if (place !== null && at >= 0 && at + 1 !== place) tell(`You are number ${at + 1} now.`);
  place = at < 0 ? null : at + 1;
}

/**
 * What was tapped since, in one step each: the person's own number, which other devices of theirs may be adding to as
 * well, and with what has become of it their line of the board. A player could say any score here; where that matters,
 * let your server send this change, and the rules give the page `read` alone.
 */
async function sendTaps() {
  if (taps.busy || !taps.waiting) return;
  taps.busy = true;
  taps.sending = taps.waiting;
  taps.waiting = 0;
  try {
    const { value } = await change(mine('taps'), { op: 'add', by: taps.sending });
    taps.saved = value;
    taps.sending = 0;
    await change(BOARD, { op: 'rank', entry: { userId: user.telegramId, name: user.firstName, score: value }, by: 'score', id: 'userId', limit: 100 });
    await loadBoard();
  } catch (error) {
    // Whether they were counted is not known when the answer was lost; what the server has is what counts.
    tell(inWords(error));
    taps.saved = await read(mine('taps')).catch(() => null) ?? taps.saved;
    taps.sending = 0;
  } finally {
    taps.busy = false;
    showTaps();
    if (taps.waiting) setTimeout(sendTaps, 250);
  }
}

function tap() {
  taps.waiting++;
  showTaps();
  setTimeout(sendTaps, 250);
}

/** The others' taps, while anybody looks. */
async function follow() {
  for (let pause = 1500; ; ) {
    await new Promise((resolve) => { setTimeout(resolve, pause); });
    if (document.hidden) continue;
    try {
      await sendTaps();
      await loadBoard();
      complain('');
      pause = 1500;
    } catch (error) {
      complain(inWords(error));
      pause = Math.min(pause * 2, 15_000);
    }
  }
}

// --- the beginning ---

async function begin() {
  const start = launch();
  showTheme({ params: start.params });
  systemIsDark.addEventListener('change', () => showTheme({}));

  if (!start.initData)
    throw new Refusal('Open this page from Telegram, or by one of the addresses that conf/demo prints: they say who you are.');
  const config = await fetch('config.json').then((response) => response.json());
  if (!config.sdk)
    throw new Refusal('The package @tma.sh/sdk is not here. Install npm (apt-get install npm), then start conf/demo again.');
  const { createTMA } = await import('./sdk/client/index.js');
  tma = createTMA({ apiUrl: location.origin });
  ({ initData } = start);
  ({ projectId } = config);
  ({ user } = await signIn());

  $('hello').textContent = `Hello, ${user.firstName}`;
  $('avatar').textContent = initial(user.firstName);
  $('avatar').hidden = false;
  $('avatar').dataset.tint = tint(user.telegramId);
  const names = await namesBelow(mine(''));
  const readIf = (key) => (names.includes(key) ? read(key) : null);
  const [choice, saved] = await Promise.all([readIf(mine('theme')), readIf(mine('taps')),
    loadNotes(names.filter((name) => name.startsWith(mine('note:')))), loadBoard()]);
  showTheme({ choice: ['light', 'dark'].includes(choice) ? choice : 'auto' });
  taps.saved = Number.isInteger(saved) ? saved : 0;
  showTaps();

  $('tap').addEventListener('click', tap);
  $('note-form').addEventListener('submit', addNote);
  for (const input of document.getElementsByName('theme')) input.addEventListener('change', () => chooseTheme(input.value));
  $('loading').hidden = true;
  $('app').hidden = false;
  follow();
}

begin().catch((error) => {
  $('loading').hidden = true;
  complain(error instanceof Refusal && !error.code ? error.message : inWords(error));
});
