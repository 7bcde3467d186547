// fcgi.mjs - a front server of a few lines: one FastCGI request with just the parameters a test wants, REQUEST_ID among
// them, so that a repeat by nginx can be made at will.
import { connect } from 'node:net';

const KEPT_LENGTH = 4;
const record = (type, content) =>
  Buffer.concat([Buffer.from([1, type, 0, 1, content.length >> 8, content.length & 255, 0, 0]), content]);
const length = (n) => {
  const bytes = Buffer.alloc(KEPT_LENGTH);
  bytes.writeUInt32BE((n | 0x80000000) >>> 0);
  return bytes;
};
const parameter = ([name, value]) => {
  const [n, v] = [Buffer.from(name), Buffer.from(value)];
  return Buffer.concat([length(n.length), length(v.length), n, v]);
};

/** The stream of records of TYPE in BYTES; undefined until END_REQUEST is there. */
function content(bytes, type) {
  const pieces = [];
  while (bytes.length >= 8) {
    const n = bytes.readUInt16BE(4);
    const end = 8 + n + bytes[6];
    if (bytes.length < end) return undefined;
    if (bytes[1] === 3) return Buffer.concat(pieces);
    if (bytes[1] === type) pieces.push(bytes.subarray(8, 8 + n));
    bytes = bytes.subarray(end);
  }
  return undefined;
}

/** Ask the server at SOCKET; answers {status, headers, text}. BODY has less than 64 KiB. */
export function askServer(socket, method, uri, { parameters = {}, body = '' } = {}) {
  const all = { REQUEST_METHOD: method, REQUEST_URI: uri, CONTENT_LENGTH: `${Buffer.byteLength(body)}`, ...parameters };
  const bytes = Buffer.concat([record(1, Buffer.from([0, 1, 0, 0, 0, 0, 0, 0])),
    record(4, Buffer.concat(Object.entries(all).map(parameter))), record(4, Buffer.alloc(0)),
    ...(body ? [record(5, Buffer.from(body))] : []), record(5, Buffer.alloc(0))]);
  return new Promise((resolve, reject) => {
    const peer = connect(socket);
    let got = Buffer.alloc(0);
    peer.on('data', (piece) => {
      got = Buffer.concat([got, piece]);
      const answer = content(got, 6)?.toString();
      if (answer === undefined) return;
      peer.destroy();
      const [head, ...rest] = answer.split('\r\n\r\n');
      const headers = Object.fromEntries(head.split('\r\n').map((line) => {
        const [, name, value] = line.match(/^([^:]+): (.*)$/);
        return [name.toLowerCase(), value];
      }));
      resolve({ status: Number(headers.status.split(' ')[0]), headers, text: rest.join('\r\n\r\n') });
    });
    peer.on('error', reject);
    peer.on('close', () => reject(new Error('closed without an answer')));
    peer.write(bytes);
  });
}
