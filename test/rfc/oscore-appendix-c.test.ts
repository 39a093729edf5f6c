import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeMessage, encodeBody, encodeMessage, type Message, type Peer, type Request } from '../../src/coap/index.ts';
import { fromHex, toHex } from '../../src/core/bytes.ts';
import { decode } from '../../src/core/cbor.ts';
import { aead } from '../../src/core/crypto/index.ts';
import {
  type ContextParameters,
  checkParameters,
  composeAad,
  composeInfo,
  composeNonce,
  decodeOscoreOption,
  deriveContext,
  deriveKeys,
  encodeOscoreOption,
  encodePartialIv,
  protectRequest,
  protectResponse,
  type RequestBinding,
  type SecurityContext,
  unprotectRequest,
  unprotectResponse,
} from '../../src/oscore/index.ts';
import { fixture } from '../support/fixtures.ts';

interface Derivation {
  section: string;
  title: string;
  masterSecret: string;
  masterSalt?: string;
  senderId: string;
  recipientId: string;
  idContext?: string;
  infoSenderKey: string;
  infoRecipientKey: string;
  infoCommonIv: string;
  senderKey: string;
  recipientKey: string;
  commonIv: string;
  senderNonce: string;
  recipientNonce: string;
}

interface Vector {
  section: string;
  title: string;
  context: string;
  unprotected: string;
  commonIv: string;
  senderId: string;
  senderKey: string;
  senderSequenceNumber: number;
  idContext?: string;
  partialIv?: string;
  kid?: string;
  kidContext?: string;
  aadArray: string;
  aad: string;
  plaintext: string;
  encryptionKey: string;
  nonce: string;
  optionValue: string;
  ciphertext: string;
  protected: string;
}

const vectors = fixture<{ derivations: Derivation[]; messages: Vector[] }>('oscore/rfc8613-appendix-c.json');
const peer: Peer = { key: 'udp 192.0.2.1:5683', address: '192.0.2.1', port: 5683 };

function parametersOf(derivation: Derivation): ContextParameters {
  return {
    masterSecret: fromHex(derivation.masterSecret),
    senderId: fromHex(derivation.senderId),
    recipientId: fromHex(derivation.recipientId),
    ...(derivation.masterSalt === undefined ? {} : { masterSalt: fromHex(derivation.masterSalt) }),
    ...(derivation.idContext === undefined ? {} : { idContext: fromHex(derivation.idContext) }),
  };
}

function contextOf(section: string): SecurityContext {
  return deriveContext(parametersOf(vectors.derivations.find((derivation) => derivation.section === section)!));
}

/** The other endpoint of a context: C.1.1 and C.1.2 are a pair. */
function mirrorOf(section: string): SecurityContext {
  return contextOf(section.endsWith('.1') ? section.replace(/1$/, '2') : section.replace(/2$/, '1'));
}

/** RFC 8613 5.4: the AAD is an Enc_structure around the external_aad. */
function externalAadOf(aad: Uint8Array): string {
  const [context, protectedHeader, externalAad] = decode(aad) as [string, Uint8Array, Uint8Array];
  assert.deepEqual([context, protectedHeader.length], ['Encrypt0', 0]);
  return toHex(externalAad);
}

/** Common Context and Sender Context as the vector prints them: the algorithm and hash of the key derivation are the defaults. */
function assertContext(vector: Vector, context: SecurityContext): void {
  const parameters = checkParameters(parametersOf(vectors.derivations.find(({ section }) => section === vector.context)!));
  const keys = deriveKeys(parameters);
  assert.deepEqual([parameters.aead, parameters.hash], [10, 'sha256']);
  assert.equal(toHex(keys.commonIv), vector.commonIv);
  assert.equal(toHex(keys.senderKey), vector.senderKey);
  assert.equal(toHex(keys.senderKey), vector.encryptionKey);
  assert.equal(toHex(context.senderId), vector.senderId);
  assert.equal(context.idContext && toHex(context.idContext), vector.idContext);
}

function asRequest(message: Message): Request {
  return { code: message.code, options: message.options, payload: message.payload, peer };
}

test('RFC 8613 Appendix C: all vectors are there', () => {
  assert.deepEqual(
    vectors.derivations.map(({ section }) => section),
    ['C.1.1', 'C.1.2', 'C.2.1', 'C.2.2', 'C.3.1', 'C.3.2'],
  );
  assert.deepEqual(
    vectors.messages.map(({ section }) => section),
    ['C.4', 'C.5', 'C.6', 'C.7', 'C.8'],
  );
});

for (const vector of vectors.derivations) {
  test(`RFC 8613 ${vector.section}: key derivation, ${vector.title.toLowerCase()}`, () => {
    const parameters = parametersOf(vector);
    const { senderId, recipientId, idContext } = parameters;
    assert.equal(toHex(composeInfo(senderId, idContext, 10, 'Key', 16)), vector.infoSenderKey);
    assert.equal(toHex(composeInfo(recipientId, idContext, 10, 'Key', 16)), vector.infoRecipientKey);
    assert.equal(toHex(composeInfo(new Uint8Array(0), idContext, 10, 'IV', 13)), vector.infoCommonIv);
    const keys = deriveKeys(checkParameters(parameters));
    assert.equal(toHex(keys.senderKey), vector.senderKey);
    assert.equal(toHex(keys.recipientKey), vector.recipientKey);
    assert.equal(toHex(keys.commonIv), vector.commonIv);
    const zero = encodePartialIv(0);
    assert.equal(toHex(composeNonce(keys.commonIv, senderId, zero)), vector.senderNonce);
    assert.equal(toHex(composeNonce(keys.commonIv, recipientId, zero)), vector.recipientNonce);
    const context = deriveContext(parameters);
    assert.equal(toHex(context.sender.nonce(zero)), vector.senderNonce);
    assert.equal(toHex(context.recipient.nonce(zero)), vector.recipientNonce);
  });
}

