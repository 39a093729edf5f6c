import assert from 'node:assert/strict';
import { decodePskIdentity, derivePsk } from '../../profiles/dtls/params.ts';
import { contextParameters, decodeInputMaterial } from '../../profiles/oscore/params.ts';
import { oscoreAtRs } from '../../profiles/oscore/rs.ts';
import { deriveAnchor, deriveApplicationKey, parseAKid, pskIdentity } from '../../profiles/seal/akma/index.ts';
import { decodeKmRequest, decodeKmResponse, encodeKmRequest, encodeKmResponse } from '../../profiles/seal/key-management/index.ts';
import {
  decodeError,
  decodeHints,
  decodeIntrospectionRequest,
  decodeIntrospectionResponse,
  decodeTokenRequest,
  decodeTokenResponse,
  encodeError,
  encodeHints,
  encodeIntrospectionRequest,
  encodeIntrospectionResponse,
  encodeTokenRequest,
  encodeTokenResponse,
  tokenHash,
  tokenHashes,
  tokenParameters,
} from '../../src/ace/index.ts';
import {
  ContentFormat,
  decodeMessage,
  encodeBody,
  encodeMessage,
  findOption,
  OptionNumber,
  recogniseOptions,
  uintOf,
  withoutOptions,
} from '../../src/coap/index.ts';
import { fromBase64Url, fromUtf8 } from '../../src/core/bytes.ts';
import { macAlgorithms } from '../../src/core/cose/algorithms.ts';
import { encodeClaims } from '../../src/core/cwt.ts';
import { aeadParameters, decode, decodeCoseKey, openCwt, readKnownMap, systemEnv, type TokenKey } from '../../src/core/index.ts';
import {
  type ContextParameters,
  checkParameters,
  decodeOscoreOption,
  deriveContext,
  deriveKeys,
  protectRequest,
  type RequestBinding,
  unprotectRequest,
  unprotectResponse,
} from '../../src/oscore/index.ts';
import { memoryStore } from '../../src/store/index.ts';
import { type Action, findValue, readBytes, type Vector } from './format.ts';
import { Discarded, Pair } from './handshake.ts';
import { mirrored, somePeer } from './oscore.ts';

/** Takes a vector as a tester of another stack would: what it does not refuse, it has to understand. */
type Consumer = (vector: Vector) => void;

/** The keys of a recipient of tokens. */
function tokenKeys(vector: Vector): TokenKey[] {
  const names = ['key', 'outerKey'].filter((name) => findValue(vector, name) !== undefined);
  return names.map((name) => {
    const key = decodeCoseKey(decode(readBytes(vector, name)));
    const algorithm = key.alg as number;
    const use = aeadParameters(algorithm) !== undefined ? 'encrypt0' : macAlgorithms.has(algorithm) ? 'mac0' : 'sign1';
    return { use, algorithm, key, ...(key.kid === undefined ? {} : { kid: key.kid }) };
  });
}

const onlyOutput = (vector: Vector): Uint8Array => {
  assert.equal(vector.output.length, 1, vector.id);
  return readBytes(vector, vector.output[0]!);
};

function numberIn(vector: Vector, name: string): number {
  const value = findValue(vector, name);
  assert.ok(typeof value === 'number', `${vector.id}: ${name}`);
  return value;
}

/** A Security Context from the side of the client. */
function contextIn(vector: Vector): ContextParameters {
  return {
    masterSecret: readBytes(vector, 'masterSecret'),
    masterSalt: readBytes(vector, 'masterSalt'),
    senderId: readBytes(vector, 'clientId'),
    recipientId: readBytes(vector, 'serverId'),
    ...(findValue(vector, 'idContext') === undefined ? {} : { idContext: readBytes(vector, 'idContext') }),
    aead: numberIn(vector, 'aead'),
    hkdf: numberIn(vector, 'hkdf'),
  };
}

/** Opens what goes to and fro in turn; a response belongs to the last request. The client protects each request anew, and has to come to the same bytes. */
function unprotectExchange(vector: Vector): void {
  const parameters = contextIn(vector);
  const [client, server] = [deriveContext(parameters), deriveContext(mirrored(parameters))];
  let binding: RequestBinding | undefined;
  for (const name of vector.output) {
    const { code, options, payload } = decodeMessage(readBytes(vector, name));
    const message = { code, options, payload, peer: somePeer };
    if (name.startsWith('request')) {
      const opened = unprotectRequest(message, decodeOscoreOption(findOption(options, OptionNumber.Oscore)!.value), server);
      if (!server.window.accepts(opened.sequence)) throw new Discarded('replay', 'expected a new request, got an old one');
      server.window.commit(opened.sequence);
      const inner = withoutOptions(opened.request.options, OptionNumber.UriHost, OptionNumber.UriPort);
      assert.deepEqual(encodeBody({ ...opened.request, options: inner }), readBytes(vector, `${name}Plaintext`), `${vector.id}: ${name}`);
      const { association: _, ...plain } = opened.request;
      const again = protectRequest(plain, client, opened.sequence);
      assert.deepEqual(again.message.payload, payload, `${vector.id}: ${name}`);
      binding = again.binding;
    } else {
      const { response } = unprotectResponse(message, client, binding!);
      assert.deepEqual(encodeBody(response), readBytes(vector, `${name}Plaintext`), `${vector.id}: ${name}`);
    }
  }
}

