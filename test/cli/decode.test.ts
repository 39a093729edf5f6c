import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { encodeError, encodeHints, encodeIntrospectionResponse, encodeTokenRequest } from '../../src/ace/index.ts';
import { Code, ContentFormat, encodeMessage, MessageType, OptionNumber, opaqueOption, pathOptions, uintOption } from '../../src/coap/index.ts';
import { emptyBytes, fromHex, toBase64Url, toHex } from '../../src/core/bytes.ts';
import { encode } from '../../src/core/cbor.ts';
import { encodeClaims, protectCwt, type TokenKey } from '../../src/core/cwt.ts';
import { systemEnv } from '../../src/core/env.ts';
import { loadRsConfig, writeLab } from '../../src/operate/index.ts';
import { aceExits } from './lab.ts';

let folder: string;
let lab: string;
let tokenKey: TokenKey;

const masterSecret = fromHex('f00102030405060708090a0b0c0d0e0f');
const cnf = {
  osc: new Map<number, Uint8Array>([
    [0, fromHex('01')],
    [2, masterSecret],
  ]),
};
const claims = { aud: 'rs1', exp: 1_700_000_000, scope: 'r_temp', cnf };

async function decoded(bytes: Uint8Array, ...flags: readonly string[]): Promise<string> {
  return (await aceExits(0, ['decode', toHex(bytes), ...flags])).stdout;
}

