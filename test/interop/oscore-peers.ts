import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import {
  type Answer,
  Code,
  ContentFormat,
  echo,
  type Option,
  type Peer,
  pathOptions,
  queryOptions,
  type Resource,
  type ResourceFunction,
  type ResourceHandle,
  type Response,
  Router,
  type RouterEvent,
  sortOptions,
} from '../../src/coap/index.ts';
import { emptyBytes, fromHex, toHex, utf8 } from '../../src/core/bytes.ts';
import { systemEnv } from '../../src/core/env.ts';
import { type ContextParameters, type ContextStore, ContextTable, type OscoreEvent, oscore, type SecurityContext } from '../../src/oscore/index.ts';
import { memoryStore } from '../../src/store/index.ts';
import { root } from '../support/fixtures.ts';
import { freePort } from '../support/ports.ts';
import { body, type Ours, ours } from './ours.ts';
import { JsonPeer, scratch } from './processes.ts';
import { python } from './tools.ts';

/** Security Context A of the OSCORE interop tests: the client. */
export const contextA: ContextParameters = {
  masterSecret: fromHex('0102030405060708090a0b0c0d0e0f10'),
  masterSalt: fromHex('9e7ca92223786340'),
  senderId: emptyBytes,
  recipientId: fromHex('01'),
};

/** Security Context C: the same with an ID Context. */
export const contextC: ContextParameters = { ...contextA, idContext: fromHex('37cbf3210017a2d3') };

/** The other end's view of a context. */
export function mirrored(of: ContextParameters): ContextParameters {
  return { ...of, senderId: of.recipientId, recipientId: of.senderId };
}

/** The AEAD algorithms of COSE that aiocoap and Californium have for OSCORE, by the names that aiocoap has for them. */
export const aeadNames: ReadonlyMap<number, string> = new Map([
  [1, 'A128GCM'],
  [2, 'A192GCM'],
  [3, 'A256GCM'],
  [10, 'AES-CCM-16-64-128'],
  [11, 'AES-CCM-16-64-256'],
  [12, 'AES-CCM-64-64-128'],
  [13, 'AES-CCM-64-64-256'],
  [24, 'ChaCha20/Poly1305'],
  [30, 'AES-CCM-16-128-128'],
  [31, 'AES-CCM-16-128-256'],
  [32, 'AES-CCM-64-128-128'],
  [33, 'AES-CCM-64-128-256'],
]);

const hashNames: ReadonlyMap<number, string> = new Map([
  [5, 'sha256'],
  [7, 'sha512'],
]);

/** A folder from which aiocoap loads a context, and in which it keeps its numbers. */
export function contextFolder(t: TestContext, name: string, of: ContextParameters): string {
  const folder = join(scratch(t), name);
  mkdirSync(folder);
  const settings = {
    algorithm: aeadNames.get(of.aead ?? 10),
    'kdf-hashfun': hashNames.get(of.hkdf ?? 5),
    'sender-id_hex': toHex(of.senderId),
    'recipient-id_hex': toHex(of.recipientId),
    ...(of.idContext === undefined ? {} : { 'id-context_hex': toHex(of.idContext) }),
  };
  writeFileSync(join(folder, 'settings.json'), JSON.stringify(settings));
  writeFileSync(join(folder, 'secret.json'), JSON.stringify({ secret_hex: toHex(of.masterSecret), salt_hex: toHex(of.masterSalt ?? emptyBytes) }));
  return folder;
}

/** Sender sequence numbers that last as long as the object. */
export function reservations(): ContextStore {
  const store = memoryStore();
  return { reserve: (senderKeyId, count) => store.increment(senderKeyId, count) };
}

function script(name: string): string {
  return join(root, 'test', 'interop', 'aiocoap', name);
}

/** A response as aiocoap tells of it. */
export interface Told {
  readonly code: string;
  readonly payload: string;
  readonly contentFormat: number | null;
  readonly etag: string | null;
  readonly maxAge: number | null;
  readonly echo: string | null;
  readonly observe: number | null;
  readonly protected: boolean;
}

