import assert from 'node:assert/strict';
import { decodeMessage, encodeBody, encodeMessage, findOption, isRequest, type Message, OptionNumber, type Request } from '../../../../src/coap/index.ts';
import { fromHex, toHex } from '../../../../src/core/bytes.ts';
import {
  checkParameters,
  composeAad,
  composeInfo,
  decodeOscoreOption,
  deriveContext,
  deriveKeys,
  protectRequest,
  protectResponse,
  ReplayWindow,
  type SecurityContext,
  unprotectRequest,
  unprotectResponse,
} from '../../../../src/oscore/index.ts';
import { fixture } from '../../../support/fixtures.ts';
import { inLab, type Rows, serverAddress } from './lab.ts';

interface Derivation {
  readonly section: string;
  readonly masterSecret: string;
  readonly masterSalt?: string;
  readonly senderId: string;
  readonly recipientId: string;
  readonly idContext?: string;
  readonly infoSenderKey: string;
  readonly senderKey: string;
  readonly recipientKey: string;
  readonly commonIv: string;
  readonly senderNonce: string;
}

interface Vector {
  readonly context: string;
  readonly unprotected: string;
  readonly senderSequenceNumber: number;
  readonly partialIv?: string;
  readonly kid?: string;
  readonly aad: string;
  readonly nonce: string;
  readonly optionValue: string;
  readonly protected: string;
}

const vectors = fixture<{ readonly derivations: readonly Derivation[]; readonly messages: readonly Vector[] }>('oscore/rfc8613-appendix-c.json');
const peer = { key: '192.0.2.1:5683', address: '192.0.2.1', port: 5683 };

function parametersOf({ masterSecret, masterSalt, senderId, recipientId, idContext }: Derivation): Parameters<typeof deriveContext>[0] {
  return {
    masterSecret: fromHex(masterSecret),
    senderId: fromHex(senderId),
    recipientId: fromHex(recipientId),
    ...(masterSalt === undefined ? {} : { masterSalt: fromHex(masterSalt) }),
    ...(idContext === undefined ? {} : { idContext: fromHex(idContext) }),
  };
}

/** The context of one side; C.1.1 and C.1.2 are the two sides of one. */
function contextOf(section: string): SecurityContext {
  return deriveContext(parametersOf(vectors.derivations.find((derivation) => derivation.section === section)!));
}

const otherSide = (section: string): string => (section.endsWith('1') ? section.replace(/1$/, '2') : section.replace(/2$/, '1'));
const asRequest = (message: Message): Request => ({ ...message, peer });
const body = (message: Pick<Message, 'code' | 'options' | 'payload'>): string => toHex(encodeBody(message));

/** RFC 8613, C.1 to C.3. */
function checkDerivations(): void {
  for (const vector of vectors.derivations) {
    const parameters = parametersOf(vector);
    const checked = checkParameters(parameters);
    // Section 3.2: what is derived where nothing else is said.
    assert.deepEqual([checked.aead, checked.hash, checked.replayWindow], [10, 'sha256', 32]);
    assert.equal(toHex(composeInfo(parameters.senderId, parameters.idContext, 10, 'Key', 16)), vector.infoSenderKey);
    const keys = deriveKeys(checked);
    assert.deepEqual([keys.senderKey, keys.recipientKey, keys.commonIv].map(toHex), [vector.senderKey, vector.recipientKey, vector.commonIv], vector.section);
    assert.equal(toHex(deriveContext(parameters).sender.nonce(Uint8Array.of(0))), vector.senderNonce);
  }
}

/** RFC 8613, C.4 to C.6. */
function checkRequest(vector: Vector): void {
  const { message, binding } = protectRequest(asRequest(decodeMessage(fromHex(vector.unprotected))), contextOf(vector.context), vector.senderSequenceNumber);
  assert.equal(toHex(composeAad(10, fromHex(vector.kid!), fromHex(vector.partialIv!))), vector.aad);
  assert.deepEqual([toHex(binding.aad), toHex(binding.nonce)], [vector.aad, vector.nonce]);
  assert.equal(toHex(encodeMessage({ ...decodeMessage(fromHex(vector.unprotected)), ...message })), vector.protected);
  const received = asRequest(decodeMessage(fromHex(vector.protected)));
  const { request, sequence } = unprotectRequest(received, decodeOscoreOption(fromHex(vector.optionValue)), contextOf(otherSide(vector.context)));
  assert.equal(sequence, vector.senderSequenceNumber);
  assert.equal(body(request), body(decodeMessage(fromHex(vector.unprotected))));
}

/** RFC 8613, C.7 and C.8, which answer C.4. */
function checkResponse(vector: Vector): void {
  const asked = vectors.messages[0]!;
  const sequence = vector.partialIv === undefined ? undefined : vector.senderSequenceNumber;
  const atServer = contextOf(vector.context);
  const { binding } = unprotectRequest(asRequest(decodeMessage(fromHex(asked.protected))), decodeOscoreOption(fromHex(asked.optionValue)), atServer);
  const original = decodeMessage(fromHex(vector.unprotected));
  assert.equal(toHex(encodeMessage({ ...original, ...protectResponse(original, atServer, binding, sequence) })), vector.protected);
  const atClient = contextOf(otherSide(vector.context));
  const sent = protectRequest(asRequest(decodeMessage(fromHex(asked.unprotected))), atClient, asked.senderSequenceNumber);
  assert.equal(body(unprotectResponse(decodeMessage(fromHex(vector.protected)), atClient, sent.binding).response), body(original));
}

/** RFC 8613, Sections 3.2.2 and 7.4. */
function checkWindow(): void {
  const window = new ReplayWindow(32);
  window.commit(100);
  assert.deepEqual(
    [100, 69, 68, 101].map((sequence) => window.accepts(sequence)),
    [false, true, false, true],
  );
  window.commit(69);
  assert.equal(window.accepts(69), false);
}

/** RFC 8613, Appendix B.1.1: the numbers of a sender go on after it was started anew, in whatever state it was stopped. */
async function checkSequences(): Promise<void> {
  await inLab({}, async (lab) => {
    await lab.fetch('/note');
    await lab.fetch('/note');
    await lab.restartSimC();
    await lab.fetch('/note');
    const seen = new Map<string, number>();
    for (const { to, datagram } of lab.simulator.wire) {
      const { code, options } = decodeMessage(datagram);
      const option = findOption(options, OptionNumber.Oscore);
      if (to !== serverAddress || !isRequest(code) || option === undefined) continue;
      const { kid, partialIv } = decodeOscoreOption(option.value);
      const number = Number(`0x${toHex(partialIv!)}`);
      const before = seen.get(toHex(kid!)) ?? -1;
      assert.ok(number > before, `expected a sequence number above ${before}, got ${number}`);
      seen.set(toHex(kid!), number);
    }
    assert.equal(seen.size, 1, 'the context outlives the process');
  });
}

/** What RFC 8613 makes mandatory to implement. */
export const rows: Rows = {
  'R-020': async () => {
    checkDerivations();
    for (const vector of vectors.messages.slice(0, 3)) checkRequest(vector);
    for (const vector of vectors.messages.slice(3)) checkResponse(vector);
    checkWindow();
    await checkSequences();
  },
};