describe('ace-coap decode', { concurrency: 3 }, () => {
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ace-coap-decode-'));
    lab = join(folder, 'lab');
    await writeLab(lab, { random: systemEnv.random });
    tokenKey = loadRsConfig(lab).issuers[0]!.tokenKeys[0]!;
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  test('a CoAP datagram: type, code, options by name, an ace+cbor payload', async () => {
    const text = await decoded(
      encodeMessage({
        type: MessageType.CON,
        code: 2,
        id: 4711,
        token: fromHex('c0ffee'),
        options: [...pathOptions(['authz-info']), uintOption(OptionNumber.ContentFormat, ContentFormat.AceCbor)],
        payload: encode(
          new Map<number, Uint8Array>([
            [40, fromHex('0102')],
            [43, fromHex('05')],
          ]),
        ),
      }),
    );
    assert.match(text, /^# coap, \d+ bytes\nCON {2}POST {2}id 4711 {2}token c0ffee\n/);
    assert.match(text, /Uri-Path: "authz-info"\n/);
    assert.match(text, /Content-Format: application\/ace\+cbor\n/);
    assert.match(text, /\/ nonce1 \/ 40: h'0102', \/ ace_client_recipientid \/ 43: h'05'/);
  });

  test('a CoAP datagram with OSCORE; a Non-confirmable one that could be a byte string; an answer with hints', async () => {
    const message = { id: 1, token: fromHex('01'), payload: emptyBytes };
    const protectedRequest = {
      ...message,
      type: MessageType.CON,
      code: 2,
      options: [opaqueOption(OptionNumber.Oscore, fromHex('0914ab'))],
      payload: fromHex('ff00'),
    };
    assert.match(await decoded(encodeMessage(protectedRequest)), /OSCORE: piv 14, kid ab\n/);
    // 51 is the head of 17 bytes in CBOR, and so many follow.
    const nonConfirmable = encodeMessage({ ...message, type: MessageType.NON, code: 1, options: pathOptions(['temperature']) });
    assert.deepEqual([nonConfirmable[0], nonConfirmable.length], [0x51, 17]);
    assert.match(await decoded(nonConfirmable), /^# coap/);
    const padded = encodeMessage({ ...message, type: MessageType.NON, code: 1, options: pathOptions(['temperature1']) });
    assert.deepEqual([padded[0], padded.length], [0x51, 18]);
    assert.match(await decoded(padded), /^# coap, 18 bytes\nNON {2}GET/);
    const hints = { ...message, type: MessageType.ACK, code: Code.Unauthorized, options: [uintOption(OptionNumber.ContentFormat, ContentFormat.AceCbor)] };
    const text = await decoded(encodeMessage({ ...hints, payload: encodeHints({ as: 'coap://as/token', audience: 'rs1' }) }));
    assert.match(text, /ACK {2}4\.01 Unauthorized[\s\S]*\/ AS \/ 1: "coap:\/\/as\/token", \/ audience \/ 5: "rs1"/);
  });

  test('an OSCORE option (RFC 8613 6.3)', async () => {
    assert.equal(await decoded(fromHex('0914')), "# oscore-option, 2 bytes\nPartial IV: h'14'\nkid: h''\n");
    assert.equal(await decoded(fromHex('19140544616c656b01')), "# oscore-option, 9 bytes\nPartial IV: h'14'\nkid context: h'44616c656b'\nkid: h'01'\n");
    // One byte could be anything.
    assert.match(await decoded(fromHex('08'), '--as', 'oscore-option'), /kid: h''/);
  });

  test('COSE objects, with their tag and without', async () => {
    const sign1 = fromHex('d28443a10126a04603a1044481014100');
    assert.match(await decoded(sign1), /^# cose, \d+ bytes\n\/ COSE_Sign1 \/ 18\(\[/);
    assert.match(await decoded(fromHex('8343a1010aa0420000')), /^# cose, \d+ bytes\n\[[\s\S]*\/ alg \/ 1: 10 \/ AES-CCM-16-64-128 \//);
    const key = await decoded(fromHex('a201042050000102030405060708090a0b0c0d0e0f'));
    assert.match(key, /^# cose-key, \d+ bytes\n\{\/ kty \/ 1: 4 \/ Symmetric \//);
    assert.equal(key.includes('0001020304'), false);
    assert.match(await decoded(fromHex('a201042050000102030405060708090a0b0c0d0e0f'), '--secrets'), /h'000102030405060708090a0b0c0d0e0f'/);
  });

  test('a CWT: encrypted as it is; with --config opened, its secrets hidden', async () => {
    const token = protectCwt(claims, tokenKey, systemEnv.random);
    const closed = await decoded(token);
    assert.match(closed, /^# cwt, \d+ bytes\n\/ CWT \/ 61\(\/ COSE_Encrypt0 \/ 16\(\[[\s\S]*\/ kid \/ 4: h'01'/);
    assert.equal(closed.includes('r_temp'), false);
    const open = await decoded(token, '--config', lab);
    assert.match(open, /verified with the encrypt0 key/);
    assert.match(open, /\/ aud \/ 3: "rs1",\s+\/ exp \/ 4: 1700000000/);
    assert.match(open, /\/ ms \/ 2: \/ secret of 17 encoded bytes \/ \.\.\./);
    assert.equal(open.includes(toHex(masterSecret)), false);
    assert.ok((await decoded(token, '--config', lab, '--secrets')).includes(`h'${toHex(masterSecret)}'`));

    const altered = Uint8Array.from(token);
    altered[altered.length - 1]! ^= 1;
    const { stdout } = await aceExits(1, ['decode', toHex(altered), '--config', lab]);
    assert.match(stdout, /\nnot verified: /);
  });

  for (const [kind, bytes, says] of [
    ['claims', encodeClaims({ iss: 'coap://as', aud: 'rs1', exp: 1_700_000_000 }), '/ exp / 4: 1700000000'],
    ['token-request', encodeTokenRequest({ audience: 'rs1', scope: 'r_temp', reqCnf: { kid: fromHex('01') } }), "/ req_cnf / 4: {/ kid / 3: h'01'}"],
    [
      'token-response',
      encode(
        new Map<number, unknown>([
          [1, fromHex('d83d')],
          [2, 3600],
        ]) as never,
      ),
      '/ expires_in / 2: 3600',
    ],
    [
      'authz-info',
      encode(
        new Map<number, Uint8Array>([
          [42, fromHex('0a')],
          [44, fromHex('0b')],
        ]),
      ),
      "/ ace_server_recipientid / 44: h'0b'",
    ],
    ['introspection', encodeIntrospectionResponse({ active: true, clientId: 'client1' }), '/ active / 10: true'],
    ['hints', encodeHints({ as: 'coap://as/token', audience: 'rs1', scope: 'r_temp' }), '/ audience / 5: "rs1"'],
    ['error', encodeError({ error: 6, description: 'no' }).payload, '/ error / 30: 6 / invalid_scope /'],
    ['cbor', encode(['a', 1.5, new Map([['b', true]])]), '["a", 1.5, {"b": true}]'],
  ] as const) {
    test(`${kind}: found out`, async () => {
      const text = await decoded(bytes);
      assert.ok(text.startsWith(`# ${kind}, ${bytes.length} bytes\n`), text);
      assert.ok(text.includes(says), text);
    });
  }

  test('CBOR that is not deterministic is shown as it is', async () => {
    assert.equal(await decoded(fromHex('1801')), '# cbor, 2 bytes\n1_0\n');
    assert.match(await decoded(fromHex('9f01ff')), /\[_ 1\]/);
  });

  test('input: hex with white space and 0x, base64url, files of hex and of bytes, standard input', async () => {
    const bytes = encode(new Map([['key', 1]]));
    const binary = join(folder, 'cbor.bin');
    const hex = join(folder, 'cbor.hex');
    writeFileSync(binary, bytes);
    writeFileSync(hex, `${toHex(bytes).replace(/(....)/g, '$1 ')}\n`);
    const expected = `# cbor, ${bytes.length} bytes\n{"key": 1}\n`;
    for (const input of [toHex(bytes).toUpperCase(), `0x${toHex(bytes)}`, toBase64Url(bytes), `@${binary}`, `@${hex}`]) {
      assert.equal((await aceExits(0, ['decode', input])).stdout, expected, input);
    }
    for (const input of [bytes, `${toHex(bytes)}\n`, toBase64Url(bytes)]) assert.equal((await aceExits(0, ['decode', '-'], { input })).stdout, expected);
    assert.deepEqual(JSON.parse((await aceExits(0, ['decode', toHex(bytes), '--json'])).stdout), { kind: 'cbor', bytes: bytes.length, notation: '{"key": 1}' });
  });

  for (const [what, args, says, input] of [
    ['neither hex nor base64url', ['!!'], /expected hex, base64url, @file or -, got 2 characters/],
    ['nothing', [''], /expected hex, base64url, @file or -, got nothing/],
    ['an empty pipe', ['-'], /expected bytes in standard input, got none/, ''],
    ['a file that is not there', ['@no-such-file'], /no-such-file: cannot be read \(ENOENT\)/],
    ['bytes that are nothing', ['ffff'], /got 2 bytes that are none:\n {2}as CoAP: .*\n {2}as OSCORE option: .*\n {2}as CBOR: /],
    ['CBOR that is cut off', ['a201', '--as', 'cbor'], /input: expected 4 more bytes at offset 1, got 1/],
    ['a CoAP datagram that is cut off', ['440112', '--as', 'coap'], /input: expected a header of 4 bytes, got 3/],
    ['a kind that is none', ['00', '--as', 'xml'], /Allowed choices are auto, coap, /],
    ['a lab that is not there', ['d83dd08340a040', '--config', 'no-lab'], /no-lab: no such folder/],
  ] as const) {
    test(`exit code 2: ${what}`, async () => {
      const { stdout, stderr } = await aceExits(2, ['decode', ...args], input === undefined ? {} : { input });
      assert.match(stderr, says);
      assert.equal(stdout, '');
    });
  }
});
