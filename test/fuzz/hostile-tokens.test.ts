import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AifEntry, decodeError, encodeAif, tokenParameters } from '../../src/ace/index.ts';
import { ContentFormat, formatCode, OptionNumber, opaqueOption, type Response, uintOf, uintOption } from '../../src/coap/index.ts';
import { concat, fromHex } from '../../src/core/bytes.ts';
import { type CborMap, type CborValue, decode, encode, Tagged } from '../../src/core/cbor.ts';
import { encrypt0, mac0 } from '../../src/core/cose/index.ts';
import { type ClaimsSet, encodeClaims, protectCwt, symmetricKey, type TokenKey } from '../../src/core/cwt.ts';
import { writeKnownMap } from '../../src/core/known-map.ts';
import { Parties, tokenKey } from '../flows/parties.ts';
import { Simulator } from '../support/simulator.ts';
import { HostilePeer } from './hostile-peer.ts';

/** Each test begins at this time, in seconds since 1970. */
const now = 1_700_000_000;

/** An OSCORE_Input_Material as the AS makes it. */
const osc: CborMap = new Map<number, CborValue>([
  [0, Uint8Array.of(0)],
  [2, new Uint8Array(16).fill(7)],
  [5, new Uint8Array(0)],
]);

const usual: ClaimsSet = { aud: 'rs1', exp: now + 3600, scope: 'r_temp', cnf: { osc } };

const nonce = (): Uint8Array => new Uint8Array(13).fill(1);

function token(claims: Partial<Record<keyof ClaimsSet, unknown>> = {}, key: TokenKey = tokenKey): Uint8Array {
  const wanted = Object.entries({ ...usual, ...claims }).filter(([, value]) => value !== undefined);
  return protectCwt(Object.fromEntries(wanted) as ClaimsSet, key, nonce);
}

/** A token whose claims are any bytes. */
function tokenOf(plaintext: Uint8Array): Uint8Array {
  return encode(new Tagged(61, encrypt0({ key: tokenKey.key, algorithm: tokenKey.algorithm, plaintext, nonce: nonce() })));
}

function upload(accessToken: Uint8Array): Uint8Array {
  return encode(writeKnownMap(tokenParameters, { accessToken, nonce1: fromHex('018a278f7faab55a'), aceClientRecipientId: Uint8Array.of(0x33) }));
}

/** An RS, and somebody with no keys who uploads what he likes. */
class Bench {
  readonly parties: Parties;
  readonly peer: HostilePeer;

  private constructor(parties: Parties) {
    this.parties = parties;
    this.peer = new HostilePeer(parties.simulator, '10.0.0.66', 6666);
  }

  static async start(): Promise<Bench> {
    const parties = new Parties(new Simulator({ seed: 1, delay: 0 }), { rs: { limits: { uploadBurst: 100_000 } } });
    return new Bench(await parties.start());
  }

  post(
    payload: Uint8Array,
    message: { readonly contentFormat?: number | null; readonly options?: readonly { number: number; value: Uint8Array }[] } = {},
  ): Promise<Response> {
    return this.parties.finish(this.peer.send('10.0.0.2', 'authz-info', { payload, ...message }));
  }

  async code(payload: Uint8Array): Promise<string> {
    return formatCode((await this.post(payload)).code);
  }

  /** The codes in what the RS tells its operator: each refusal with its reason. */
  refusals(): string[] {
    return this.parties.rsEvents.flatMap((event) => {
      if (event.type !== 'token-refused') return [];
      assert.ok(event.reason.startsWith('ERR_') && event.detail !== '');
      return [event.code];
    });
  }

  /** After lifetimes of messages, nothing is held: the RS is as it was. */
  async end(): Promise<void> {
    await this.peer.close();
    await this.parties.simulator.sleep(300_000);
    const held = Object.entries(this.parties.rs.stats()).filter(([, count]) => count !== 0);
    assert.deepEqual(held, []);
    assert.deepEqual(this.parties.faults(), []);
    const stored: string[] = [];
    for await (const [key] of this.parties.stores.rs.scan('')) stored.push(key);
    assert.deepEqual(stored, []);
    await this.parties.close();
  }
}

test('RFC 9200 5.10.1, RFC 9203 4.2: the token that the others are made from is good: 2.01', async () => {
  const bench = await Bench.start();
  const response = await bench.post(upload(token()));
  assert.equal(formatCode(response.code), '2.01');
  assert.equal(uintOf(response.options, OptionNumber.ContentFormat), ContentFormat.AceCbor);
  assert.equal(bench.parties.rs.stats()['tokens'], 1);
  await bench.parties.simulator.sleep(3_601_000);
  await bench.end();
});

