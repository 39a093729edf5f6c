import assert from 'node:assert/strict';
import { test } from 'node:test';
import { oscoreProfile } from '../../../profiles/oscore/index.ts';
import { type AceError, encodeHints, type ProfileAtClient, type Target, type TokenResponse } from '../../../src/ace/index.ts';
import { Code, ContentFormat, OptionNumber, pathOf, type Request, type Response, uintOf, uintOption } from '../../../src/coap/index.ts';
import { emptyBytes, toHex } from '../../../src/core/bytes.ts';
import { type CborValue, decode, encode } from '../../../src/core/cbor.ts';
import type { SecurityContext } from '../../../src/oscore/index.ts';
import { memoryStore, type Store } from '../../../src/store/index.ts';
import { Simulator } from '../../support/simulator.ts';

const simulator = new Simulator();
const target: Target = { peer: simulator.peer('10.0.0.2', 5683), audience: 'rs1', authzInfo: ['authz-info'] };
const aceFormat = uintOption(OptionNumber.ContentFormat, ContentFormat.AceCbor);
const nonce2 = new Uint8Array(8).fill(2);

const granted: TokenResponse = {
  accessToken: Uint8Array.of(9, 9, 9),
  expiresIn: 100,
  cnf: {
    osc: new Map<number, CborValue>([
      [0, Uint8Array.of(1)],
      [2, new Uint8Array(16).fill(2)],
      [5, new Uint8Array(0)],
    ]),
  },
};

let runs = 0;

interface Run {
  readonly client: ProfileAtClient;
  readonly sent: Request[];
}

/** A client whose requests are answered by `answer`. */
function start(answer: (request: Request) => Response, store: Store = memoryStore()): Run {
  const sent: Request[] = [];
  const client = oscoreProfile.client!({
    env: simulator.env(`client ${++runs}`),
    store,
    request: async (request) => {
      sent.push(request);
      return answer(request);
    },
    emit: () => {},
  });
  return { client, sent };
}

const created = (fields: readonly (readonly [number, CborValue])[], options = [aceFormat]): Response => ({
  code: Code.Created,
  options,
  payload: encode(new Map(fields)),
});
const otherId = (request: Request): Uint8Array => Uint8Array.of((idOf(request)[0]! + 1) % 256);
const idOf = (request: Request): Uint8Array => (decode(request.payload) as ReadonlyMap<number, Uint8Array>).get(43)!;
const good = (request: Request): Response =>
  created([
    [42, nonce2],
    [44, otherId(request)],
  ]);
const fails = (code: string, responseCode: number) => (error: AceError) => {
  assert.deepEqual([error.code, error.responseCode], [code, responseCode], error.message);
  return true;
};

test('RFC 9203 4.1: the upload has the token, a nonce of 8 bytes and the shortest identifier, and nothing protects it', async () => {
  const { client, sent } = start(good);
  const context = (await client.establish(granted, target)) as SecurityContext;
  const [upload] = sent;
  assert.deepEqual(pathOf(upload!.options), ['authz-info']);
  assert.equal(uintOf(upload!.options, OptionNumber.ContentFormat), 19);
  assert.equal(upload!.association, undefined);
  const map = decode(upload!.payload) as ReadonlyMap<number, Uint8Array>;
  assert.deepEqual([...map.keys()], [1, 40, 43]);
  assert.deepEqual([map.get(1), map.get(40)!.length, map.get(43)!.length], [granted.accessToken, 8, 1]);
  // RFC 9203 4.3: the identifiers are crossed.
  assert.deepEqual([context.recipientId, context.senderId], [map.get(43), otherId(upload!)]);
});

test('RFC 9203 4.1, 7: the same token goes with a nonce of its own each time, in this process and in the next', async () => {
  const store = memoryStore();
  const nonces = new Set<string>();
  for (let i = 0; i < 2; i++) {
    const { client, sent } = start(good, store);
    for (let j = 0; j < 4; j++) await client.release(await client.establish(granted, target));
    for (const { payload } of sent) nonces.add(toHex((decode(payload) as ReadonlyMap<number, Uint8Array>).get(40)!));
    await client.close();
  }
  assert.equal(nonces.size, 8);
});

test('RFC 9203 4.3: equal identifiers stop the exchange, and nothing is left', async () => {
  const store = memoryStore();
  const { client } = start(
    (request) =>
      created([
        [42, nonce2],
        [44, idOf(request)],
      ]),
    store,
  );
  await assert.rejects(client.establish(granted, target), fails('ERR_ACE_SAME_ID', Code.Created));
  assert.equal(client.stats()['contexts'], 0);
  for await (const [key] of store.scan('')) assert.fail(key);
});

