// routes.js - where one is, in the address behind the "#": it can be kept, sent, and gone back to. It names projects
// and keys; the key that opens them never stands in it.

const word = encodeURIComponent;

function to(path, query = {}) {
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== '');
  return `#/${path}${pairs.length ? `?${new URLSearchParams(pairs)}` : ''}`;
}

export const toProjects = (page) => to('projects', { page: page > 1 ? page : null });
export const toKeys = (project, query = {}) => to(`projects/${word(project)}/keys`, query);
export const toKey = (project, name) => to(`projects/${word(project)}/key`, { name });
export const toEditor = (project, name) => to(`projects/${word(project)}/edit`, { name });
export const toNew = (project, prefix) => to(`projects/${word(project)}/new`, { prefix });

/** { view, project, query } of an address; the view is '' where there is none, null where it makes no sense. */
export function read(hash) {
  const [path, search = ''] = hash.replace(/^#\/?/, '').split(/\?(.*)/s);
  const query = Object.fromEntries(new URLSearchParams(search));
  let parts;
  try {
    parts = path.split('/').filter(Boolean).map(decodeURIComponent);
  } catch {
    return { view: null, query };
  }
  const [first, project, view] = parts;
  if (first === undefined) return { view: '', query };
  if (first !== 'projects') return { view: null, query };
  if (project === undefined) return { view: 'projects', query };
  if (view === undefined) return { view: 'keys', project, query };
  return ['keys', 'key', 'edit', 'new'].includes(view) ? { view, project, query } : { view: null, query };
}