test('RFC 9200 5.10.1.1: a token with an altered byte, at every position and in every bit: 4.00 or 4.01', async () => {
  const bench = await Bench.start();
  const good = token();
  const ciphertext = encodeClaims(usual).length + 8;
  const codes = new Map<string, number>();
  for (let at = 0; at < good.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const altered = good.slice();
      altered[at]! ^= 1 << bit;
      const code = await bench.code(upload(altered));
      codes.set(code, (codes.get(code) ?? 0) + 1);
      assert.match(code, /^4\.0[01]$/, `byte ${at}, bit ${bit}`);
      // What the AEAD protects is 4.01: ciphertext and tag make up the end of the token.
      if (at >= good.length - ciphertext) assert.equal(code, '4.01', `byte ${at}, bit ${bit}`);
    }
  }
  assert.ok(codes.get('4.00')! > 0 && codes.get('4.01')! > 8 * ciphertext);
  assert.equal(bench.parties.rs.stats()['tokens'], 0);
  await bench.end();
});

test('RFC 9203 4.2: an upload with an altered byte outside the token: 2.01 only where it is still an upload, else 4.00', async () => {
  const bench = await Bench.start();
  const good = upload(token());
  const start = good.length - token().length;
  assert.ok(start > 0);
  for (let at = 0; at < good.length; at++) {
    const altered = good.slice();
    altered[at]! ^= 0x80;
    assert.match(await bench.code(altered), /^(2\.01|4\.0[01])$/, `byte ${at}`);
  }
  await bench.parties.simulator.sleep(3_601_000);
  await bench.end();
});

test('RFC 9200 5.10.1: a token or an upload that is cut off anywhere, or followed by more: 4.00', async () => {
  const bench = await Bench.start();
  const good = token();
  for (let length = 0; length < good.length; length++) assert.equal(await bench.code(upload(good.subarray(0, length))), '4.00', `token of ${length} bytes`);
  assert.equal(await bench.code(upload(concat(good, Uint8Array.of(0)))), '4.00');
  const whole = upload(good);
  for (let length = 0; length < whole.length; length++) assert.equal(await bench.code(whole.subarray(0, length)), '4.00', `upload of ${length} bytes`);
  assert.equal(await bench.code(concat(whole, Uint8Array.of(0xf6))), '4.00');
  await bench.end();
});

const otherKey = symmetricKey('AES-CCM-16-64-128', new Uint8Array(16).fill(0xee));
const longKey = symmetricKey('AES-CCM-16-64-256', new Uint8Array(32).fill(0xee));
const macKey = symmetricKey('HMAC 256/64', new Uint8Array(32).fill(0xee));
const [key, algorithm] = [tokenKey.key, tokenKey.algorithm];
const aif: readonly AifEntry[] = [['temperature', 1]];

