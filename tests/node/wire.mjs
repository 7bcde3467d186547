// wire.mjs - requests as bytes on connections that stay open: nothing in between makes a path nicer, refuses a header,
// or joins what came twice.
import { connect } from 'node:net';

/** The answer at the start of BYTES, and what stands behind it; undefined: it is not whole yet. */
function parse(bytes, isHead) {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const [first, ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n');
  const status = Number(first.split(' ')[1]);
  if (status >= 100 && status < 200) return parse(bytes.subarray(end + 4), isHead);
  const headers = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers[name] = name in headers ? `${headers[name]}, ${value}` : value;
  }
  if (headers['transfer-encoding']) throw new Error('an answer in chunks: these tests want its length');
  const length = isHead || status === 204 || status === 304 ? 0 : Number(headers['content-length'] ?? 0);
  if (bytes.length < end + 4 + length) return undefined;
  return { answer: { status, headers, body: bytes.subarray(end + 4, end + 4 + length) },
    rest: bytes.subarray(end + 4 + length) };
}

/** REQUEST ({method, path, version?, headers: [[name, value]], body?}) as it goes out; texts are Latin-1. */
export function bytesOf({ method, path, version = 'HTTP/1.1', headers, body }) {
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const head = Buffer.from(`${method} ${path} ${version}\r\n${lines}\r\n`, 'latin1');
  return body === undefined ? head : Buffer.concat([head, Buffer.from(body)]);
}

/** One connection: a request at a time, opened again when the other side has closed it. */
export class Wire {
  constructor(port) {
    this.port = port;
  }

  #open() {
    this.bytes = Buffer.alloc(0);
    this.socket = connect(this.port, '127.0.0.1');
    this.socket.setNoDelay(true);
    this.socket.on('data', (piece) => {
      this.bytes = this.bytes.length > 0 ? Buffer.concat([this.bytes, piece]) : piece;
      this.#look();
    });
    this.socket.on('error', () => {}); // its 'close' comes next
    const { socket } = this;
    socket.on('close', () => {
      if (this.socket !== socket) return;
      this.socket = undefined;
      this.#settle(undefined);
    });
  }

  #settle(answer, error) {
    const { waiting } = this;
    this.waiting = undefined;
    if (!waiting) return;
    clearTimeout(waiting.timer);
    if (error) waiting.reject(error);
    else if (answer) waiting.resolve(answer);
    else waiting.resolve({ status: 0, headers: {}, body: this.bytes });
  }

  #look() {
    try {
      const found = this.waiting && parse(this.bytes, this.waiting.isHead);
      if (!found) return;
      // What comes behind the answer belongs to nobody: after a request that was refused half way nginx may say more.
      const closes = found.rest.length || found.answer.headers.connection === 'close';
      this.bytes = Buffer.alloc(0);
      if (closes) this.close();
      this.#settle(found.answer);
    } catch (error) {
      this.close();
      this.#settle(undefined, error);
    }
  }

  /** Its answer: {status, headers, body}; status 0: the connection was closed without one. */
  async ask(request) {
    const wasOpen = Boolean(this.socket);
    const answer = await this.#once(request);
    // nginx may close a connection that was idle just when the next request is on its way.
    return answer.status === 0 && answer.body.length === 0 && wasOpen ? this.#once(request) : answer;
  }

  #once(request) {
    return new Promise((resolve, reject) => {
      if (!this.socket) this.#open();
      const timer = setTimeout(() => {
        this.close();
        this.#settle(undefined, new Error(`no answer in time to ${request.method} ${request.path.slice(0, 200)}`));
      }, 60_000);
      this.waiting = { resolve, reject, timer, isHead: request.method === 'HEAD' };
      this.socket.write(bytesOf(request));
    });
  }

  close() {
    const { socket } = this;
    this.socket = undefined;
    socket?.destroy();
  }
}
