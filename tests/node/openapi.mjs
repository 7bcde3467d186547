// openapi.mjs - conf/openapi.yaml as tests use it: what it says of an operation, and whether an answer is one that it
// has. What is asked is made in openapi_mutations.mjs, and for whom in openapi_world.mjs.
import { readFileSync } from 'node:fs';
import Ajv2020 from 'ajv/dist/2020.js';
import { parse } from 'yaml';

export const METHODS = ['get', 'head', 'put', 'post', 'patch', 'delete', 'options'];
const FRONT = ['connection', 'content-length', 'content-type', 'date', 'server'];	// nginx's, in every answer

const parsed = new Map();
function rootOf(file) {
  if (!parsed.has(file)) parsed.set(file, parse(readFileSync(file, 'utf8')));
  return structuredClone(parsed.get(file));
}

export class Document {
  /** PLANT(document) may spoil it first, to see whether anybody notices. */
  constructor(file, plant) {
    this.root = rootOf(file);
    plant?.(this.root);
    this.ajv = new Ajv2020({ strict: false, validateSchema: false, validateFormats: false });
    this.ajv.addSchema({ ...this.root, $id: 'openapi' });
    this.compiled = new Map();
    this.operations = Object.entries(this.root.paths).flatMap(([path, item]) =>
      METHODS.filter((method) => item[method]).map((method) => this.#operation(path, item, method)));
  }

  /** What REF, or the object itself, is; `at` says where it stands. */
  #follow(object, at) {
    while (object?.$ref) {
      at = object.$ref.slice(2).split('/').map((one) => one.replaceAll('~1', '/').replaceAll('~0', '~'));
      object = at.reduce((inner, name) => inner[name], this.root);
    }
    return { ...object, at };
  }

  response(name) {
    return this.#response({ $ref: `#/components/responses/${name}` }, []);
  }

  #response(object, at) {
    const response = this.#follow(object, at);
    response.headers = Object.fromEntries(Object.entries(response.headers ?? {}).map(([name, header]) =>
      [name.toLowerCase(), this.#follow(header, [...response.at, 'headers', name])]));
    return response;
  }

  #operation(path, item, method) {
    const operation = item[method];
    const at = ['paths', path, method];
    const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map((one) => this.#follow(one));
    const responses = Object.fromEntries(Object.entries(operation.responses).map(([status, response]) =>
      [status, this.#response(response, [...at, 'responses', status])]));
    const bodies = Object.entries(operation.requestBody?.content ?? {}).map(([type, media]) => ({
      type, schemaAt: [...at, 'requestBody', 'content', type, 'schema'], schema: media.schema,
      examples: 'example' in media ? [media.example] : Object.values(media.examples ?? {}).map((one) => one.value) }));
    return { ...operation, method: method.toUpperCase(), path, parameters, responses, bodies,
      name: `${method.toUpperCase()} ${path}`, isRest: path.startsWith('/client/v4'), item };
  }

  /** Whether VALUE is what the schema at this place says; the errors when it is not. */
  validate(at, value) {
    const pointer = at.map((one) => encodeURIComponent(one.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/');
    if (!this.compiled.has(pointer)) this.compiled.set(pointer, this.ajv.compile({ $ref: `openapi#/${pointer}` }));
    const check = this.compiled.get(pointer);
    return check(value) ? [] : check.errors.map((one) => `${one.instancePath || 'the body'} ${one.message}`);
  }

  /** Whether VALUE, a text as it stands in a request, is one of PARAMETER. */
  fits(parameter, value) {
    const { schema } = parameter;
    if (value === '') return parameter.allowEmptyValue === true;
    if (schema.type === 'integer' && !/^-?(0|[1-9][0-9]*)$/.test(value)) return false;
    return this.validate([...parameter.at, 'schema'], schema.type === 'integer' ? Number(value) : value).length === 0;
  }

  /** What is wrong with ANSWER to a request of this method, as RESPONSE has it; nothing: []. */
  checkResponse(response, answer, method) {
    const problems = [];
    const say = (what) => problems.push(what);
    for (const [name, header] of Object.entries(response.headers)) {
      const value = answer.headers[name];
      if (value === undefined && header.required) say(`the header ${name} is missing`);
      if (value !== undefined)
        for (const error of this.validate([...header.at, 'schema'], value)) say(`the header ${name}: ${value}: ${error}`);
    }
    for (const name of Object.keys(answer.headers))
      if (!(name in response.headers) && !FRONT.includes(name)) say(`the header ${name} is not documented here`);
    const type = answer.headers['content-type']?.split(';')[0];
    if (!response.content) {
      if (type !== undefined || answer.body.length) say(`a body that is not documented: ${type}`);
      return problems;
    }
    if (!(type in response.content)) return [...problems, `the Content-Type ${type} is not documented`];
    if (method === 'HEAD' || type !== 'application/json') return problems;
    try {
      const errors = this.validate([...response.at, 'content', type, 'schema'], JSON.parse(answer.body.toString()));
      if (errors.length) say(`${errors.join('; ')}: ${answer.body.toString().slice(0, 300)}`);
    } catch (error) {
      say(`${error.message}: ${answer.body.toString().slice(0, 300)}`);
    }
    return problems;
  }

  /** The same, of an operation: also whether it has this status at all. */
  check(operation, answer) {
    const response = operation.responses[answer.status];
    if (!response) return [`the status ${answer.status} is not documented: ${answer.body.toString().slice(0, 300)}`];
    return this.checkResponse(response, answer, operation.method);
  }
}

