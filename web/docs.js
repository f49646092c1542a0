// The API as its description (OpenAPI 3.1) has it, from /docs/openapi.json.

import { el, fill } from './dom.js';

const byId = (id) => document.getElementById(id);
const methods = ['get', 'head', 'post', 'put', 'patch', 'delete', 'options', 'trace'];
const deepest = 6; // how deep a schema is shown before its name must do

let api;

// resolve follows references within the description.
function resolve(node) {
  for (let hops = 0; node?.$ref && hops < 20; hops++) {
    const { $ref, ...beside } = node;
    const found = $ref.replace(/^#\//, '').split('/')
      .reduce((at, part) => at?.[decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')], api);
    node = { ...found, ...beside };
  }
  return node ?? {};
}

const nameOf = (node) => node?.$ref?.split('/').pop();

// prose shows text with what little of Markdown descriptions use: paragraphs, lists,
// code, emphasis, links. Nothing of it is read as HTML.
function prose(text) {
  const blocks = (text ?? '').trim().split(/\n\s*\n/).filter(Boolean);
  return el('div', { class: 'prose' }, blocks.map(block));
}

function block(text) {
  const fenced = text.match(/^```\w*\n([\s\S]*?)\n?```$/);
  if (fenced) return el('pre', { tabindex: '0' }, fenced[1]);
  const lines = text.split('\n');
  if (/^\s*([-*]|\d+\.) /.test(lines[0])) {
    const items = [];
    for (const line of lines) {
      if (/^\s*([-*]|\d+\.) /.test(line)) items.push(line.replace(/^\s*([-*]|\d+\.) /, ''));
      else items.push(`${items.pop()} ${line.trim()}`);
    }
    return el(/^\s*\d/.test(lines[0]) ? 'ol' : 'ul', {}, items.map((i) => el('li', {}, inline(i))));
  }
  const heading = text.match(/^#{1,6} (.*)/);
  return heading ? el('p', {}, el('strong', {}, inline(heading[1]))) : el('p', {}, inline(lines.join(' ')));
}

function inline(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*|\[[^\]]+\]\([^)\s]+\))/).map((part) => {
    if (/^`.+`$/.test(part)) return el('code', {}, part.slice(1, -1));
    if (/^\*\*.+\*\*$/.test(part)) return el('strong', {}, part.slice(2, -2));
    const link = part.match(/^\[([^\]]+)\]\((https?:[^)]+|[/#][^)]*)\)$/);
    return link ? el('a', { href: link[2] }, link[1]) : part;
  });
}

// typeOf is a schema's type in one line.
function typeOf(node) {
  const s = resolve(node);
  const named = nameOf(node);
  if (s.const !== undefined) return JSON.stringify(s.const);
  if (s.enum) return s.enum.map((v) => JSON.stringify(v)).join(' | ');
  for (const [word, all] of [['or', s.oneOf ?? s.anyOf], ['and', s.allOf]]) {
    if (all) return named ?? all.map(typeOf).join(` ${word} `);
  }
  const types = [s.type ?? (s.properties ? 'object' : 'any')].flat();
  return types.map((t) => {
    if (t === 'array') return `array of ${s.items ? typeOf(s.items) : 'any'}`;
    if (t === 'object' && named) return named;
    if (t === 'object' && typeof s.additionalProperties === 'object') return `object of ${typeOf(s.additionalProperties)}`;
    return s.format && t !== 'null' ? `${t} (${s.format})` : t;
  }).join(' or ');
}

// limits are what else a schema says of a value.
function limits(node) {
  const s = resolve(node);
  const said = [
    ['at least', s.minimum], ['more than', s.exclusiveMinimum], ['at most', s.maximum], ['less than', s.exclusiveMaximum],
    ['shortest', s.minLength], ['longest', s.maxLength], ['fewest', s.minItems], ['most', s.maxItems], ['like', s.pattern],
    ['default', s.default === undefined ? undefined : JSON.stringify(s.default)],
  ];
  return said.filter(([, v]) => v !== undefined).map(([word, v]) => `${word} ${v}`).join(', ');
}

// inner is the schema whose members are worth showing: of an array its items'.
function inner(node) {
  const s = resolve(node);
  if ([s.type].flat().includes('array') && s.items) return inner(s.items);
  if (typeof s.additionalProperties === 'object' && !s.properties) return inner(s.additionalProperties);
  return s;
}

// members shows what is in an object, each with what is in it.
function members(node, depth = 0) {
  const s = inner(node);
  const choices = s.oneOf ?? s.anyOf;
  const all = [s, ...(s.allOf ?? []).map(inner)];
  const fields = all.flatMap((one) => Object.entries(one.properties ?? {})
    .map(([name, schema]) => field(name, schema, { required: one.required?.includes(name), depth })));
  return [
    fields.length > 0 && el('dl', { class: 'fields' }, fields),
    choices && choices.map((c) => nested(c, depth, `one is ${typeOf(c)}`)),
  ].filter(Boolean);
}

const hasMembers = (node) => {
  const s = inner(node);
  return Boolean(s.properties || s.allOf || (s.oneOf ?? s.anyOf)?.some(hasMembers));
};

function nested(node, depth, title) {
  if (!hasMembers(node)) return null;
  if (depth >= deepest) return el('p', { class: 'type' }, `${title} …`);
  const details = el('details', { class: 'schema' }, el('summary', {}, title));
  details.addEventListener('toggle', () => { // made when it is looked at: schemas may hold themselves
    if (details.open && details.childElementCount === 1) details.append(...members(node, depth + 1).flat(Infinity));
  });
  return details;
}

function field(name, node, { required, depth = 0, description, where } = {}) {
  const said = description ?? resolve(node).description;
  return [
    el('dt', {}, el('code', {}, name), el('span', { class: 'type' }, typeOf(node)),
      where && el('span', { class: 'muted' }, where),
      required && el('span', { class: 'must' }, 'required')),
    el('dd', {},
      said && prose(said),
      limits(node) && el('p', { class: 'type' }, limits(node)),
      nested(node, depth, `members of ${name}`)),
  ];
}

// exampleOf is the example that is given, or one made of the schema.
function exampleOf(media) {
  const given = media.example ?? resolve(Object.values(media.examples ?? {})[0]).value;
  return given === undefined && media.schema ? made(media.schema) : given;
}

function made(node, depth = 0) {
  const s = resolve(node);
  if (s.example !== undefined) return s.example;
  if (s.examples?.length) return s.examples[0];
  if (s.const !== undefined) return s.const;
  if (s.default !== undefined) return s.default;
  if (s.enum) return s.enum[0];
  if (depth > deepest) return undefined;
  if (s.oneOf ?? s.anyOf) return made((s.oneOf ?? s.anyOf)[0], depth + 1);
  const type = [s.type].flat()[0] ?? (s.properties || s.allOf ? 'object' : undefined);
  if (type === 'object') {
    const parts = (s.allOf ?? []).map((one) => made(one, depth + 1));
    const own = Object.entries(s.properties ?? {}).map(([name, p]) => [name, made(p, depth + 1)]).filter(([, v]) => v !== undefined);
    return Object.assign({}, ...parts, Object.fromEntries(own));
  }
  if (type === 'array') return s.items ? [made(s.items, depth + 1)].filter((v) => v !== undefined) : [];
  if (type === 'string') return { 'date-time': '2027-01-31T09:00:00Z', byte: 'AAEC' }[s.format] ?? '…';
  return { integer: s.minimum ?? 1, number: s.minimum ?? 1, boolean: true, null: null }[type];
}

const shown = (value) => (typeof value === 'string' ? value : JSON.stringify(value, null, 2));

function code(text, label, copied = false) {
  const button = copied && navigator.clipboard && el('button', { type: 'button', class: 'plain' }, 'Copy');
  if (button) {
    button.addEventListener('click', async () => {
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = 'Copied';
      } catch {
        button.textContent = 'Not allowed'; // by the browser; the text can be marked
      }
    });
  }
  return el('div', { class: 'code' }, el('pre', { tabindex: '0', role: 'group', 'aria-label': label }, text), button);
}

const quoted = (text) => `'${String(text).replaceAll("'", `'\\''`)}'`;

// sample is a value to try a parameter with.
function sample(p) {
  const given = p.example ?? resolve(Object.values(p.examples ?? {})[0]).value ?? made(p.schema ?? {});
  return given === undefined || given === '…' ? `{${p.name}}` : String(given);
}

// curl is how to ask from a command line: with what must be given, and a body if one may
// be.
function curl(method, path, parameters, body) {
  const of = (where) => parameters.filter((p) => p.in === where && p.required);
  let url = path;
  for (const p of of('path')) {
    const value = sample(p);
    url = url.replace(`{${p.name}}`, value.startsWith('{') ? value : encodeURIComponent(value));
  }
  const query = of('query').map((p) => `${p.name}=${encodeURIComponent(sample(p))}`).join('&');
  const words = ['curl'];
  if (method === 'head') words.push('-I');
  else if (method !== 'get' && !(method === 'post' && body)) words.push(`-X ${method.toUpperCase()}`);
  for (const p of of('header')) words.push(`-H ${quoted(`${p.name}: ${sample(p)}`)}`);
  if (body) {
    const [type, media] = body;
    const value = exampleOf(media);
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    words.push(type === 'application/json' ? `--json ${quoted(text)}` : `-H ${quoted(`Content-Type: ${type}`)} -d ${quoted(text)}`);
    if (method !== 'post') words.push(`-X ${method.toUpperCase()}`);
  }
  const whole = `${location.origin}${url}${query && `?${query}`}`;
  words.push(/[?&{}]/.test(whole) ? quoted(whole) : whole);
  return words.join(' ');
}

function mediaOf(content, what) {
  return Object.entries(content ?? {}).flatMap(([type, media]) => {
    const example = exampleOf(media);
    return [
      el('p', { class: 'type' }, `${type}${media.schema ? `: ${typeOf(media.schema)}` : ''}`),
      ...(media.schema ? [nested(media.schema, 0, 'its members')] : []),
      example !== undefined && example !== '…' && code(shown(example), `Example of ${what}`),
    ];
  });
}

function response(status, node) {
  const r = resolve(node);
  const failed = /^[45d]/.test(status);
  const media = mediaOf(r.content, `the answer ${status}`);
  return el('div', { class: 'response' },
    el('p', {}, el('span', { class: `status ${failed ? 'error' : ''}` }, status), el('span', {}, inline(r.description ?? ''))),
    r.headers && el('dl', { class: 'fields' }, Object.entries(r.headers).map(([name, header]) => {
      const h = resolve(header);
      return field(name, h.schema ?? {}, { description: h.description, where: 'header' });
    })),
    failed && media.length > 0 ? el('details', { class: 'schema' }, el('summary', {}, 'its body'), media) : media);
}

// breakable lets a path break after its slashes.
const breakable = (path) => path.split(/(?<=\/)/).flatMap((part) => [part, el('wbr')]);

const idOf = (method, path, operation) => operation.operationId ?? `${method}${path.replace(/[^A-Za-z0-9]+/g, '-')}`;

// scopesOf tells what a caller must be allowed.
function scopesOf(operation) {
  const all = operation.security ?? api.security ?? [];
  if (all.length === 0) return null;
  const scopes = [...new Set(all.flatMap((one) => Object.values(one).flat()))];
  const optional = all.some((one) => Object.keys(one).length === 0);
  return el('p', { class: 'muted' }, scopes.length ? `Scope: ${scopes.join(', ')}` : 'Needs a token', optional && ', where there is authentication');
}

function operationPanel({ method, path, operation, shared }) {
  const parameters = [...shared, ...(operation.parameters ?? [])].map(resolve);
  const body = resolve(operation.requestBody);
  const first = Object.entries(body.content ?? {})[0];
  const id = idOf(method, path, operation);
  const panel = el('details', { class: 'panel operation', id },
    el('summary', {},
      el('h3', { class: operation.deprecated && 'gone' },
        el('span', { class: `method ${method}` }, method.toUpperCase()), breakable(path)),
      el('span', { class: 'muted' }, operation.summary ?? '', operation.deprecated && ' (deprecated)')));
  const draw = () => {
    if (!panel.open || panel.childElementCount > 1) return;
    panel.append(el('div', { class: 'body' },
      operation.description && prose(operation.description),
      scopesOf(operation),
      code(curl(method, path, parameters, first), `curl for ${method.toUpperCase()} ${path}`, true),
      parameters.length > 0 && el('section', {}, el('h4', {}, 'Parameters'),
        el('dl', { class: 'fields' }, parameters.map((p) => field(p.name, p.schema ?? {}, {
          required: p.required, description: p.description, where: p.in,
        })))),
      first && el('section', {}, el('h4', {}, body.required ? 'Body' : 'Body, which may be left out'),
        body.description && prose(body.description), mediaOf(body.content, 'the body')),
      el('section', {}, el('h4', {}, 'Answers'),
        Object.entries(operation.responses ?? {}).map(([status, r]) => response(status, r)))));
  };
  panel.addEventListener('toggle', draw);
  return panel;
}

// grouped gives the operations by their first tag, in the description's order.
function grouped() {
  const groups = new Map((api.tags ?? []).map((t) => [t.name, { ...t, operations: [] }]));
  for (const [path, node] of Object.entries(api.paths ?? {})) {
    const item = resolve(node);
    for (const method of methods.filter((m) => item[m])) {
      const operation = item[method];
      const name = operation.tags?.[0] ?? 'Operations';
      if (!groups.has(name)) groups.set(name, { name, operations: [] });
      groups.get(name).operations.push({ method, path, operation, shared: item.parameters ?? [] });
    }
  }
  return [...groups.values()].filter((g) => g.operations.length > 0);
}

function show() {
  const groups = grouped();
  document.title = `API · ${api.info?.title ?? 'simplecqrs'}`;
  fill(byId('title'), `${api.info?.title ?? ''} API`.trim());
  fill(byId('about'), `version ${api.info?.version ?? '?'}, OpenAPI ${api.openapi}: `, el('a', { href: '/openapi.yaml' }, 'openapi.yaml'));
  fill(byId('intro'), prose(api.info?.description));
  fill(byId('index'), groups.flatMap((g) => [
    el('h2', {}, g.name),
    el('ul', {}, g.operations.map(({ method, path, operation }) => el('li', {},
      el('a', { href: `#${idOf(method, path, operation)}` }, el('span', { class: `method ${method}` }, method.toUpperCase()), el('span', {}, breakable(path)))))),
  ]));
  fill(byId('operations'), groups.map((g, i) => el('section', { class: 'group', 'aria-labelledby': `group-${i}` },
    el('h2', { id: `group-${i}` }, g.name), g.description && prose(g.description), g.operations.map(operationPanel))));
}

// open shows the operation that the address names.
function open() {
  const panel = location.hash.length > 1 && byId(decodeURIComponent(location.hash.slice(1)));
  if (!panel?.matches?.('details')) return;
  panel.open = true;
  panel.scrollIntoView();
  panel.querySelector('summary').focus();
}

try {
  const answer = await fetch('/docs/openapi.json', { headers: { Accept: 'application/json' } });
  if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
  api = await answer.json();
  show();
  open();
  addEventListener('hashchange', open);
  byId('index').addEventListener('click', (e) => {
    if (e.target.closest('a')?.hash === location.hash) open(); // the same again is no change
  });
} catch (e) {
  fill(byId('about'), `The description could not be read: ${e.message}. `, el('a', { href: '/openapi.yaml' }, 'openapi.yaml has it as text.'));
}
