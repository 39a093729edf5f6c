import assert from 'node:assert/strict';
import { decodeInputMaterial, encodeInputMaterial } from '../../profiles/oscore/params.ts';
import {
  decodeAif,
  decodeError,
  decodeHints,
  decodeIntrospectionRequest,
  decodeIntrospectionResponse,
  decodeTokenRequest,
  decodeTokenResponse,
  encodeAif,
  encodeError,
  encodeHints,
  encodeIntrospectionRequest,
  encodeTokenRequest,
  parseScope,
} from '../../src/ace/index.ts';
import {
  applyCsm,
  decodeAbort,
  decodeBody,
  decodeLinkFormat,
  decodeMessage,
  decodeOptions,
  decodePing,
  decodeProblemDetails,
  decodeRelease,
  encodeAbort,
  encodeBody,
  encodeCsm,
  encodeFrame,
  encodeLinkFormat,
  encodeMessage,
  encodeOptions,
  encodePing,
  encodeProblemDetails,
  encodeRelease,
  FrameReader,
  filterLinks,
  isRequest,
  type Message,
  MessageType,
  Method,
  OptionNumber,
  type Peer,
  parseUri,
  pathOptions,
  queryOptions,
  recogniseOptions,
  requestPath,
  SignalingCode,
  uintOption,
} from '../../src/coap/index.ts';
import { decodeMissingBlocks } from '../../src/coap/qblock/option.ts';
import { fromHex, fromUtf8, toHex, utf8 } from '../../src/core/bytes.ts';
import { type CborValue, decode, decodeSequence, encode } from '../../src/core/cbor.ts';
import {
  Algorithm,
  decodeCoseKey,
  decodeCoseKeySet,
  decrypt0,
  encrypt0,
  mac0,
  readCountersignature,
  readEncrypt,
  readEncrypt0,
  readMac,
  readMac0,
  readSign,
  readSign1,
  verifyMac0,
} from '../../src/core/cose/index.ts';
import { decodeClaims, openCwt, protectCwt, symmetricKey } from '../../src/core/cwt.ts';
import { diagnose } from '../../src/core/diagnostic.ts';
import { parseDiagnostic } from '../../src/core/parse-diagnostic.ts';
import { decodeExchangedId, encodeExchangedId } from '../../src/oscore/exchanged-ids.ts';
import {
  decodeOscoreHeader,
  decodeOscoreOption,
  deriveContext,
  encodeOscoreHeader,
  encodeOscoreOption,
  parseHostingUri,
  protectRequest,
  requestToHttp,
  responseFromHttp,
  responseToHttp,
  unprotectRequest,
} from '../../src/oscore/index.ts';
import { mutateBytes, mutateDatagram, nearlyCbor } from './mutate.ts';
import { hexOf } from './seeds.ts';
import type { Target } from './target.ts';
import { ofText, takenBy } from './trials.ts';

const peer: Peer = { key: '192.0.2.1:5683', address: '192.0.2.1', port: 5683 };
const key = { kty: 4, k: new Uint8Array(16).fill(7) };
const tokenKey = symmetricKey('AES-CCM-16-64-128', key.k);

const messages: readonly Message[] = [
  { type: MessageType.CON, code: Method.GET, id: 1, token: Uint8Array.of(1, 2), options: pathOptions(['a', 'bc']), payload: new Uint8Array(0) },
  {
    type: MessageType.NON,
    code: Method.POST,
    id: 0xffff,
    token: new Uint8Array(8),
    options: [...pathOptions(['x'.repeat(20)]), uintOption(OptionNumber.ContentFormat, 60), ...queryOptions(['q=1']), uintOption(OptionNumber.Block1, 14)],
    payload: encode(new Map([[1, 'a']])),
  },
  {
    type: MessageType.ACK,
    code: 0x45,
    id: 7,
    token: Uint8Array.of(1),
    options: [{ number: OptionNumber.ETag, value: Uint8Array.of(1) }, uintOption(OptionNumber.Observe, 5), uintOption(2049, 300)],
    payload: utf8('21.5'),
  },
  { type: MessageType.RST, code: 0, id: 2, token: new Uint8Array(0), options: [], payload: new Uint8Array(0) },
];
export const datagrams: readonly Uint8Array[] = [...messages.map((message) => encodeMessage(message)), ...hexOf('oscore', 8)];