/** What the aiocoap client is to do; the names of options are ours. */
export interface Order {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'FETCH' | 'PATCH' | 'iPATCH';
  readonly uri: string;
  readonly payload?: string;
  readonly contentFormat?: number;
  readonly accept?: number;
  readonly ifMatch?: string;
  readonly ifNoneMatch?: true;
  readonly echo?: string;
  readonly observe?: number;
  readonly szx?: number;
}

/** A Python program that tells what it does in lines of JSON. */
export class PythonPeer extends JsonPeer {
  constructor(t: TestContext, name: string, ...args: readonly string[]) {
    super(t, python, ['-W', 'ignore', script(name), ...args]);
  }
}

/** An aiocoap client that has the context in `folder` for everything at `port`. */
export class AiocoapClient extends PythonPeer {
  static async start(t: TestContext, port: number, folder?: string, proxy?: string): Promise<AiocoapClient> {
    const through = proxy === undefined ? [] : ['--proxy', proxy];
    const client = new AiocoapClient(t, 'client.py', ...through, ...(folder === undefined ? [] : ['--oscore', `coap://127.0.0.1:${port}/*`, folder]));
    await client.hear();
    return client;
  }

  /** The response; text of the payload stands in `text`. An exception of aiocoap is an error here. */
  async ask(order: Order): Promise<Told & { readonly text: string }> {
    const { payload } = order;
    return heard(await this.tell<Told & Failed>({ ...order, ...(payload === undefined ? {} : { payload: toHex(Buffer.from(payload)) }) }));
  }

  /** The answer to a registration and notifications, `count` in all unless the server ends it. */
  async observe(uri: string, count: number): Promise<{ readonly responses: (Told & { readonly text: string })[]; readonly ended: string | null }> {
    const responses: (Told & { readonly text: string })[] = [];
    let line = await this.tell<(Told & Failed) | { readonly ended: string | null }>({ uri, observe: 0, count });
    while (!('ended' in line)) {
      responses.push(heard(line));
      line = await this.hear();
    }
    return { responses, ended: line.ended };
  }

  /** Let it go on from this sender sequence number. */
  async rewind(sequence: number): Promise<void> {
    await this.tell({ sequence });
  }

  /** Let it have a key that is not the one of its context. */
  async replaceKey(name: 'senderKey' | 'recipientKey', key: Uint8Array): Promise<void> {
    await this.tell({ [name]: toHex(key) });
  }
}

export interface Failed {
  readonly error?: string;
  readonly detail?: string;
}

export function heard(line: Told & Failed): Told & { readonly text: string } {
  if (line.error !== undefined) throw new Error(`aiocoap: ${line.error}: ${line.detail}`);
  return { ...line, text: Buffer.from(line.payload, 'hex').toString() };
}

/** aiocoap's server with the resources of the OSCORE interop tests. */
export class AiocoapServer extends PythonPeer {
  readonly port: number;

  constructor(t: TestContext, port: number, folders: readonly string[]) {
    super(t, 'server.py', '--port', String(port), ...folders.flatMap((folder) => ['--oscore', folder]));
    this.port = port;
  }

  static async start(t: TestContext, folders: readonly string[], port?: number): Promise<AiocoapServer> {
    const server = new AiocoapServer(t, port ?? (await freePort()), folders);
    await server.hear();
    return server;
  }
}

export interface ProtectedServer extends Ours {
  readonly events: OscoreEvent[];
  /** Paths whose functions ran, in order. */
  readonly served: string[];
}

