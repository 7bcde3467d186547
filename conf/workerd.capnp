# workerd.capnp - a Worker of yours on this machine, whose env.KV is TMA KV: `workerd serve workerd.capnp`.
#
# Copy it and worker.mjs beside your own code. There are two places to change, both marked:
# the API key and the Worker. The key is a secret and stands in this file, so let nobody else
# read it: `chmod 600 workerd.capnp`. Make one with `tmakvctl key create PROJECT --name worker`;
# it decides which project env.KV is.
#
# Every method of KVNamespace works as on Cloudflare, with @tma.sh/sdk/server's createKV(env.KV)
# on top of it too. What differs is in your favour: a read sees the last write.

using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "worker", worker = .worker),

    # The binding door: nginx, with nginx/tmakv-binding.conf (and where nginx.conf has it).
    # A Unix socket is "unix:/path". It is never a public address: the key travels in the clear.
    (name = "tmakv", external = (
      address = "127.0.0.1:8482",
      http = (
        injectRequestHeaders = [
          # 1. The API key of your project, behind "Bearer ". The Worker's own code never sees it.
          (name = "Authorization", value = "Bearer tmakv_YOUR_API_KEY"),
        ],
      ),
    )),
  ],

  # Where the Worker listens. For the world, put your web server with its certificate in front.
  sockets = [(name = "http", address = "127.0.0.1:8787", http = (), service = "worker")],
);

const worker :Workerd.Worker = (
  # 2. Your Worker: one file, as a bundler makes it (`esbuild --bundle --format=esm`).
  modules = [(name = "worker.mjs", esModule = embed "worker.mjs")],
  # How the runtime behaves is frozen at this day; a newer workerd keeps to it.
  compatibilityDate = "2026-11-01",
  # One line for each project that the Worker uses, each with a service of its own above.
  bindings = [(name = "KV", kvNamespace = "tmakv")],
);