/** What a decoder understands of a message's payload, encoded again: nothing of it may be lost. */
function roundTrip<T extends { readonly unknown?: unknown }>(decoder: (payload: Uint8Array) => T, encoder: (value: T) => Uint8Array): Consumer {
  return (vector) => {
    const { payload } = decodeMessage(onlyOutput(vector));
    const value = decoder(payload);
    assert.equal(value.unknown, undefined, vector.id);
    assert.deepEqual(encoder(value), readBytes(vector, 'payload'), vector.id);
  };
}

/** The access token of a response is opened, and a pre-shared key that is derived from it. */
function tokenResponse(vector: Vector): void {
  roundTrip(decodeTokenResponse, encodeTokenResponse)(vector);
  const { accessToken, cnf } = decodeTokenResponse(decodeMessage(onlyOutput(vector)).payload);
  const { claims } = openCwt(accessToken, tokenKeys(vector));
  assert.deepEqual(encodeClaims(claims), readBytes(vector, 'claims'), vector.id);
  if (findValue(vector, 'derivationKey') !== undefined)
    assert.deepEqual(derivePsk(readBytes(vector, 'derivationKey'), accessToken), cnf?.coseKey?.k, vector.id);
}

const io = {
  env: systemEnv,
  store: memoryStore(),
  emit: () => {},
  admit: () => Promise.reject(new Error('nothing is admitted here')),
  forget: () => {},
};

/** A token upload, and where it is of the OSCORE profile the keys that come of it. */
function upload(vector: Vector): void {
  const [request, answer] = vector.output.map((name) => decodeMessage(readBytes(vector, name)));
  if (uintOf(request!.options, OptionNumber.ContentFormat) === ContentFormat.Cwt) {
    openCwt(request!.payload, tokenKeys(vector));
    return;
  }
  const { token, extra } = oscoreAtRs(io).decodeUpload({ ...request!, peer: somePeer })!;
  const { nonce1, id1 } = extra as { readonly nonce1: Uint8Array; readonly id1: Uint8Array };
  const { claims } = openCwt(token, tokenKeys(vector));
  const { nonce2, aceServerRecipientId: id2 } = readKnownMap('answer', tokenParameters, decode(answer!.payload)).known;
  // Seen from the client, whose Sender ID the RS chose.
  const exchanged = { nonce1, nonce2: nonce2!, senderId: id2!, recipientId: id1 };
  const { senderKey, recipientKey, commonIv } = deriveKeys(checkParameters(contextParameters(decodeInputMaterial(claims.cnf!.osc!), exchanged)));
  const expected = ['clientKey', 'serverKey', 'commonIv'].map((name) => readBytes(vector, name));
  assert.deepEqual([senderKey, recipientKey, commonIv], expected, vector.id);
}

/** A payload that is read and written again. */
function kmRoundTrip<T>(decoder: (payload: Uint8Array) => T, encoder: (value: T) => Uint8Array): Consumer {
  return (vector) => assert.deepEqual(encoder(decoder(onlyOutput(vector))), onlyOutput(vector), vector.id);
}

function akmaKeys(vector: Vector): void {
  const text = (name: string): string => fromUtf8(readBytes(vector, name));
  const { aKid, kAkma } = deriveAnchor({
    kAusf: readBytes(vector, 'kAusf'),
    supi: text('supi'),
    routingIndicator: text('routingIndicator'),
    homeNetwork: text('homeNetwork'),
  });
  const kAf = deriveApplicationKey(kAkma, { fqdn: text('fqdn'), protocol: readBytes(vector, 'protocol') });
  assert.equal(aKid, text('aKid'), vector.id);
  assert.equal(parseAKid(aKid).realm, text('homeNetwork'), vector.id);
  const expected = ['kAkma', 'kAf', 'pskIdentity'].map((name) => readBytes(vector, name));
  assert.deepEqual([kAkma, kAf, pskIdentity(aKid)], expected, vector.id);
}

/**
 * Each side on its own: it is given the datagrams of the other as they stand here, and has to send its own. Of what is to be refused only the receiver is asked
 * about the last datagram.
 */