const claimsCases: readonly (readonly [what: string, token: Uint8Array, code: string, section?: string])[] = [
  ['expired', token({ exp: now - 1 }), '4.01'],
  ['that expires at this moment', token({ exp: now }), '4.01'],
  ['expired before 1970', token({ exp: -1 }), '4.01'],
  ['that never ends', token({ exp: undefined }), '4.01'],
  ['whose nbf is in the future', token({ nbf: now + 60 }), '4.01'],
  ['for another audience', token({ aud: 'rs2' }), '4.03'],
  ['for a prefix of the audience', token({ aud: 'rs' }), '4.03'],
  ['for the audience in other letters', token({ aud: 'RS1' }), '4.03'],
  ['for nobody', token({ aud: undefined }), '4.03'],
  ['for an empty list of audiences', token({ aud: [] }), '4.03'],
  ['of another iss', token({ iss: 'coap://10.0.0.66/token' }), '4.01'],
  ['under the key of another AS', token({}, otherKey), '4.01'],
  ['under a longer key of another AS', token({}, longKey), '4.01'],
  ['under a MAC that is no key of this RS', token({ cnf: { kid: Uint8Array.of(1) } }, macKey), '4.01'],
  ['without a scope', token({ scope: undefined }), '4.00'],
  ['with a scope that nobody knows', token({ scope: 'r_temp everything' }), '4.00'],
  ['with a scope of two spaces', token({ scope: 'r_temp  r_led' }), '4.00'],
  ['with an empty scope', token({ scope: '' }), '4.00'],
  ['with an AIF where scopes are names', token({ scope: encodeAif(aif) }), '4.00'],
  ['without cnf', token({ cnf: undefined }), '4.00', 'RFC 9203 4.2'],
  ['with a kid and no key', token({ cnf: { kid: Uint8Array.of(1) } }), '4.00', 'RFC 9203 4.2'],
  ['with a COSE_Key', token({ cnf: { coseKey: { kty: 4, k: new Uint8Array(16) } } }), '4.00', 'RFC 9203 4.2'],
  ['with an osc without ms', token({ cnf: { osc: new Map([[0, Uint8Array.of(0)]]) } }), '4.00', 'RFC 9203 3.2.1'],
  ['with an osc without id', token({ cnf: { osc: new Map([[2, new Uint8Array(16)]]) } }), '4.00', 'RFC 9203 3.2.1'],
  ['with an osc whose ms is text', token({ cnf: { osc: new Map<number, CborValue>([...osc, [2, 'secret']] as never) } }), '4.00', 'RFC 9203 3.2.1'],
  ['with an osc of an unknown AEAD', token({ cnf: { osc: new Map<number, CborValue>([...osc, [4, 999]] as never) } }), '4.00', 'RFC 9203 3.2.1'],
  ['with an osc of an unknown HKDF', token({ cnf: { osc: new Map<number, CborValue>([...osc, [3, 999]] as never) } }), '4.00', 'RFC 9203 3.2.1'],
  ['with an osc of another version', token({ cnf: { osc: new Map<number, CborValue>([...osc, [1, 9]] as never) } }), '4.00', 'RFC 9203 3.2.1'],
  ['for another profile', token({ aceProfile: 1 }), '4.00'],
  ['whose claims are no map', tokenOf(encode([1, 2])), '4.00', 'RFC 8392 7.2'],
  ['whose claims are empty', tokenOf(new Uint8Array(0)), '4.00', 'RFC 8392 7.2'],
  ['whose claims are cut off', tokenOf(encodeClaims(usual).subarray(0, 20)), '4.00', 'RFC 8392 7.2'],
  ['whose claims are followed by more', tokenOf(concat(encodeClaims(usual), Uint8Array.of(0))), '4.00', 'RFC 8392 7.2'],
  ['with two exp', tokenOf(twice(encodeClaims(usual), 4, now + 7200)), '4.00', 'RFC 8949 5.6'],
  ['with two aud', tokenOf(twice(encodeClaims(usual), 3, 'rs1')), '4.00', 'RFC 8949 5.6'],
  [
    'whose exp is text',
    tokenOf(encode(new Map<number, CborValue>([...(decode(encodeClaims(usual)) as Map<number, CborValue>), [4, '9999999999']]))),
    '4.00',
    'RFC 8392 3.1.4',
  ],
  [
    'whose exp is no number',
    tokenOf(encode(new Map<number, CborValue>([...(decode(encodeClaims(usual)) as Map<number, CborValue>), [4, Number.NaN]]))),
    '4.00',
    'RFC 8392 3.1.4',
  ],
  [
    'whose exp is endless',
    tokenOf(encode(new Map<number, CborValue>([...(decode(encodeClaims(usual)) as Map<number, CborValue>), [4, Number.POSITIVE_INFINITY]]))),
    '4.00',
    'RFC 8392 3.1.4',
  ],
  ['that is not encrypted', encode(new Tagged(61, new Tagged(16, [new Uint8Array(0), new Map(), encodeClaims(usual)]))), '4.01', 'RFC 9052 5.2'],
  ['without tag', encode((encrypt0({ key, algorithm, plaintext: encodeClaims(usual), nonce: nonce() }) as Tagged).value), '4.00', 'RFC 8392 7.2'],
  [
    'with a tag that says MAC',
    encode(new Tagged(61, new Tagged(17, (encrypt0({ key, algorithm, plaintext: encodeClaims(usual), nonce: nonce() }) as Tagged).value))),
    '4.00',
    'RFC 8392 7.2',
  ],
  [
    'under a MAC with the key for encryption',
    encode(new Tagged(61, mac0({ key: { kty: 4, k: new Uint8Array(32) }, algorithm: 5, payload: encodeClaims(usual) }))),
    '4.01',
    'RFC 8392 7.2',
  ],
  ['that is text', encode('token'), '4.00', 'RFC 8392 7.2'],
  ['that is nothing', new Uint8Array(0), '4.00', 'RFC 8392 7.2'],
  ['nested in itself a hundred times', concat(fromHex('d83d'.repeat(100)), token()), '4.00', 'RFC 8392 7.2'],
];

/** The map with one more entry, whose key is there already. */
function twice(map: Uint8Array, label: number, value: CborValue): Uint8Array {
  const changed = concat(map, encode(label), encode(value));
  changed[0]!++;
  return changed;
}

for (const [what, bytes, code, section = 'RFC 9200 5.10.1.1'] of claimsCases) {
  test(`${section}: a token ${what}: ${code}`, async () => {
    const bench = await Bench.start();
    assert.equal(await bench.code(upload(bytes)), code);
    assert.deepEqual(bench.refusals(), [code]);
    await bench.end();
  });
}