const extended = { extendedTokens: true };
const signals = [
  encodeCsm({ extendedTokenLength: 300, maxMessageSize: 8000, blockwise: true }),
  encodePing(SignalingCode.Ping, true),
  encodeRelease({ holdOff: 3 }),
  encodeAbort('because', 2, 1152),
];

const context = deriveContext({ masterSecret: new Uint8Array(16).fill(1), senderId: Uint8Array.of(1), recipientId: Uint8Array.of(2) });
const mirror = deriveContext({ masterSecret: new Uint8Array(16).fill(1), senderId: Uint8Array.of(2), recipientId: Uint8Array.of(1) });
const protectedMessages = [1, 300, 70_000].map((sequence) => {
  const request = { code: Method.PUT, options: pathOptions(['led']), payload: utf8('on'), peer };
  const { message } = protectRequest(request, mirror, sequence);
  return encodeMessage({ type: MessageType.CON, code: message.code, id: 1, token: Uint8Array.of(1), options: message.options, payload: message.payload });
});

const links = '</a>;rt="x y";ct="0 40";if=i,</b/c>;obs;title="t,\\"u;>";sz=10,<coap://[::1]/d>;anchor="/a"';
const uris = ['coap://host.example:5683/a/b%20c?x=1&y', 'coap://[2001:db8::1]/', 'coaps://127.0.0.1?%F0%9F%98%80', 'coap://h:0'];
const notations = [
  '{1: h\'0102\', -1: [true, null, 1.5_1, "a\\u00e4"]}',
  "61(18([h'a0', {}, << 1, 2 >>, h'']))",
  "(_ h'01', 'x'), b64'AQ' ",
  '{_ 1: simple(99)}',
];

const cose: readonly Uint8Array[] = [
  ...hexOf('cose', 20),
  encode(encrypt0({ key, algorithm: Algorithm.AES_CCM_16_64_128, plaintext: utf8('text'), nonce: new Uint8Array(13) })),
  encode(mac0({ key: { kty: 4, k: new Uint8Array(32) }, algorithm: Algorithm.HMAC_256, payload: utf8('text') })),
];
const token = protectCwt(
  { iss: 'as', aud: 'rs1', exp: 1_900_000_000, scope: 'r w', cnf: { kid: Uint8Array.of(1) } },
  tokenKey,
  (length) => new Uint8Array(length),
);
const ace: readonly Uint8Array[] = [
  ...hexOf('ace'),
  encodeTokenRequest({ audience: 'rs1', scope: 'r', aceProfile: null }),
  encodeIntrospectionRequest({ token }),
  encodeHints({ as: 'coap://as/token', audience: 'rs1', scope: 'r', cnonce: Uint8Array.of(1) }),
  encodeError({ error: 1, description: 'because' }).payload,
  encodeAif([['/a', 1]]),
];

const inputMaterial = encode(encodeInputMaterial({ id: Uint8Array.of(1), ms: new Uint8Array(16), hkdf: -10, alg: 10 }));

const cborSeeds = [...hexOf('cbor', 1), ...hexOf('cwt', 4), ...ace];
const structures = [readSign1, readSign, readMac0, readMac, readEncrypt0, readEncrypt, readCountersignature, decodeCoseKey, decodeCoseKeySet];

/** The same item again, whatever it was made of. */
function encodesAgain(value: CborValue): void {
  const bytes = encode(value);
  assert.equal(toHex(encode(decode(bytes, { canonical: true }))), toHex(bytes));
}

/** Whether there may be a float in it. */
function hasFloat(input: Uint8Array): boolean {
  return input.some((byte) => byte >= 0xf9 && byte <= 0xfb);
}