function replayHandshake(vector: Vector): void {
  const known = (name: string): Uint8Array | undefined => (findValue(vector, name) === undefined ? undefined : readBytes(vector, name));
  const group = known('group');
  const pair = new Pair(known, numberIn(vector, 'suite'), group === undefined || fromUtf8(group) === 'secp256r1' ? 'secp256r1' : 'x25519');
  pair.start();
  for (const [index, name] of vector.output.entries()) {
    const [from, to] = /client/i.test(name) ? (['client', 'server'] as const) : (['server', 'client'] as const);
    const datagram = readBytes(vector, name);
    if (name === 'resumedClientDatagram1') pair.start(pair.client.connection!.session!);
    const data = known(`${from}Data`);
    const isLast = index === vector.output.length - 1;
    if (vector.expect === 'reject' && isLast) {
      pair[to].receive(datagram);
      return;
    }
    if (pair[from].sent.length === 0) pair[from].connection!.send(data!);
    assert.deepEqual(pair[from].next(), datagram, `${vector.id}: ${name}`);
    pair[to].receive(datagram);
  }
  for (const [from, to] of [
    ['client', 'server'],
    ['server', 'client'],
  ] as const)
    assert.deepEqual(pair[to].data, [known(`${from}Data`)], vector.id);
}

export const consumers: Readonly<Record<Action, Consumer>> = {
  'open-token': (vector) => {
    const { claims } = openCwt(onlyOutput(vector), tokenKeys(vector));
    assert.deepEqual(encodeClaims(claims), readBytes(vector, 'claims'), vector.id);
  },
  'derive-context': (vector) => {
    const { senderKey, recipientKey, commonIv } = deriveKeys(checkParameters(contextIn(vector)));
    assert.deepEqual(
      [senderKey, recipientKey, commonIv],
      vector.output.map((name) => readBytes(vector, name)),
      vector.id,
    );
  },
  'unprotect-exchange': unprotectExchange,
  'decode-exchange': (vector) => {
    const messages = vector.output.map((name) => decodeMessage(readBytes(vector, name)));
    for (const { options } of messages) if (recogniseOptions(options).bad !== undefined) throw new Discarded('option', 'expected options that are understood');
    for (const [index, message] of messages.entries())
      assert.deepEqual(encodeMessage(message), readBytes(vector, vector.output[index]!), `${vector.id}: ${vector.output[index]}`);
    const echo = (index: number): Uint8Array | undefined => messages[index] && findOption(messages[index].options, OptionNumber.Echo)?.value;
    // RFC 9175 §2.3: the request that comes again has the value of the response before it.
    for (let index = 1; index < messages.length; index += 2) if (echo(index) !== undefined) assert.deepEqual(echo(index + 1), echo(index), vector.id);
  },
  'decode-token-request': roundTrip(decodeTokenRequest, encodeTokenRequest),
  'decode-token-response': tokenResponse,
  'decode-error': (vector) => {
    const { options, payload } = decodeMessage(onlyOutput(vector));
    const body = decodeError(uintOf(options, OptionNumber.ContentFormat), payload);
    assert.deepEqual(body && encodeError(body).payload, readBytes(vector, 'payload'), vector.id);
  },
  'decode-hints': roundTrip(decodeHints, encodeHints),
  'decode-introspection-request': roundTrip(decodeIntrospectionRequest, encodeIntrospectionRequest),
  'decode-introspection-response': roundTrip(decodeIntrospectionResponse, encodeIntrospectionResponse),
  'decode-upload': upload,
  'decode-psk-identity': (vector) => {
    const identity = decodePskIdentity(onlyOutput(vector));
    if (identity === undefined) throw new Discarded('identity', 'expected the name of a key or a token, got neither');
    if ('kid' in identity) assert.deepEqual(identity.kid, readBytes(vector, 'pskId'), vector.id);
    else assert.deepEqual(encodeClaims(openCwt(identity.token, tokenKeys(vector)).claims), readBytes(vector, 'claims'), vector.id);
  },
  'hash-token': (vector) => assert.deepEqual(tokenHash(readBytes(vector, 'token')), onlyOutput(vector), vector.id),
  'list-token-hashes': (vector) => {
    const hashes = tokenHashes(readBytes(vector, vector.expect === 'reject' ? vector.output[0]! : 'token'));
    if (hashes === undefined) throw new Discarded('hash', 'expected a token whose hash is its own, got another');
    assert.deepEqual(
      hashes.map(fromBase64Url),
      vector.output.map((name) => readBytes(vector, name)),
      vector.id,
    );
  },
  'decode-km-request': kmRoundTrip(decodeKmRequest, encodeKmRequest),
  'decode-km-response': kmRoundTrip(decodeKmResponse, encodeKmResponse),
  'derive-akma': akmaKeys,
  'decode-a-kid': (vector) => {
    parseAKid(fromUtf8(onlyOutput(vector)));
  },
  'replay-handshake': replayHandshake,
};