const bad: readonly (readonly [string, (request: Request) => Response, string, number])[] = [
  ['no nonce2', (request) => created([[44, otherId(request)]]), 'ERR_OSCORE_PROFILE_ANSWER', Code.Created],
  ['no ace_server_recipientid', () => created([[42, nonce2]]), 'ERR_OSCORE_PROFILE_ANSWER', Code.Created],
  ['no payload', () => ({ code: Code.Created, options: [aceFormat], payload: emptyBytes }), 'ERR_OSCORE_PROFILE_ANSWER', Code.Created],
  ['no Content-Format', (request) => ({ ...good(request), options: [] }), 'ERR_OSCORE_PROFILE_ANSWER', Code.Created],
  [
    'another Content-Format',
    (request) => ({ ...good(request), options: [uintOption(OptionNumber.ContentFormat, ContentFormat.Cbor)] }),
    'ERR_OSCORE_PROFILE_ANSWER',
    Code.Created,
  ],
  ['a refusal', () => ({ code: Code.Forbidden, options: [], payload: emptyBytes }), 'ERR_ACE_UPLOAD', Code.Forbidden],
  ['hints', () => ({ code: Code.Unauthorized, options: [aceFormat], payload: encodeHints({ as: 'coap://as/token' }) }), 'ERR_ACE_UPLOAD', Code.Unauthorized],
  [
    'an identifier of 8 bytes',
    () =>
      created([
        [42, nonce2],
        [44, new Uint8Array(8)],
      ]),
    'ERR_OSCORE_PROFILE_MATERIAL',
    Code.BadRequest,
  ],
];
for (const [name, answer, code, responseCode] of bad) {
  test(`RFC 9203 4.3: ${name} in answer to the upload: no context`, async () => {
    const { client } = start(answer);
    await assert.rejects(client.establish(granted, target), fails(code, responseCode));
    assert.equal(client.stats()['contexts'], 0);
  });
}

test('RFC 9203 3.2: a token response without input material: no upload', async () => {
  const { client, sent } = start(good);
  await assert.rejects(client.establish({ accessToken: Uint8Array.of(1), expiresIn: 1 }, target), fails('ERR_OSCORE_PROFILE_KEY', Code.Created));
  assert.equal(sent.length, 0);
});

test('RFC 9203 4.1: identifiers are unique among all contexts of the processes that share a store', async () => {
  const store = memoryStore();
  const processes = [start(good, store), start(good, store), start(good, store)];
  const ids = new Set<string>();
  for (let i = 0; i < 30; i++) {
    const contexts = await Promise.all(processes.map(({ client }) => client.establish(granted, target)));
    for (const context of contexts) ids.add(toHex((context as SecurityContext).recipientId));
  }
  assert.equal(ids.size, 90);
});

test('RFC 9203 4.1: an identifier is free again once its context is released', async () => {
  const store = memoryStore();
  const { client } = start(good, store);
  for (let i = 0; i < 300; i++) {
    const context = (await client.establish(granted, target)) as SecurityContext;
    assert.equal(context.recipientId.length, 1);
    await client.release(context);
  }
  for await (const [key] of store.scan('oscore/client-id/')) assert.fail(key);
});

test('RFC 9203 5: the identifier of a context with an AS goes before one that the client chose', async () => {
  const { client } = start(good);
  const context = (await client.establish(granted, target)) as SecurityContext;
  const credentials = { masterSecret: new Uint8Array(16), senderId: Uint8Array.of(1, 2), recipientId: context.recipientId };
  const as = (await client.connectAs(credentials, target.peer)) as SecurityContext;
  assert.deepEqual(as.recipientId, context.recipientId);
  assert.equal(client.stats()['contexts'], 1);
  assert.throws(() => client.save(context));
  await assert.rejects(client.connectAs({ ...credentials, masterSecret: new Uint8Array(16).fill(1) }, target.peer), /recipientId/);
});

test('RFC 9203 5: the identifier of an AS that is registered goes to no RS, also before the client is connected to the AS', async () => {
  const { client } = start(good);
  const recipientId = Uint8Array.of(1);
  const credentials = { masterSecret: new Uint8Array(16), senderId: Uint8Array.of(1, 2), recipientId };
  client.registerAs!(credentials);
  const prepared = await Promise.all(Array.from({ length: 255 }, () => client.prepareUpload!(target)));
  const ids = prepared.map(({ toRs }) => (decode(toRs!.payload) as ReadonlyMap<number, Uint8Array>).get(43)!);
  assert.ok(ids.every((id) => id.length === 1 && id[0] !== 1));
  await client.connectAs(credentials, target.peer);
  const answer = encode(
    new Map([
      [42, nonce2],
      [44, recipientId],
    ]),
  );
  for (const { establish } of prepared) await establish(granted, { payload: answer });
  assert.equal(client.stats()['contexts'], 256);
});

test('RFC 9203 3.1 and 4.1: an update names the input material, and its upload has the token alone, protected', async () => {
  const { client, sent } = start((request) =>
    request.association === undefined ? good(request) : { code: Code.Created, options: [], payload: emptyBytes, association: request.association },
  );
  const context = await client.establish(granted, target);
  assert.deepEqual(client.request(target), {});
  assert.deepEqual(client.request(target, context), { reqCnf: { kid: Uint8Array.of(1) } });
  await client.update({ accessToken: Uint8Array.of(7) }, context, target);
  assert.equal(sent[1]!.association, context);
  assert.deepEqual(decode(sent[1]!.payload), new Map([[1, Uint8Array.of(7)]]));
});

test('RFC 9203 4.2: an update that is not answered under its context has not happened', async () => {
  for (const code of [Code.Created, Code.Unauthorized]) {
    const { client } = start((request) => (request.association === undefined ? good(request) : { code, options: [], payload: emptyBytes }));
    const context = await client.establish(granted, target);
    await assert.rejects(
      client.update({ accessToken: Uint8Array.of(7) }, context, target),
      fails(code === Code.Created ? 'ERR_ACE_UNPROTECTED' : 'ERR_ACE_UPLOAD', code),
    );
  }
});
