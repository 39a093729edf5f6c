import assert from 'node:assert/strict';
import { test } from 'node:test';
import { oscoreProfile } from '../../../profiles/oscore/index.ts';
import { oscoreAtRs } from '../../../profiles/oscore/rs.ts';
import { type Acceptance, AceError, type ProfileAtRs, type RsIo, type TokenUpload, tokenParameters } from '../../../src/ace/index.ts';
import { Code, ContentFormat, Method, OptionNumber, pathOptions, type Request, type SecurityAssociation, uintOf, uintOption } from '../../../src/coap/index.ts';
import { toHex, utf8 } from '../../../src/core/bytes.ts';
import { type CborMap, type CborValue, decode, encode } from '../../../src/core/cbor.ts';
import { ContextTable, type SecurityContext } from '../../../src/oscore/index.ts';
import { memoryStore } from '../../../src/store/index.ts';
import { Simulator } from '../../support/simulator.ts';

const simulator = new Simulator();
const peer = simulator.peer('10.0.0.3', 40_000);
const nonce1 = new Uint8Array(8).fill(1);
const id1 = Uint8Array.of(0x16);
const osc: CborMap = new Map<number, CborValue>([
  [0, Uint8Array.of(1)],
  [2, new Uint8Array(16).fill(2)],
  [5, new Uint8Array(0)],
]);

const ioOf = (sim: Simulator): RsIo => ({
  env: sim.env('rs'),
  store: memoryStore(),
  emit: () => {},
  admit: () => assert.fail('nothing comes another way'),
  forget: () => {},
});

const start = (sim: Simulator = simulator): ProfileAtRs => oscoreProfile.rs!(ioOf(sim));

function request(payload: Uint8Array, contentFormat: number = ContentFormat.AceCbor, association?: SecurityAssociation): Request {
  const options = [...pathOptions(['authz-info']), uintOption(OptionNumber.ContentFormat, contentFormat)];
  return { code: Method.POST, options, payload, peer, ...(association === undefined ? {} : { association }) };
}

const uploadOf = (fields: readonly (readonly [number, CborValue])[]): Uint8Array => encode(new Map(fields));
const token = Uint8Array.of(9, 9);

function accept(
  rs: ProfileAtRs,
  cnf: { readonly osc?: CborMap; readonly kid?: Uint8Array },
  extra: Partial<{ nonce1: Uint8Array; id1: Uint8Array }> = {},
): Promise<Acceptance> {
  const upload: TokenUpload = { token, extra: { nonce1, id1, ...extra } };
  return rs.accept({ cnf }, 'as1', upload);
}

const refuses = (responseCode: number) => (error: AceError) => {
  assert.ok(error instanceof AceError, String(error));
  assert.equal(error.responseCode, responseCode, error.message);
  return true;
};

test('RFC 9203 4.1: an upload is a map of token, nonce1 and ace_client_recipientid', () => {
  const upload = start().decodeUpload(
    request(
      uploadOf([
        [1, token],
        [40, nonce1],
        [43, id1],
        [99, 'ignored'],
      ]),
    ),
  );
  assert.deepEqual(upload, { token, extra: { nonce1, id1 } });
});

test('RFC 9203 4.1: another Content-Format is another profile', () => {
  const rs = start();
  assert.equal(rs.decodeUpload(request(token, ContentFormat.Cwt)), undefined);
  assert.equal(rs.decodeUpload({ ...request(token), options: [] }), undefined);
});

const broken: readonly (readonly [string, Uint8Array])[] = [
  ['no payload', new Uint8Array(0)],
  ['an array', encode([token, nonce1, id1])],
  ['the token alone', encode(token)],
  ['a truncated map', uploadOf([[1, token]]).subarray(0, 3)],
  ['a key twice', Uint8Array.of(0xa2, 0x01, 0x41, 0x01, 0x01, 0x41, 0x01)],
  [
    'no token',
    uploadOf([
      [40, nonce1],
      [43, id1],
    ]),
  ],
  [
    'no nonce1',
    uploadOf([
      [1, token],
      [43, id1],
    ]),
  ],
  [
    'no ace_client_recipientid',
    uploadOf([
      [1, token],
      [40, nonce1],
    ]),
  ],
  [
    'a token of text',
    uploadOf([
      [1, 'token'],
      [40, nonce1],
      [43, id1],
    ]),
  ],
  [
    'a nonce of a number',
    uploadOf([
      [1, token],
      [40, 1],
      [43, id1],
    ]),
  ],
];
for (const [name, payload] of broken) {
  test(`RFC 9203 4.2: ${name}: 4.00`, () => {
    assert.throws(() => start().decodeUpload(request(payload)), refuses(Code.BadRequest));
  });
}