/** Every decoder that bytes from the network reach. */
export const decoders: readonly Target[] = [
  {
    name: 'CoAP message',
    seeds: datagrams,
    mutate: mutateDatagram,
    run: (input) => {
      const message = decodeMessage(input);
      assert.deepEqual(decodeMessage(encodeMessage(message)), message);
      recogniseOptions(message.options);
      requestPath(message.options);
    },
  },
  {
    name: 'CoAP body',
    seeds: messages.map(encodeBody),
    mutate: mutateBytes,
    run: (input) => {
      const body = decodeBody(input);
      assert.deepEqual(decodeBody(encodeBody(body)), body);
    },
  },
  {
    name: 'CoAP options',
    seeds: messages.map(({ options }) => encodeOptions(options)),
    mutate: mutateBytes,
    run: (input) => {
      const { options } = decodeOptions(input);
      assert.deepEqual(decodeOptions(encodeOptions(options)).options, options);
    },
  },
  {
    name: 'CoAP message with extended tokens',
    seeds: [...datagrams, ...[13, 300].map((length) => encodeMessage({ ...messages[0]!, token: new Uint8Array(length) }, extended))],
    mutate: mutateDatagram,
    run: (input) => {
      const message = decodeMessage(input, extended);
      assert.deepEqual(decodeMessage(encodeMessage(message, extended), extended), message);
    },
  },
  ...(['length', 'frame'] as const).map(
    (framing): Target => ({
      name: `CoAP messages on a connection, by ${framing}`,
      seeds: [
        ...messages.map(({ code, token, options, payload }) => encodeFrame(framing, code, token, options, payload)),
        ...[13, 300].map((length) => encodeFrame(framing, 1, new Uint8Array(length), [], new Uint8Array(0), undefined, extended)),
        ...signals.map(({ code, options, payload }) => encodeFrame(framing, code, new Uint8Array(0), options, payload)),
      ],
      mutate: mutateBytes,
      run: (input) => {
        const reader = new FrameReader(framing, 4096, extended);
        // Cut in two, as a connection may.
        reader.push(input.subarray(0, input.length >> 1));
        if (framing === 'length') reader.next();
        reader.push(input.subarray(input.length >> 1));
        for (let message = reader.next(); message !== undefined; message = reader.next()) {
          const { code, options } = message;
          if (code === SignalingCode.CSM) applyCsm(options, { maxMessageSize: 1152, blockwise: false, extendedTokenLength: 8 });
          else if (code === SignalingCode.Ping) decodePing(options);
          else if (code === SignalingCode.Release) decodeRelease(message);
          else if (code === SignalingCode.Abort) decodeAbort(message);
        }
      },
    }),
  ),
  {
    name: 'problem details',
    seeds: [encodeProblemDetails({ title: 'why', detail: 'because', responseCode: 0x80, unprocessedCoapOption: [7] }), ...ace],
    mutate: nearlyCbor,
    run: (input) => {
      const details = decodeProblemDetails(input);
      assert.deepEqual(decodeProblemDetails(encodeProblemDetails(details)), details);
    },
  },
  { name: 'missing blocks', seeds: [fromHex('0105181a191000')], mutate: nearlyCbor, run: (input) => void decodeMissingBlocks(input) },
  ofText('link format', [links], (text) => {
    const parsed = decodeLinkFormat(text);
    filterLinks(parsed, ['rt=x*']);
    assert.deepEqual(decodeLinkFormat(encodeLinkFormat(parsed)), parsed);
  }),
  ofText('URI', uris, parseUri),
  ofText('diagnostic notation', notations, (text) => encodesAgain(parseDiagnostic(text))),
  { name: 'CBOR', seeds: cborSeeds, mutate: nearlyCbor, run: (input) => encodesAgain(decode(input)) },
  {
    name: 'CBOR, canonical',
    seeds: cborSeeds,
    mutate: nearlyCbor,
    run: (input) => {
      const value = decode(input, { canonical: true });
      // A float that is a whole number comes back as an integer.
      if (!hasFloat(input)) assert.equal(toHex(encode(value)), toHex(input));
    },
  },
  {
    name: 'CBOR, lenient',
    seeds: cborSeeds,
    mutate: nearlyCbor,
    run: (input) => {
      const value = decode(input, { lenient: true });
      encodesAgain(value);
      parseDiagnostic(diagnose(encode(value)));
    },
  },
  { name: 'CBOR sequence', seeds: cborSeeds, mutate: nearlyCbor, run: (input) => void decodeSequence(input) },
  { name: 'COSE', seeds: cose, mutate: nearlyCbor, run: (input) => takenBy(structures, (read) => read(decode(input))) },
  {
    name: 'COSE_Encrypt0, opened',
    seeds: cose,
    mutate: nearlyCbor,
    run: (input) => void decrypt0(readEncrypt0(decode(input)), { key }),
  },
  {
    name: 'COSE_Mac0, verified',
    seeds: cose,
    mutate: nearlyCbor,
    run: (input) => void verifyMac0(readMac0(decode(input)), { key: { kty: 4, k: new Uint8Array(32) } }),
  },
  { name: 'CWT', seeds: [token, ...hexOf('cwt', 20)], mutate: nearlyCbor, run: (input) => void openCwt(input, [tokenKey]) },
  { name: 'CWT claims', seeds: hexOf('cwt', 20), mutate: nearlyCbor, run: (input) => void decodeClaims(input) },
  {
    name: 'OSCORE option',
    seeds: [...protectedMessages.map((message) => decodeMessage(message).options[0]!.value), ...hexOf('oscore', 1)],
    mutate: mutateBytes,
    run: (input) => assert.equal(toHex(encodeOscoreOption(decodeOscoreOption(input))), toHex(input)),
  },
  {
    name: 'exchanged identifier',
    seeds: [encodeExchangedId(Uint8Array.of(1, 2)), encodeExchangedId(new Uint8Array(0))],
    mutate: mutateBytes,
    run: (input) => {
      const id = decodeExchangedId(input);
      if (id !== undefined) assert.equal(toHex(encodeExchangedId(id)), toHex(input));
    },
  },
  {
    name: 'OSCORE request',
    seeds: protectedMessages,
    mutate: mutateDatagram,
    run: (input) => {
      const message = decodeMessage(input);
      const option = message.options.find(({ number }) => number === OptionNumber.Oscore);
      if (option !== undefined) unprotectRequest({ ...message, peer }, decodeOscoreOption(option.value), context);
    },
  },
  {
    name: 'HTTP OSCORE header field',
    seeds: ['AA', 'CSU', 'GRQIN8vzIQAXotM'].map(utf8),
    mutate: mutateBytes,
    run: (input) => {
      const text = fromUtf8(input);
      assert.equal(encodeOscoreHeader(decodeOscoreHeader(text)), text);
    },
  },
  {
    name: 'Hosting HTTP URI',
    seeds: ['http://p/hc/coap://s.example/light', 'http://p/hc/coap://%5B2001:db8::1%5D:61616/a?b'].map(utf8),
    mutate: mutateBytes,
    run: (input) => void parseHostingUri('http://p/hc/{+tu}', fromUtf8(input)),
  },
  {
    name: 'CoAP message mapped to HTTP',
    seeds: datagrams,
    mutate: mutateDatagram,
    run: (input) => {
      const message = decodeMessage(input);
      if (isRequest(message.code)) requestToHttp(message, 'http://p/');
      else responseFromHttp(responseToHttp(message));
    },
  },
  { name: 'ACE token request', seeds: ace, mutate: nearlyCbor, run: (input) => void decodeTokenRequest(input) },
  { name: 'ACE token response', seeds: ace, mutate: nearlyCbor, run: (input) => void decodeTokenResponse(input) },
  { name: 'ACE introspection request', seeds: ace, mutate: nearlyCbor, run: (input) => void decodeIntrospectionRequest(input) },
  { name: 'ACE introspection response', seeds: ace, mutate: nearlyCbor, run: (input) => void decodeIntrospectionResponse(input) },
  { name: 'ACE hints', seeds: ace, mutate: nearlyCbor, run: (input) => void decodeHints(input) },
  { name: 'ACE error', seeds: ace, mutate: nearlyCbor, run: (input) => void decodeError(19, input) },
  {
    name: 'AIF scope',
    seeds: ace,
    mutate: nearlyCbor,
    run: (input) => {
      decodeAif(input);
      parseScope(input);
    },
  },
  { name: 'OSCORE_Input_Material', seeds: [inputMaterial], mutate: nearlyCbor, run: (input) => void decodeInputMaterial(decode(input)) },
];
