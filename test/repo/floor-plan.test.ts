import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { root } from '../support/fixtures.ts';

/** A folder of the house: what of ours it may import, and which packages and `node:` modules. */
interface Room {
  readonly imports: readonly string[];
  readonly types?: readonly string[];
  readonly packages: readonly (string | RegExp)[];
}

const everything: readonly string[] = ['src/*', 'profiles/*'];
/** All that engines, roles and profiles are. */
const aboveRoles: readonly string[] = [
  ...['core', 'coap', 'oscore', 'dtls', 'transport', 'store', 'ace', 'as', 'client', 'rs', 'operate'].map((name) => `src/${name}`),
  'profiles/*',
];
const rooms: Readonly<Record<string, Room>> = {
  'src/core': { imports: ['src/core'], packages: [] },
  'src/core/crypto': { imports: ['src/core'], packages: ['node:crypto', /^@noble\//] },
  'src/core/cose': { imports: ['src/core'], packages: [] },
  'src/coap': { imports: ['src/core'], packages: [] },
  'src/dtls': { imports: ['src/core'], packages: [] },
  'src/store': { imports: ['src/core'], packages: [/^node:/, 'lmdb', 'pg'] },
  'src/oscore': { imports: ['src/core', 'src/coap'], packages: [] },
  'src/transport': { imports: ['src/core', 'src/coap', 'src/dtls'], packages: [/^node:/, 'ws'] },
  'src/ace': { imports: ['src/core', 'src/coap'], types: ['src/store'], packages: [] },
  'src/as': { imports: ['src/core', 'src/coap', 'src/ace'], types: ['src/store'], packages: [] },
  'src/client': { imports: ['src/core', 'src/coap', 'src/ace'], types: ['src/store'], packages: [] },
  'src/rs': { imports: ['src/core', 'src/coap', 'src/ace'], types: ['src/store'], packages: [] },
  'profiles/oscore': { imports: ['src/core', 'src/coap', 'src/oscore', 'src/ace'], types: ['src/store'], packages: [] },
  'profiles/dtls': { imports: ['src/core', 'src/coap', 'src/dtls', 'src/ace'], types: ['src/store'], packages: [] },
  'profiles/seal': { imports: aboveRoles, packages: [/^node:/] },
  'profiles/seal/https': { imports: [...aboveRoles, 'src/gateway', 'src/pki'], packages: [/^node:/, 'jose', /^oidc-provider\b/] },
  'src/gateway': { imports: aboveRoles, packages: [/^node:/] },
  'src/pki': { imports: ['src/core'], packages: ['node:crypto', '@peculiar/x509', 'reflect-metadata'] },
  'src/operate': { imports: ['src/core', 'src/store'], types: ['src/as', 'src/rs'], packages: [/^node:/, 'pino', 'prom-client', 'valibot', 'yaml'] },
  'src/adapters/node-coap': {
    imports: ['src/core', 'src/coap', 'src/oscore', 'src/ace', 'src/rs', 'src/transport', 'profiles/oscore'],
    packages: ['node:dns/promises', 'node:events', 'node:stream', 'coap'],
  },
  'src/inspect': { imports: aboveRoles, packages: [/^node:/] },
  'src/conformance': { imports: everything, packages: [/^node:/] },
  'src/cli': { imports: everything, packages: [/^node:/, 'commander', 'yocto-spinner'] },
  src: { imports: everything, packages: [/^node:/] },
};

const sources = ['src', 'profiles'].flatMap((top) =>
  (readdirSync(join(root, top), { recursive: true }) as string[]).filter((name) => name.endsWith('.ts')).map((name) => `${top}/${name}`),
);

function roomOf(file: string): string {
  const folder = dirname(file);
  const names = Object.keys(rooms).sort((a, b) => b.length - a.length);
  const room = names.find((name) => folder === name || (name !== 'src' && folder.startsWith(`${name}/`)));
  assert.ok(room !== undefined, `${file}: its folder stands nowhere in the floor plan`);
  return room;
}

function importsOf(file: string): { readonly specifier: string; readonly typeOnly: boolean }[] {
  const text = readFileSync(join(root, file), 'utf8');
  const statements = text.matchAll(/^(?:import|export)\s+(type\s+)?(?:[\w*{][^;'"]*?from\s+)?['"]([^'"]+)['"]/gm);
  const dynamic = text.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)/g);
  return [
    ...[...statements].map((match) => ({ specifier: match[2]!, typeOnly: match[1] !== undefined })),
    ...[...dynamic].map((match) => ({ specifier: match[1]!, typeOnly: false })),
  ];
}

type Conditions = Readonly<Record<string, string>>;
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly imports: Readonly<Record<string, Conditions>> };

/** The files of ours that a specifier stands for: one for a relative path, one for each condition of a name in the `imports` of package.json. */
function targetsOf(file: string, specifier: string): readonly string[] {
  if (specifier.startsWith('.')) return [normalize(join(dirname(file), specifier))];
  return Object.values(manifest.imports[specifier] ?? {}).map((path) => path.replace(/^\.\/dist\/(.*)\.js$/, '$1.ts'));
}

function family(room: string): string {
  return room.startsWith('src/core') ? 'src/core' : room;
}

test('floor plan: every import is one that the folder may make', () => {
  const faults: string[] = [];
  for (const file of sources) {
    const room = roomOf(file);
    const plan = rooms[room]!;
    for (const { specifier, typeOnly } of importsOf(file)) {
      const targets = targetsOf(file, specifier);
      if (targets.length === 0) {
        if (!plan.packages.some((allowed) => (typeof allowed === 'string' ? allowed === specifier : allowed.test(specifier)))) {
          faults.push(`${file}: ${room} may not import ${specifier}`);
        }
        continue;
      }
      for (const target of targets) {
        const other = roomOf(target);
        if (other === room) continue;
        const listed = [...plan.imports, ...(typeOnly ? (plan.types ?? []) : [])];
        if (!listed.some((allowed) => allowed === family(other) || allowed === other || (allowed.endsWith('/*') && target.startsWith(allowed.slice(0, -1))))) {
          faults.push(`${file}: ${room} may not import ${typeOnly ? 'types of ' : ''}${other} (${specifier})`);
        }
        // Another folder is entered by its index; core is a box of tools, and the folder that one stands in is home: both are entered by file.
        const isHome = room.startsWith(`${other}/`);
        if (family(other) !== 'src/core' && room !== 'src' && !isHome && !target.endsWith('/index.ts'))
          faults.push(`${file}: imports ${specifier}, past the index of ${other}`);
      }
    }
  }
  assert.deepEqual(faults, []);
});

test('floor plan: each crypto provider takes its primitives from its own library, and only the list of names knows both', () => {
  const faults = sources
    .filter((file) => file.startsWith('src/core/crypto/'))
    .flatMap((file) => {
      const name = file.slice('src/core/crypto/'.length);
      const own = /^(node|portable)\b/.exec(name)?.[1] ?? 'neither';
      return importsOf(file)
        .map(({ specifier }) => specifier)
        .filter((specifier) => {
          const of =
            specifier === 'node:crypto' ? 'node' : specifier.startsWith('@noble/') ? 'portable' : (/^\.\/(node|portable)\b/.exec(specifier)?.[1] ?? own);
          return of !== own && name !== 'named-node.ts' && name !== 'named-portable.ts';
        })
        .map((specifier) => `${file}: imports ${specifier}`);
    });
  assert.deepEqual(faults, []);
});

/** The parts of the engine, each after those that it stands on; '.' are the files beside them, which any part may import. */
const engine: Readonly<Record<string, readonly string[]>> = {
  message: [],
  '.': ['message'],
  resource: ['message'],
  observe: ['message'],
  proxy: ['message'],
  http: ['message', 'resource'],
  blockwise: ['message', 'observe'],
  echo: ['message', 'blockwise'],
  messaging: ['message', 'echo'],
  stream: ['message', 'messaging'],
  qblock: ['message', 'observe', 'blockwise', 'messaging'],
  exchange: ['message', 'resource', 'observe', 'proxy', 'blockwise', 'messaging'],
  endpoint: ['message', 'observe', 'proxy', 'blockwise', 'echo', 'messaging', 'stream', 'qblock', 'exchange'],
};

test('floor plan: the parts of the CoAP engine import what they stand on, and no part itself by a detour', () => {
  const partOf = (file: string): string => dirname(file.slice('src/coap/'.length));
  const faults = sources
    .filter((file) => file.startsWith('src/coap/') && file !== 'src/coap/index.ts')
    .flatMap((file) => {
      const part = partOf(file);
      return importsOf(file)
        .flatMap(({ specifier }) => targetsOf(file, specifier))
        .filter((target) => target.startsWith('src/coap/') && partOf(target) !== part && partOf(target) !== '.')
        .filter((target) => engine[part]?.includes(partOf(target)) !== true)
        .map((target) => `${file}: ${part} may not import ${target}`);
    });
  assert.deepEqual(faults, []);
  const names = Object.keys(engine);
  for (const [index, name] of names.entries())
    for (const below of engine[name]!) assert.ok(names.indexOf(below) < index, `${below} stands above ${name}, which imports it`);
});

test('floor plan: no circle between files', () => {
  const graph = new Map(
    sources.map((file) => [
      file,
      importsOf(file)
        .filter(({ typeOnly }) => !typeOnly)
        .flatMap(({ specifier }) => targetsOf(file, specifier)),
    ]),
  );
  const state = new Map<string, 'open' | 'done'>();
  const circles: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    if (state.get(file) === 'done') return;
    if (state.get(file) === 'open') {
      circles.push([...path.slice(path.indexOf(file)), file].join(' -> '));
      return;
    }
    state.set(file, 'open');
    for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
    state.set(file, 'done');
  };
  for (const file of sources) visit(file, []);
  assert.deepEqual(circles, []);
});

test('floor plan: engines, roles and profiles take time and chance from Env', () => {
  const pure = /^(src\/(core|coap|dtls|oscore|ace|as|rs|client)|profiles)\//;
  const clock = /\b(?:Date\.now|new Date|Math\.random|setTimeout|setInterval|setImmediate|process\.|Buffer\.|performance\.)/;
  // What a browser runs is text here.
  const text = 'profiles/seal/https/login/script.ts';
  const faults = sources
    .filter((file) => pure.test(file) && file !== 'src/core/env.ts' && file !== text && !file.startsWith('src/core/crypto/node'))
    .flatMap((file) =>
      readFileSync(join(root, file), 'utf8')
        .split('\n')
        .map((line, index) => ({ line, at: `${file}:${index + 1}` }))
        .filter(({ line }) => !/^\s*(\*|\/\/|\/\*)/.test(line) && clock.test(line))
        .map(({ at, line }) => `${at}: ${line.trim()}`),
    );
  assert.deepEqual(faults, []);
});
