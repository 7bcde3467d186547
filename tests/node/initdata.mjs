// initdata.mjs - making initData, good and bad, and asking both ways in with it, for the tests of signing in.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { expectError } from './lib.mjs';

export const ADA = { id: 7, first_name: 'Ada' };
export const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'; // base64url's

export const now = () => Math.floor(Date.now() / 1000);
export const hmac = (key, text) => createHmac('sha256', key).update(text);
export const secretOf = (botToken) => hmac('WebAppData', botToken).digest();

/** What Telegram sends for USER, and MORE. */
export const fieldsOf = (user, more = {}) =>
  ({ auth_date: String(now()), query_id: 'AAF', user: JSON.stringify(user), ...more });
/** What is signed of FIELDS. */
export const lines = (fields) => Object.keys(fields).sort().map((name) => `${name}=${fields[name]}`).join('\n');
export const query = (fields) => Object.entries(fields)
  .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join('&');

/** The two ways into the projects of KV, and what is genuine by its hash there. PROJECT: any of its names. */
export function waysIn(kv) {
  const hashOf = (fields, key = secretOf(kv.botToken)) => hmac(key, lines(fields)).digest('hex');
  const signed = (fields, key) => `${query(fields)}&hash=${hashOf(fields, key)}`;
  const validateBody = (body) => kv.ask('POST', '/sdk/v1/auth/validate', { as: null, body });
  const validate = (initData, projectId = kv.projectId) => validateBody(JSON.stringify({ initData, projectId }));
  const asUser = (initData, project = kv.projectId) => kv.ask('GET', '/kv/never-written', {
    as: null, headers: { Authorization: `tma ${initData}`, 'X-Project-Id': project } });

  /** Both refuse it. HEADER: false where the text cannot stand in a header. */
  async function isRefused(initData, { code = 'invalid_init_data', status = 401, header = true, project } = {}) {
    const why = JSON.stringify(initData.slice(0, 300));
    expectError(await validate(initData, project), status, code, why);
    if (header) expectError(await asUser(initData, project), status, code, why);
  }

  /** Both let USER in. */
  async function isAccepted(initData, user = ADA, project = kv.projectId) {
    const answer = await validate(initData, project);
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.json.data.user.telegramId, user.id);
    expectError(await asUser(initData, project), 404, 'key_not_found');
  }

  return { hashOf, signed, validateBody, validate, asUser, isRefused, isAccepted };
}
