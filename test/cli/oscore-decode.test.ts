import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { encodeMessage, MessageType, Method, OptionNumber, opaqueOption, pathOptions } from '../../src/coap/index.ts';
import { emptyBytes, fromHex, toHex } from '../../src/core/bytes.ts';
import { aead } from '../../src/core/crypto/index.ts';
import { composeAad, deriveContext, protectRequest } from '../../src/oscore/index.ts';
import { fixture } from '../support/fixtures.ts';
import { aceExits } from './lab.ts';

interface Vector {
  readonly section: string;
  readonly protected: string;
  readonly nonce: string;
  readonly aad: string;
  readonly optionValue: string;
}

const { messages } = fixture<{ readonly messages: readonly Vector[] }>('oscore/rfc8613-appendix-c.json');
const vector = (section: string): Vector => messages.find((one) => one.section === section)!;
const secret = '0102030405060708090a0b0c0d0e0f10';
const salted = { master_secret: secret, master_salt: '9e7ca92223786340' };
const c1 = { ...salted, sender_id: '', recipient_id: '01' };
const request = vector('C.4').protected;
const response = vector('C.7').protected;

let folder: string;

let files = 0;
function contextFile(content: object): string {
  const path = join(folder, `context${++files}.json`);
  writeFileSync(path, JSON.stringify(content), { mode: 0o600 });
  return path;
}

/** The same context at the other end. */
const otherEnd = ({ sender_id, recipient_id, ...rest }: typeof c1): typeof c1 => ({ ...rest, sender_id: recipient_id, recipient_id: sender_id });

async function opened(context: object, inputs: readonly string[], code = 0): Promise<Record<string, unknown>[]> {
  const { stdout } = await aceExits(code, ['decode', '--oscore', contextFile(context), '--json', ...inputs]);
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).oscore);
}

/** Why the last input was not opened. */
async function reason(context: object, inputs: readonly string[]): Promise<string> {
  const last = (await opened(context, inputs, 1)).at(-1)!;
  assert.equal(last['verified'], false);
  return String(last['reason']);
}

