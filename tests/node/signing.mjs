// signing.mjs - the server's own signing keys, out of the store's files, as somebody has them who has a copy of those;
// and tokens made with them.
import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** The private keys in KV's files, by the x of their public halves. */
export function storedKeys(kv) {
  const folder = join(kv.dir, 'data');
  const pems = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    .flatMap((entry) => readFileSync(join(entry.parentPath ?? entry.path, entry.name), 'latin1')
      .match(/-----BEGIN (?:EC )?PRIVATE KEY-----[A-Za-z0-9+/=\\\n]+-----END (?:EC )?PRIVATE KEY-----/g) ?? []);
  return new Map([...new Set(pems)].map((pem) => {
    const key = createPrivateKey(pem.replaceAll('\\n', '\n').replaceAll('\\/', '/'));
    return [createPublicKey(key).export({ format: 'jwk' }).x, key];
  }));
}

/** The keys that are published at PATH. */
export const publishedKeys = async (kv, path = '/.well-known/jwks.json') =>
  (await kv.ask('GET', path, { as: null })).json.keys;

/** The private key whose public half is published as KID. */
export async function keyOf(kv, kid, path = '/.well-known/jwks.json') {
  const { x } = (await publishedKeys(kv, path)).find((one) => one.kid === kid);
  const key = storedKeys(kv).get(x);
  if (!key) throw new Error('the signing key is not in the store\'s files');
  return key;
}

const bytesOf = (value) => (typeof value === 'string' || Buffer.isBuffer(value) ? value : JSON.stringify(value));
const b64 = (value) => Buffer.from(bytesOf(value)).toString('base64url');

/** A token of HEAD and BODY (objects, or texts as they are), signed with KEY. */
export function signToken(key, head, body) {
  const text = `${b64(head)}.${b64(body)}`;
  return `${text}.${b64(sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }))}`;
}

/** [head, claims] of a token. */
export const partsOf = (token) => token.split('.').slice(0, 2).map((part) => JSON.parse(Buffer.from(part, 'base64url')));

/** The other signature that holds for the same: every ECDSA signature has one. */
export function twinOf(token) {
  const [h, c, s] = token.split('.');
  const raw = Buffer.from(s, 'base64url');
  const n = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const twin = (n - BigInt(`0x${raw.subarray(32).toString('hex')}`)).toString(16).padStart(64, '0');
  return `${h}.${c}.${Buffer.concat([raw.subarray(0, 32), Buffer.from(twin, 'hex')]).toString('base64url')}`;
}
