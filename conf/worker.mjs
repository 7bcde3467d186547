// worker.mjs - the smallest Worker that shows env.KV: put your own in its place.
//
//   curl -X PUT http://127.0.0.1:8787/greeting -d hello
//   curl http://127.0.0.1:8787/greeting
export default {
  async fetch(request, env) {
    const key = decodeURIComponent(new URL(request.url).pathname.slice(1));
    if (request.method === 'PUT') {
      await env.KV.put(key, request.body, { metadata: { from: 'worker.mjs' } });
      return new Response('stored\n');
    }
    const { value, metadata } = await env.KV.getWithMetadata(key);
    if (value === null) return new Response('there is no such key\n', { status: 404 });
    return Response.json({ value, metadata });
  },
};
