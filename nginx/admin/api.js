// api.js - the REST door (Cloudflare v4), on this page's own origin. The key lives in the closure of openApi() and
// nowhere else: not in storage, not in an address, not in the document.
import { memberTexts } from './json.js';

const V4 = '/client/v4';
const part = encodeURIComponent;

/** What the server said no to. `status` 0: it could not be reached. */
export class ApiError extends Error {
  constructor(status, message, { code = 0, version = null } = {}) {
    super(message);
    Object.assign(this, { status, code, version });
  }
}

/** "get: 'key not found'" is meant for programs; what was done is known here. */
const sentence = (message) => {
  const said = String(message).match(/^[a-z ]+: '(.*)'$/s)?.[1] ?? String(message);
  return said.charAt(0).toUpperCase() + said.slice(1) + (/[.?!]$/.test(said) ? '' : '.');
};

const WORDS = {
  0: 'The server cannot be reached. Is tmakvd running, and the way to this address open?',
  403: 'The key that is signed in may not do this.',
  413: 'This is larger than the server takes.',
  502: 'tmakvd is not answering; try again in a moment.',
  503: 'tmakvd is starting or stopping; try again in a moment.',
  504: 'No answer in time. A change may have happened all the same: look before you repeat it.',
};

async function errorOf(response) {
  const version = response.headers.get('ETag');
  try {
    const { errors } = JSON.parse(await response.text());
    const { code, message } = errors[0];
    return new ApiError(response.status, sentence(message), { code, version });
  } catch {
    return new ApiError(response.status, WORDS[response.status] ?? `The server answered ${response.status}.`, { version });
  }
}

// What stands before the result in every envelope; its bytes follow, as they were stored.
const HEAD = '"result":';

function rawResult(text) {
  const raw = text.slice(text.indexOf(HEAD) + HEAD.length, text.lastIndexOf('}'));
  JSON.parse(raw); // or it is not the envelope that is known here
  return raw;
}

/** KEY opens it; REFUSED() is called when the server no longer takes it. */
export function openApi(key, refused) {
  let account = '';

  async function ask(method, path, { query = {}, headers = {}, body, signal } = {}) {
    const pairs = Object.entries(query).filter(([, value]) => value !== undefined && value !== '' && value !== null);
    const search = pairs.length ? `?${new URLSearchParams(pairs)}` : '';
    let response;
    try {
      response = await fetch(V4 + path + search, {
        method, body, signal, headers: { ...headers, Authorization: `Bearer ${key}` },
        cache: 'no-store', credentials: 'omit', redirect: 'error', referrerPolicy: 'no-referrer',
      });
    } catch (error) {
      if (error.name === 'AbortError') throw error;
      throw new ApiError(0, WORDS[0]);
    }
    if (response.ok) return response;
    const problem = await errorOf(response);
    if (problem.status === 401) refused(problem);
    throw problem;
  }

  const json = async (...question) => (await ask(...question)).json();
  const all = () => `/accounts/${part(account)}/storage/kv/namespaces`;
  const one = (project) => `${all()}/${part(project)}`;

  const versionOf = (response) => ({
    version: response.headers.get('ETag'),
    writes: Number(response.headers.get('X-KV-Writes')),
  });

  return {
    /** Who the key is: { access: 'admin' | 'read_write' | 'read' }. */
    async signIn(signal) {
      const { result } = await json('GET', '/user/tokens/verify', { signal });
      account = (await json('GET', '/accounts', { signal })).result[0].id;
      return { access: result.access };
    },

    /** From here on it opens nothing. */
    forget() {
      key = '';
    },

    /** A page of projects, by title: { projects: [{id, title}], pages, total }. */
    async projects(page, perPage, signal) {
      const query = { page, per_page: perPage, order: 'title' };
      const { result, result_info: info } = await json('GET', all(), { query, signal });
      return { projects: result, pages: info.total_pages, total: info.total_count };
    },

    /** { id, title }; PROJECT is an id, with dashes or without, or a name. */
    async project(project, signal) {
      return (await json('GET', one(project), { signal })).result;
    },

    /** A page of keys: { keys: [{name, expiration?, metadata?: its text}], cursor }; an empty cursor: the last page. */
    async keys(project, { prefix, cursor, limit }, signal) {
      const response = await ask('GET', `${one(project)}/keys`, { query: { prefix, cursor, limit }, signal });
      const text = await response.text();
      const { result, result_info: info } = JSON.parse(text);
      const metadata = memberTexts(text, 'metadata');
      return { keys: result.map((key, i) => ({ ...key, metadata: metadata[i] })), cursor: info.cursor };
    },

    /** What is known of a value without reading it: { version, writes, size, expiration }. */
    async head(project, name, signal) {
      const response = await ask('HEAD', `${one(project)}/values/${part(name)}`, { signal });
      const expiration = Number(response.headers.get('expiration')) || null;
      return { ...versionOf(response), size: Number(response.headers.get('Content-Length')), expiration };
    },

    /** The bytes of this VERSION; 412 when there is another meanwhile. */
    async bytes(project, name, version, signal) {
      const response = await ask('GET', `${one(project)}/values/${part(name)}`, {
        headers: { 'If-Match': version }, signal });
      return new Uint8Array(await response.arrayBuffer());
    },

    /** The metadata of this VERSION as the JSON text that is stored; null: it has none. */
    async metadata(project, name, version, signal) {
      const response = await ask('GET', `${one(project)}/metadata/${part(name)}`, {
        headers: { 'If-Match': version }, signal });
      const raw = rawResult(await response.text());
      return raw === 'null' ? null : raw;
    },

    /**
     * Write it, all of it: what is not said (metadata, expiration) is not there afterwards. VERSION: only over this
     * one; null: only where nothing is.
     */
    async put(project, name, { bytes, metadata, expiration, ttl, version }, signal) {
      const body = new FormData();
      // As blobs: of a text a browser would turn the line ends around.
      body.append('value', new Blob([bytes]));
      if (metadata !== null) body.append('metadata', new Blob([metadata]));
      const response = await ask('PUT', `${one(project)}/values/${part(name)}`, {
        query: { expiration, expiration_ttl: ttl }, body, signal,
        headers: version === null ? { 'If-None-Match': '*' } : { 'If-Match': version },
      });
      return versionOf(response);
    },

    async remove(project, name, version, signal) {
      await ask('DELETE', `${one(project)}/values/${part(name)}`, { headers: { 'If-Match': version }, signal });
    },
  };
}

/**
 * All of a key, of one moment: what head() tells, then `bytes` (null when there are more than MAX) and `metadata`.
 * Somebody who writes it again and again is followed a few times.
 */
export async function readKey(api, project, name, max, signal) {
  for (let tries = 0; ; tries++) {
    const head = await api.head(project, name, signal);
    try {
      const [bytes, metadata] = await Promise.all([
        head.size > max ? null : api.bytes(project, name, head.version, signal),
        api.metadata(project, name, head.version, signal),
      ]);
      return { ...head, bytes, metadata };
    } catch (error) {
      if (error.status !== 412 || tries === 4) throw error;
    }
  }
}

/** 'json', 'text' or 'binary', and the text where there is one. */
export function kindOf(bytes) {
  try {
    // A byte order mark is part of a value.
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    try {
      JSON.parse(text);
      return { kind: 'json', text };
    } catch {
      return { kind: 'text', text };
    }
  } catch {
    return { kind: 'binary', text: null };
  }
}
