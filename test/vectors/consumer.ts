import assert from 'node:assert/strict';
import { decodeMessage, encodeBody, encodeMessage, findOption, OptionNumber, recogniseOptions, withoutOptions } from '../../src/coap/index.ts';
import { macAlgorithms } from '../../src/core/cose/algorithms.ts';
import { encodeClaims } from '../../src/core/cwt.ts';
import { aeadParameters, decode, decodeCoseKey, openCwt, ProtocolError, type TokenKey } from '../../src/core/index.ts';
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
import { type Action, findValue, readBytes, type Vector } from './format.ts';
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

/** What an endpoint drops without an error: the code is the reason. */
class Discarded extends ProtocolError {}

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

export const consumers: Readonly<Partial<Record<Action, Consumer>>> = {
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
};