const good = token();
const [nonce1, id1] = [new Uint8Array(8), Uint8Array.of(1)];
const map = (...entries: (readonly [number, CborValue])[]): Uint8Array => encode(new Map(entries));

const uploadCases: readonly (readonly [what: string, payload: Uint8Array])[] = [
  ['no payload', new Uint8Array(0)],
  ['an array', encode([1, good])],
  ['the bare token', good],
  ['a number', encode(1)],
  ['not CBOR', Uint8Array.of(0xff, 0xff)],
  ['an empty map', map()],
  ['no token', map([40, nonce1], [43, id1])],
  ['no nonce1', map([1, good], [43, id1])],
  ['no ace_client_recipientid', map([1, good], [40, nonce1])],
  ['a token that is text', map([1, 'token'], [40, nonce1], [43, id1])],
  ['a nonce1 that is a number', map([1, good], [40, 8], [43, id1])],
  ['an ace_client_recipientid that is a number', map([1, good], [40, nonce1], [43, 1])],
  ['an ace_client_recipientid longer than the nonce has room for', map([1, good], [40, nonce1], [43, new Uint8Array(8)])],
  ['two tokens', twice(map([1, good], [40, nonce1], [43, id1]), 1, good)],
  ['two nonces', twice(map([1, good], [40, nonce1], [43, id1]), 40, nonce1)],
  ['a map of indefinite length', concat(Uint8Array.of(0xbf), map([1, good], [40, nonce1], [43, id1]).subarray(1), Uint8Array.of(0xff))],
  ['keys in text', encode(new Map<string, CborValue>([['access_token', good]]))],
];

for (const [what, payload] of uploadCases) {
  test(`RFC 9203 4.2: an upload with ${what}: 4.00`, async () => {
    const bench = await Bench.start();
    const response = await bench.post(payload);
    assert.equal(formatCode(response.code), '4.00');
    assert.deepEqual(bench.refusals(), ['4.00']);
    // RFC 9203 4.2: error response with the parameter error, if there is a payload.
    if (response.payload.length > 0) assert.equal(decodeError(uintOf(response.options, OptionNumber.ContentFormat), response.payload)?.error, 1);
    await bench.end();
  });
}

test('RFC 7252 5.10.3, RFC 9203 4.2: another Content-Format than that of the profile, or none: 4.15', async () => {
  const bench = await Bench.start();
  for (const contentFormat of [null, 0, 42, ContentFormat.Cbor, ContentFormat.Cwt, 65_000]) {
    assert.equal(formatCode((await bench.post(upload(good), { contentFormat })).code), '4.15', String(contentFormat));
  }
  await bench.end();
});

test('RFC 7252 5.4.1: a critical option that nobody knows: 4.02; an elective one is ignored', async () => {
  const bench = await Bench.start();
  for (const number of [2049, 65_001]) {
    assert.equal(formatCode((await bench.post(upload(good), { options: [opaqueOption(number, Uint8Array.of(1))] })).code), '4.02', String(number));
  }
  // A known one of a length that it cannot have counts as unknown.
  assert.equal(formatCode((await bench.post(upload(good), { options: [opaqueOption(OptionNumber.Accept, new Uint8Array(9))] })).code), '4.02');
  assert.equal(bench.parties.rs.stats()['tokens'], 0);
  assert.equal(formatCode((await bench.post(upload(good), { options: [opaqueOption(65_000, Uint8Array.of(1))] })).code), '2.01');
  await bench.parties.simulator.sleep(3_601_000);
  await bench.end();
});

test('RFC 7252 5.9.2.9: an upload that is larger than the RS takes: 4.13 with the size that it does', async () => {
  const bench = await Bench.start();
  const response = await bench.post(upload(new Uint8Array(8000)));
  assert.equal(formatCode(response.code), '4.13');
  assert.equal(uintOf(response.options, OptionNumber.Size1), 4096);
  const announced = await bench.post(upload(good), { options: [uintOption(OptionNumber.Size1, 100_000)] });
  assert.equal(formatCode(announced.code), '4.13');
  await bench.end();
});

test('RFC 9200 6.4: uploads of one token without end: contexts stay bounded, and go', async () => {
  const bench = await Bench.start();
  for (let i = 0; i < 400; i++) assert.equal(await bench.code(upload(good)), '2.01');
  const { tokens, 'profile2.contexts': contexts, 'profile2.pending': pending } = bench.parties.rs.stats();
  assert.equal(tokens, 1);
  assert.ok(contexts! <= 8 && pending! <= 8, `${contexts} contexts, ${pending} pending`);
  await bench.parties.simulator.sleep(3_601_000);
  await bench.end();
});