describe('ace-coap decode --oscore', { concurrency: 3 }, () => {
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'ace-coap-decode-oscore-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  for (const [section, context] of [
    ['C.4', c1],
    ['C.5', { master_secret: secret, sender_id: '00', recipient_id: '01' }],
    ['C.6', { ...c1, id_context: '37cbf3210017a2d3' }],
  ] as const) {
    test(`RFC 8613 ${section}: a request, by the file of either end`, async () => {
      const { protected: datagram, nonce, aad } = vector(section);
      for (const [end, from] of [
        [context, 'sender'],
        [otherEnd(context as typeof c1), 'recipient'],
      ] as const) {
        const [inside] = await opened(end, [datagram]);
        const { context: _, ...facts } = inside!;
        assert.deepEqual(facts, {
          verified: true,
          from,
          id: context.sender_id,
          sequence_number: 20,
          nonce,
          aad,
          code: '0.01',
          options: ['Uri-Host: "localhost"', 'Uri-Path: "tv1"'],
          payload_hex: '',
        });
      }
    });
  }

  for (const section of ['C.7', 'C.8']) {
    test(`RFC 8613 ${section}: a response, by its request before it, or by --request with datagram, option or file`, async () => {
      const { protected: datagram, nonce, aad } = vector(section);
      const file = join(folder, `request${section}.bin`);
      writeFileSync(file, fromHex(request));
      const runs = await Promise.all([
        opened(c1, [request, datagram]),
        opened(otherEnd(c1), [request, datagram]),
        opened(c1, [datagram, '--request', request]),
        opened(c1, [datagram, '--request', vector('C.4').optionValue]),
        opened(c1, [datagram, '--request', `@${file}`]),
      ]);
      for (const run of runs) {
        const { verified, code, payload_hex, id, nonce: used, aad: bound } = run.at(-1)!;
        assert.deepEqual([verified, code, payload_hex, id, used, bound], [true, '2.05', toHex(new TextEncoder().encode('Hello World!')), '01', nonce, aad]);
      }
    });
  }

  test('for people: outer and inner message, nonce and AAD, and nothing of the keys', async () => {
    const { stdout, stderr } = await aceExits(0, ['decode', '--oscore', contextFile(c1), request, response]);
    assert.equal(stderr, '');
    assert.match(stdout, /^# coap, 35 bytes\nCON {2}POST .*\n {2}Uri-Host: "localhost"\n {2}OSCORE: piv 14, kid ''\n {2}payload \(13 bytes\)/);
    assert.match(
      stdout,
      /\nOSCORE: opened with .*\n {2}from the sender of the context, an empty ID, sequence number 20\n {2}nonce 4622d4dd6d944168eefb549868\n/,
    );
    assert.match(stdout, /\nGET\n {2}Uri-Host: "localhost"\n {2}Uri-Path: "tv1"\n/);
    assert.match(
      stdout,
      /\n {2}from the recipient of the context, ID 01, the nonce of the request\n[\s\S]*\n2\.05 Content\n {2}payload \(12 bytes\): "Hello World!"\n$/,
    );
    for (const key of [secret, 'f0910ed7295e6ad4b54fc793154302ff']) assert.equal(stdout.includes(key), false);
  });

  test('several contexts: the one whose kid it is', async () => {
    const others = ['02', '03'].map((id) => contextFile({ ...salted, sender_id: 'aa', recipient_id: id }));
    const args = [...others, contextFile(otherEnd(c1))].flatMap((file) => ['--oscore', file]);
    assert.match((await aceExits(0, ['decode', ...args, request])).stdout, /Uri-Path: "tv1"/);
  });

  test('of several requests, a response belongs to the one with its token', async () => {
    const context = deriveContext({ masterSecret: fromHex(secret), masterSalt: fromHex('9e7ca92223786340'), senderId: emptyBytes, recipientId: fromHex('01') });
    const { message } = protectRequest(
      { code: Method.GET, options: pathOptions(['other']), payload: emptyBytes, peer: { key: '', address: '', port: 0 } },
      context,
      21,
    );
    const later = encodeMessage({ type: MessageType.CON, code: message.code, id: 1, token: fromHex('aa'), options: message.options, payload: message.payload });
    const runs = await opened(c1, [request, toHex(later), response]);
    assert.equal(runs.at(-1)!['payload_hex'], toHex(new TextEncoder().encode('Hello World!')));
  });

  describe('says exactly why not, with exit code 1', { concurrency: 3 }, () => {
    const outer = (code: number, option: string | undefined, payload: string): string =>
      toHex(
        encodeMessage({
          type: MessageType.CON,
          code,
          id: 7,
          token: fromHex('00003974'),
          options: option === undefined ? [] : [opaqueOption(OptionNumber.Oscore, fromHex(option))],
          payload: fromHex(payload),
        }),
      );

    for (const [what, context, inputs, said] of [
      [
        'a changed tag',
        c1,
        [`${request.slice(0, -2)}5f`],
        /the tag does not verify with .*: the Master Secret or Salt is another, or the message was changed$/,
      ],
      ['another secret', { ...c1, master_secret: `ff${secret.slice(2)}` }, [request], /the Master Secret or Salt is another/],
      ['another context with that kid', c1, [vector('C.5').protected.replace('091400', '091401')], /does not verify/],
      ['another HKDF', { ...c1, hkdf: 'HKDF SHA-512' }, [request], /does not verify with .* as it is; it does with hkdf HKDF SHA-256$/],
      ['another AEAD', { ...c1, aead: 'ChaCha20/Poly1305' }, [request], /it does with aead AES-CCM-16-64-128$/],
      ['a salt that the other end has not', { ...salted, sender_id: '00', recipient_id: '01' }, [vector('C.5').protected], /it does without master_salt$/],
      ['an ID Context that the file has not', c1, [vector('C.6').protected], /it does with id_context 37cbf3210017a2d3$/],
      ['an ID Context that the message has not', { ...c1, id_context: 'aa' }, [request], /it does without id_context$/],
      [
        'a kid of nobody',
        { ...c1, sender_id: '05', recipient_id: '06' },
        [request],
        /no context has the kid '' \(empty\) of the request: .* has sender_id 05 and recipient_id 06$/,
      ],
      ['no OSCORE option', c1, [outer(1, undefined, '')], /the message has no OSCORE option: it is not protected/],
      ['a malformed option', c1, [outer(2, 'ff', 'aa')], /the OSCORE option is malformed: expected reserved flags to be zero, got 255/],
      ['no payload', c1, [outer(2, '0914', '')], /the message has no payload/],
      ['a request without kid', c1, [outer(2, '0114', 'aaaaaaaaaaaaaaaaaa')], /a request needs a kid and a Partial IV .* and this one has no kid/],
      ['a request without Partial IV', c1, [outer(2, '08', 'aaaaaaaaaaaaaaaaaa')], /and this one has no Partial IV/],
      [
        'a response alone',
        c1,
        [response],
        /a response needs the kid and the Partial IV of its request: give the datagram of the request before it, or --request/,
      ],
      ['a response to another request', c1, [response, '--request', '0915'], /the tag does not verify with .*, or it answers another request$/],
      ['a response to a request of nobody', c1, [response, '--request', '091577'], /no context has the kid 77 of the request/],
      ['a ciphertext shorter than a tag', c1, [outer(2, '0914', 'aabb')], /the tag does not verify/],
    ] as const) {
      test(what, async () => assert.match(await reason(context, inputs), said));
    }

    test('what verifies and holds no CoAP message', async () => {
      const context = deriveContext({
        masterSecret: fromHex(secret),
        masterSalt: fromHex('9e7ca92223786340'),
        senderId: emptyBytes,
        recipientId: fromHex('01'),
      });
      const partialIv = fromHex('14');
      const key = aead(10, fromHex('f0910ed7295e6ad4b54fc793154302ff'));
      const sealed = key.seal(context.sender.nonce(partialIv), composeAad(10, emptyBytes, partialIv), fromHex('45ff'));
      assert.match(await reason(c1, [outer(Method.POST, '0914', toHex(sealed))]), /expected a CoAP message in the plaintext, got bytes that are none/);
      const response = key.seal(context.sender.nonce(partialIv), composeAad(10, emptyBytes, partialIv), fromHex('45'));
      assert.match(await reason(c1, [outer(Method.POST, '0914', toHex(response))]), /expected a code of the direction in the plaintext, got 69/);
    });
  });

  for (const [what, args, said] of [
    ['--request without --oscore', [response, '--request', '0914'], /--request: expected --oscore with it, got none/],
    ['--request with a response', ['ORIGIN', response, '--request', response], /--request: expected a request, got 2\.04 Changed/],
    ['--request without protection', ['ORIGIN', response, '--request', '4001000a'], /--request: expected a protected request, got one without OSCORE option/],
    ['--request with half an option', ['ORIGIN', response, '--request', '0114'], /--request: expected a kid and a Partial IV, got an OSCORE option without/],
    ['--request that is nothing', ['ORIGIN', response, '--request', '0f'], /--request: expected a Partial IV length of 0 to 5, got 7/],
    ['an input that is no datagram', ['ORIGIN', 'a10103'], /input: expected a CoAP datagram with --oscore, got /],
    ['a context that is not there', ['--oscore', 'none.json', request], /none\.json: expected an OSCORE context file, got nothing there/],
  ] as const) {
    test(`exit code 2: ${what}`, async () => {
      const words = args.flatMap((word) => (word === 'ORIGIN' ? ['--oscore', contextFile(c1)] : [word]));
      assert.match((await aceExits(2, ['decode', ...words], { cwd: folder })).stderr, said);
    });
  }

  test('several inputs without --oscore: each in turn', async () => {
    const { stdout } = await aceExits(0, ['decode', 'a10103', '4001000a']);
    assert.match(stdout, /^# \S+, 3 bytes\n[\s\S]*\n\n# coap, 4 bytes\nCON {2}GET/);
  });
});