test('RFC 9203 4.2: nonces and identifiers in a protected upload are ignored, whatever they are', async () => {
  const rs = start(new Simulator());
  const { association } = await accept(rs, { osc });
  const others: readonly (readonly (readonly [number, CborValue])[])[] = [
    [],
    [
      [40, nonce1],
      [43, id1],
    ],
    [
      [40, 1],
      [43, 'an identifier'],
    ],
  ];
  for (const fields of others) {
    const upload = rs.decodeUpload(request(uploadOf([[1, token], ...fields]), ContentFormat.AceCbor, association));
    assert.deepEqual(upload, { token, association, refusedWith: Code.Unauthorized });
  }
  assert.throws(() => rs.decodeUpload(request(uploadOf([[40, nonce1]]), ContentFormat.AceCbor, association)), refuses(Code.Unauthorized));
});

test('RFC 9203 4.2: the answer has a nonce2 of 8 bytes and the shortest free identifier, another than the one of the client', async () => {
  const rs = start();
  const seen = new Set<number>();
  for (let i = 0; i < 255; i++) {
    const material = new Map<number, CborValue>([...(osc as ReadonlyMap<number, CborValue>), [0, Uint8Array.of(i)]]);
    const { response, update, credential } = await accept(rs, { osc: material });
    assert.equal(update, false);
    assert.match(credential, /^coap_oscore:as1:/);
    assert.equal(response.code, Code.Created);
    assert.equal(uintOf(response.options, OptionNumber.ContentFormat), ContentFormat.AceCbor);
    const map = decode(response.payload) as ReadonlyMap<number, Uint8Array>;
    assert.deepEqual([...map.keys()], [tokenParameters.nonce2.label, tokenParameters.aceServerRecipientId.label]);
    assert.equal(map.get(42)!.length, 8);
    const id2 = map.get(44)!;
    assert.equal(id2.length, 1);
    assert.notDeepEqual(id2, id1);
    assert.ok(!seen.has(id2[0]!));
    seen.add(id2[0]!);
  }
  const last = await accept(rs, { osc: new Map<number, CborValue>([...(osc as ReadonlyMap<number, CborValue>), [0, Uint8Array.of(7, 7)]]) });
  assert.equal((decode(last.response.payload) as ReadonlyMap<number, Uint8Array>).get(44)!.length, 2);
  assert.equal(rs.stats()['contexts'], 256);
  await rs.close();
  assert.equal(rs.stats()['contexts'], 0);
});

test('RFC 9203 4.2, 7: the same token and nonce1 are answered with a nonce2 of its own each time, before and after a restart', async () => {
  const sim = new Simulator();
  const nonces = new Set<string>();
  for (const name of ['rs', 'rs again']) {
    const rs = oscoreProfile.rs!({ ...ioOf(sim), env: sim.env(name) });
    for (let i = 0; i < 4; i++) {
      const { response } = await accept(rs, { osc });
      nonces.add(toHex((decode(response.payload) as ReadonlyMap<number, Uint8Array>).get(tokenParameters.nonce2.label)!));
    }
    await rs.close();
  }
  assert.equal(nonces.size, 8);
});

const withField = (label: number, value: CborValue): CborMap => new Map([...(osc as ReadonlyMap<number, CborValue>), [label, value]]);
const without = (label: number): CborMap => new Map([...(osc as ReadonlyMap<number, CborValue>)].filter(([key]) => key !== label));
const unusable: readonly (readonly [string, Parameters<typeof accept>[1], Parameters<typeof accept>[2]?])[] = [
  ['a parameter that is not recognised', { osc: withField(7, 1) }],
  ['no ms', { osc: without(2) }],
  ['an empty ms', { osc: withField(2, new Uint8Array(0)) }],
  ['no id', { osc: without(0) }],
  ['an ms of text', { osc: withField(2, 'secret') }],
  ['another version', { osc: withField(1, 2) }],
  ['an AEAD algorithm that is none', { osc: withField(4, 5) }],
  ['an HKDF algorithm that is none', { osc: withField(3, 10) }],
  ['no cnf', {}],
  ['a kid in place of input material, without protection', { kid: Uint8Array.of(1) }],
  ['an ace_client_recipientid of 8 bytes', { osc }, { id1: new Uint8Array(8) }],
];
for (const [name, cnf, extra] of unusable) {
  test(`RFC 9203 4.2: ${name}: 4.00, and nothing is kept`, async () => {
    const rs = start();
    await assert.rejects(accept(rs, cnf, extra), refuses(Code.BadRequest));
    assert.equal(rs.stats()['contexts'], 0);
    assert.equal(rs.stats()['pending'], 0);
  });
}

