// kv_worker.mjs - runs in workerd: calls one method of env.KV as told and tells what came of it (workerd.test.mjs).
//
// In: {method, args}. Out: {value} or {error: {name, message}}. What JSON has no word for is an object with one member:
// $bytes, $view and $stream hold base64, $map holds pairs, $undefined is undefined.

const base64 = (bytes) => {
  let text = '';
  for (const byte of new Uint8Array(bytes)) text += String.fromCharCode(byte);
  return btoa(text);
};
const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

/** A stream that gives its bytes in pieces and does not say how many there are. */
const streamOf = (bytes) => {
  let at = 0;
  return new ReadableStream({ pull(controller) {
    if (at >= bytes.length) controller.close();
    else controller.enqueue(bytes.slice(at, at += 10_000));
  } });
};
/** The same where the length is known: workerd announces it. */
const sizedStreamOf = (bytes) => {
  const { readable, writable } = new FixedLengthStream(bytes.length);
  const writer = writable.getWriter();
  writer.write(bytes).then(() => writer.close()).catch(() => {});
  return readable;
};

function revive(value) {
  if (value === null || typeof value !== 'object') return value;
  if ('$bytes' in value) return bytesOf(value.$bytes).buffer;
  if ('$view' in value) return new Uint8Array([0, ...bytesOf(value.$view), 0]).subarray(1, -1);
  if ('$stream' in value) return streamOf(bytesOf(value.$stream));
  if ('$sized' in value) return sizedStreamOf(bytesOf(value.$sized));
  if (Array.isArray(value)) return value.map(revive);
  return value;
}

async function tell(value) {
  if (value === undefined) return { $undefined: true };
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof ArrayBuffer) return { $bytes: base64(value) };
  if (value instanceof ReadableStream) return { $stream: base64(await new Response(value).arrayBuffer()) };
  if (value instanceof Map)
    return { $map: await Promise.all([...value].map(async ([key, one]) => [key, await tell(one)])) };
  if (Array.isArray(value)) return Promise.all(value.map(tell));
  const members = Object.entries(value).map(async ([name, one]) => [name, await tell(one)]);
  return Object.fromEntries(await Promise.all(members));
}

export default {
  async fetch(request, env) {
    if (request.method !== 'POST') return new Response('here');
    const { method, args } = await request.json();
    try {
      return Response.json({ value: await tell(await env.KV[method](...args.map(revive))) });
    } catch (error) {
      return Response.json({ error: { name: error.name, message: error.message } });
    }
  },
};