for (const vector of vectors.messages.slice(0, 3)) {
  test(`RFC 8613 ${vector.section}: request, client`, () => {
    const context = contextOf(vector.context);
    const original = decodeMessage(fromHex(vector.unprotected));
    assert.equal(toHex(composeAad(10, fromHex(vector.kid!), fromHex(vector.partialIv!))), vector.aad);
    assertContext(vector, context);
    assert.equal(toHex(encodePartialIv(vector.senderSequenceNumber)), vector.partialIv);
    const { message, binding } = protectRequest(asRequest(original), context, vector.senderSequenceNumber);
    assert.equal(toHex(binding.aad), vector.aad);
    assert.equal(externalAadOf(binding.aad), vector.aadArray);
    assert.equal(toHex(binding.nonce), vector.nonce);
    assert.equal(toHex(message.options.find(({ number }) => number === 9)!.value), vector.optionValue);
    assert.equal(toHex(message.payload), vector.ciphertext);
    const plaintext = aead(10, fromHex(vector.encryptionKey)).open(binding.nonce, binding.aad, message.payload);
    assert.equal(toHex(plaintext), vector.plaintext);
    assert.equal(toHex(encodeMessage({ ...original, ...message })), vector.protected);
  });

  test(`RFC 8613 ${vector.section}: request, server`, () => {
    const context = mirrorOf(vector.context);
    const message = asRequest(decodeMessage(fromHex(vector.protected)));
    const option = decodeOscoreOption(message.options.find(({ number }) => number === 9)!.value);
    assert.equal(toHex(encodeOscoreOption(option)), vector.optionValue);
    assert.equal(toHex(option.partialIv!), vector.partialIv);
    assert.equal(toHex(option.kid!), vector.kid);
    assert.equal(option.kidContext && toHex(option.kidContext), vector.kidContext);
    const { request, sequence, binding } = unprotectRequest(message, option, context);
    assert.equal(sequence, vector.senderSequenceNumber);
    assert.equal(request.association, context);
    assert.equal(toHex(binding.aad), vector.aad);
    assert.equal(toHex(binding.nonce), vector.nonce);
    const original = decodeMessage(fromHex(vector.unprotected));
    assert.equal(toHex(encodeBody(request)), toHex(encodeBody(original)));
  });
}

for (const vector of vectors.messages.slice(3)) {
  const sequence = vector.partialIv === undefined ? undefined : vector.senderSequenceNumber;
  // Both respond to the request of C.4.
  const requestVector = vectors.messages[0]!;

  test(`RFC 8613 ${vector.section}: response, server`, () => {
    const context = contextOf(vector.context);
    const received = asRequest(decodeMessage(fromHex(requestVector.protected)));
    const { binding } = unprotectRequest(received, decodeOscoreOption(fromHex(requestVector.optionValue)), context);
    assertContext(vector, context);
    assert.equal(toHex(binding.aad), vector.aad);
    assert.equal(externalAadOf(binding.aad), vector.aadArray);
    // Section 5.2: the nonce of the request, or one of the Partial IV.
    assert.equal(toHex(sequence === undefined ? binding.nonce : context.sender.nonce(fromHex(vector.partialIv!))), vector.nonce);
    const original = decodeMessage(fromHex(vector.unprotected));
    const message = protectResponse(original, context, binding, sequence);
    assert.equal(toHex(message.options.find(({ number }) => number === 9)!.value), vector.optionValue);
    assert.equal(toHex(message.payload), vector.ciphertext);
    const plaintext = aead(10, fromHex(vector.encryptionKey)).open(fromHex(vector.nonce), binding.aad, message.payload);
    assert.equal(toHex(plaintext), vector.plaintext);
    assert.equal(toHex(encodeMessage({ ...original, ...message })), vector.protected);
  });

  test(`RFC 8613 ${vector.section}: response, client`, () => {
    const context = mirrorOf(vector.context);
    const sent = asRequest(decodeMessage(fromHex(requestVector.unprotected)));
    const binding: RequestBinding = protectRequest(sent, context, requestVector.senderSequenceNumber).binding;
    assert.equal(toHex(binding.aad), vector.aad);
    const message = decodeMessage(fromHex(vector.protected));
    const option = decodeOscoreOption(message.options.find(({ number }) => number === 9)!.value);
    assert.equal(option.partialIv && toHex(option.partialIv), vector.partialIv);
    assert.deepEqual([option.kid, option.kidContext], [undefined, undefined]);
    assert.equal(toHex(option.partialIv === undefined ? binding.nonce : context.recipient.nonce(option.partialIv)), vector.nonce);
    assert.equal(toHex(message.payload), vector.ciphertext);
    const received = unprotectResponse(message, context, binding);
    assert.equal(received.sequence, sequence);
    assert.equal(received.response.association, context);
    assert.equal(toHex(encodeBody(received.response)), toHex(encodeBody(decodeMessage(fromHex(vector.unprotected)))));
  });
}
