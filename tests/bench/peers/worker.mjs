// worker.mjs - the application as a Worker on env.KV; users are signed in with the SDK's own requireUser().
import { requireUser } from '@tma.sh/sdk/server';
import { keyValueApp } from './app.mjs';

const store = ({ env: { KV } }) => ({
  get: (key) => KV.get(key),
  put: (key, text) => KV.put(key, text),
  delete: (key) => KV.delete(key),
  async list(prefix, limit, cursor) {
    const { keys, list_complete, cursor: next } = await KV.list({ prefix, limit, cursor });
    return { keys: keys.map(({ name }) => ({ name })), list_complete, cursor: next };
  },
});

// Its keys come from env.TMA_JWKS and are parsed once.
export default keyValueApp(requireUser(), store, (c) => c.env.PROJECT_ID);
