// json.js - JSON as text. A value is looked at, never taken apart and written anew: numbers beyond 2^53, 1.0 and 1e2,
// and a member that stands there twice would not come out as they went in.

// A text that JSON.parse() has taken consists of these and white space.
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\]:,]|[^\s{}[\]:,"]+/g;

/** Null when TEXT is JSON, else where it stops being that, in words. */
export function problem(text) {
  try {
    JSON.parse(text);
    return null;
  } catch (error) {
    if (text.trim() === '') return 'This is empty. JSON for nothing is null.';
    const at = Number(String(error.message).match(/position (\d+)/)?.[1] ?? NaN);
    if (Number.isNaN(at)) return `This is not JSON: ${String(error.message).replace(/^JSON\.parse: /, '')}`;
    const lines = text.slice(0, at).split('\n');
    const here = text.slice(at, at + 20).split('\n')[0];
    return `This is not JSON: see line ${lines.length}, column ${lines.at(-1).length + 1}` +
      (here ? `, at ${JSON.stringify(here)}.` : '.');
  }
}

export const isJson = (text) => problem(text) === null;

function kindOf(token, next) {
  if (token[0] === '"') return next === ':' ? 'name' : 'string';
  return token === 'true' || token === 'false' || token === 'null' ? 'word' : 'number';
}

/**
 * TEXT, which is JSON, a member a line, as [kind, text] pairs; every token is as it was. Kinds: name, string, number,
 * word, and '' for what stands between them.
 */
export function format(text, indent = '  ') {
  const tokens = text.match(TOKEN) ?? [];
  const out = [];
  let depth = 0, plain = '';
  const newLine = () => { plain += `\n${indent.repeat(depth)}`; };
  tokens.forEach((token, i) => {
    const next = tokens[i + 1];
    if (token === '{' || token === '[') {
      plain += token;
      depth++;
      if (next !== '}' && next !== ']') newLine();
    } else if (token === '}' || token === ']') {
      depth--;
      if (tokens[i - 1] !== '{' && tokens[i - 1] !== '[') newLine();
      plain += token;
    } else if (token === ',') {
      plain += token;
      newLine();
    } else if (token === ':') {
      plain += ': ';
    } else {
      if (plain) out.push(['', plain]);
      plain = '';
      out.push([kindOf(token, next), token]);
    }
  });
  if (plain) out.push(['', plain]);
  return out;
}

export const formatted = (text) => format(text).map(([, part]) => part).join('');

/**
 * The texts of the members NAME of the objects that stand in the array which is a member of TEXT's object, one for each
 * of them; undefined for those without. So a list's metadata can be shown as it is stored.
 */
export function memberTexts(text, name) {
  const found = [], stack = [];
  const wanted = JSON.stringify(name);
  let last = '', before = '', from = -1;
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    const isMember = stack.length === 3 && stack[1] === '[' && last === ':' && before === wanted;
    if (isMember) from = index;
    if (token === '{' || token === '[') {
      if (stack.length === 2 && stack[1] === '[') found.push(undefined);
      stack.push(token);
    } else if (token === '}' || token === ']') {
      stack.pop();
    }
    if (from >= 0 && stack.length === 3) {
      found[found.length - 1] = text.slice(from, index + token.length);
      from = -1;
    }
    [before, last] = [last, token];
  }
  return found;
}