/** Our server with the resources of the OSCORE interop tests. */
export async function protectedServer(t: TestContext, contexts: readonly SecurityContext[], store: ContextStore = reservations()): Promise<ProtectedServer> {
  const events: OscoreEvent[] = [];
  const served: string[] = [];
  const failures: RouterEvent[] = [];
  const router = new Router({ emit: (event) => failures.push(event) });
  const guarded =
    (run: ResourceFunction): ResourceFunction =>
    (request) => {
      served.push(request.path);
      return request.association === undefined ? { code: Code.Unauthorized } : run(request);
    };
  const hello: Answer = { payload: 'Hello World!' };
  router.resource('/oscore/hello/coap', { get: () => hello });
  router.resource('/oscore/hello/1', { get: guarded(() => hello) });
  router.resource('/oscore/hello/2', {
    get: guarded((request) => (request.query.join('&') === 'first=1' ? { ...hello, etag: fromHex('2b') } : { code: Code.BadRequest })),
  });
  router.resource('/oscore/hello/3', { get: guarded(() => ({ ...hello, maxAge: 5 })) });
  router.resource('/oscore/hello/6', { post: guarded((request) => ({ payload: request.payload.slice(), contentFormat: ContentFormat.TextPlain })) });
  let seven = 'z';
  router.resource('/oscore/hello/7', {
    get: guarded(() => ({ payload: seven, etag: fromHex('7b') })),
    put: guarded((request) => {
      seven = request.text();
      return undefined;
    }),
  });
  counting(router, '/oscore/observe1', guarded, true);
  counting(router, '/oscore/observe2', guarded, false);
  router.resource('/oscore/test', { delete: guarded(() => undefined) });
  let large = body(5600);
  router.resource('/large', {
    get: guarded(() => large),
    put: guarded((request) => {
      large = request.text();
      return undefined;
    }),
    post: guarded((request) => request.text()),
  });
  router.resource('/slow', { get: guarded(() => new Promise((resolve) => systemEnv.schedule(1200, () => resolve('slow')))) });
  const table = new ContextTable();
  for (const context of contexts) table.add(context);
  const layer = oscore({ contexts: table, store, env: systemEnv, emit: (event) => events.push(event) });
  const server = await ours(t, { handler: router.handler, layers: [layer] });
  t.after(() => {
    if (failures.length > 0) throw new Error(`a resource function failed: ${failures[0]!.error}`);
  });
  return { ...server, events, served };
}

/** Our client of one server: the Echo layer above the OSCORE layer. */
export interface ProtectedClient extends Ours {
  readonly events: OscoreEvent[];
  /** The server. */
  readonly server: Peer;
  readonly context: SecurityContext | undefined;
  ask(method: number, path: string, payload?: string, options?: readonly Option[], timeout?: number): Promise<Response>;
  observe(path: string): AsyncIterableIterator<Response, undefined, undefined>;
}

export async function protectedClient(t: TestContext, port: number, context?: SecurityContext): Promise<ProtectedClient> {
  const events: OscoreEvent[] = [];
  const contexts = new ContextTable();
  if (context !== undefined) contexts.add(context);
  const protection = oscore({ contexts, store: reservations(), env: systemEnv, emit: (event) => events.push(event) });
  const repeating = echo({}, systemEnv);
  const client = await ours(t, { layers: [repeating, protection] });
  t.after(() => repeating.close());
  const server = await client.peer(port);
  const association = context === undefined ? {} : { association: context };
  return {
    ...client,
    events,
    server,
    context,
    ask: (code, uri, payload = '', more = [], timeout = 15_000) => {
      const [path, query] = uri.split('?');
      const options = sortOptions([...pathOptions(path!.slice(1).split('/')), ...queryOptions(query === undefined ? [] : query.split('&')), ...more]);
      return client.endpoint.request({ code, peer: server, options, payload: utf8(payload), ...association }, { timeout });
    },
    observe: (path) => {
      const options = pathOptions(path.slice(1).split('/'));
      return client.endpoint.observe({ peer: server, options, ...association }, { signal: AbortSignal.timeout(10_000) });
    },
  };
}

/** one, two, and after that the end if it is to have one. */
function counting(router: Router, path: string, guarded: (run: ResourceFunction) => ResourceFunction, ends: boolean): ResourceHandle {
  let state = 0;
  const next = (): void => {
    state++;
    handle.changed();
    if (ends && state === 1) systemEnv.schedule(300, next);
  };
  const resource: Resource = {
    observable: true,
    get: guarded(() => {
      if (state === 0 && handle.observers > 0) systemEnv.schedule(300, next);
      if (state === 2) return { code: Code.InternalServerError, payload: 'Terminate Observe', contentFormat: ContentFormat.TextPlain };
      return state === 0 ? 'one' : 'two';
    }),
  };
  const handle = router.resource(path, resource);
  return handle;
}