test('RFC 9203 3.2.1: each algorithm by number and by name, an empty identifier, a context identifier', async () => {
  const rs = start();
  for (const [label, value] of [
    [4, 31],
    [4, 'AES-CCM-16-64-256'],
    [4, 24],
    [3, 7],
    [3, 'HMAC 256/256'],
    [3, -10],
    [6, utf8('context')],
  ] as const) {
    const { response } = await accept(rs, { osc: withField(label, value) }, { id1: new Uint8Array(0) });
    assert.equal(response.code, Code.Created, `${label}: ${value}`);
  }
  await rs.close();
});

test('RFC 9203 4.2: a token that comes under a context is for the input material of that context, and its 2.01 has no payload', async () => {
  const rs = start(new Simulator());
  const [mine, other] = [await accept(rs, { osc }), await accept(rs, { osc: withField(0, Uint8Array.of(2)) })];
  for (const { association } of [mine, other]) (association as SecurityContext).verified();
  const { association } = mine;
  const update = (cnf: Parameters<typeof accept>[1]) => rs.accept({ cnf }, 'as1', { token, association });
  for (const cnf of [{ kid: Uint8Array.of(2) }, { kid: Uint8Array.of(3) }, { osc }, {}]) await assert.rejects(update(cnf), refuses(Code.Unauthorized));
  await assert.rejects(rs.accept({ cnf: { kid: Uint8Array.of(1) } }, 'as2', { token, association }), refuses(Code.Unauthorized), 'of another issuer');
  const accepted = await update({ kid: Uint8Array.of(1) });
  assert.deepEqual([accepted.credential, accepted.association, accepted.update], [mine.credential, association, true]);
  assert.deepEqual(accepted.response, { code: Code.Created, options: [], payload: new Uint8Array(0) });
  await rs.close();
});

test('contexts that nobody uses: bounded for each key, and gone after a time', async () => {
  const sim = new Simulator();
  const rs = start(sim);
  for (let i = 0; i < 10; i++) await accept(rs, { osc });
  assert.equal(rs.stats()['pending'], 4);
  for (let i = 0; i < 300; i++) await accept(rs, { osc: withField(0, Uint8Array.of(i >> 8, i & 0xff)) });
  assert.equal(rs.stats()['pending'], 256);
  assert.equal(rs.stats()['contexts'], 256);
  await sim.sleep(247_000);
  assert.deepEqual([rs.stats()['pending'], rs.stats()['contexts']], [0, 0]);
  assert.equal(sim.pending, 0);
});

test('restore: two contexts for one credential are one too many', async () => {
  const rs = start();
  const { credential, saved } = await accept(rs, { osc });
  rs.release(credential);
  await rs.restore(credential, saved!);
  await assert.rejects(rs.restore(credential, saved!));
  await assert.rejects(rs.restore('another', saved!), 'its identifier is taken');
  assert.equal(rs.stats()['contexts'], 1);
});

test('RFC 7252 5.9.3.4: an upload that the table of contexts has no room for is 5.03 with Max-Age, and nothing of it is kept', async () => {
  const contexts = new ContextTable({ limit: 2 });
  const rs = oscoreAtRs(ioOf(simulator), contexts);
  const other = new Map(osc).set(0, Uint8Array.of(2));
  const { credential } = await accept(rs, { osc });
  await accept(rs, { osc: other });
  await assert.rejects(accept(rs, { osc }), (error: AceError) => {
    assert.ok(error instanceof AceError, String(error));
    assert.deepEqual([error.code, error.responseCode, error.retryAfter], ['ERR_OSCORE_PROFILE_CONTEXTS', Code.ServiceUnavailable, 60]);
    return true;
  });
  assert.deepEqual([contexts.size, rs.stats()['pending']], [2, 2]);
  rs.release(credential);
  assert.equal((await accept(rs, { osc })).response.code, Code.Created);
  await rs.close();
});
