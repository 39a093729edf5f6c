import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { contextParameters, decodeInputMaterial } from '../../profiles/oscore/params.ts';
import { tokenParameters } from '../../src/ace/index.ts';
import { Code, decodeMessage, isRequest, type Message, Method, pathOf } from '../../src/coap/index.ts';
import { toHex } from '../../src/core/bytes.ts';
import { decode } from '../../src/core/cbor.ts';
import { openCwt } from '../../src/core/cwt.ts';
import { readKnownMap } from '../../src/core/known-map.ts';
import { loadClientConfig, loadRsConfig } from '../../src/operate/index.ts';
import { type ContextParameters, deriveContext, type SecurityContext } from '../../src/oscore/index.ts';
import { auditWire } from '../flows/wire-audit.ts';
import { Relay, type RelayedDatagram } from '../support/relay.ts';
import { scale } from '../support/scale.ts';
import { aceExits, Lab } from './lab.ts';

let lab: Lab | undefined;
let toAs: Relay;
let toRs: Relay;

/** All that the client sends goes through the relays: its configuration and the hints of the RS name the relay of the AS. */
async function throughRelays({ folder, asPort, rsPort }: Lab): Promise<void> {
  toAs = await Relay.open('AS', asPort);
  toRs = await Relay.open('RS', rsPort);
  for (const name of ['rs.yaml', 'client.yaml']) {
    const file = join(folder, name);
    const text = readFileSync(file, 'utf8');
    assert.ok(text.includes(`:${asPort}/token`), name);
    writeFileSync(file, text.replaceAll(`:${asPort}/token`, `:${toAs.port}/token`));
  }
}

before(async () => {
  lab = await Lab.start(throughRelays);
});
after(async () => {
  // First: where the lab does not start, they are open all the same, and would keep this process.
  toAs?.close();
  toRs?.close();
  await lab?.end();
});

/** Reads and writes in turn: they need different scopes, so runs change the rights of contexts that others use. */
function run({ folder, as, rs }: Lab, index: number): Promise<unknown> {
  const uri = `coap://127.0.0.1:${toRs.port}`;
  const words = index % 4 === 3 ? ['put', `${uri}/led`, '-d', `run ${index}`] : ['get', `${uri}/temperature`];
  // Without its servers each run would wait for the whole of its time.
  return Promise.race([aceExits(0, [...words, '--config', folder, '--timeout', '20'], { process: true }), as.death, rs.death]);
}

/** Uploads that made a context: what the client sent without protection to /authz-info, each with the answer to it. */
function uploads(wire: readonly RelayedDatagram[]): { readonly request: Message; readonly answer: Message }[] {
  const messages = wire.map(({ from, to, datagram }) => ({ from, to, message: decodeMessage(datagram) }));
  return messages.flatMap(({ from, message: request }) => {
    if (request.code !== Method.POST || pathOf(request.options).join('/') !== 'authz-info') return [];
    const answer = messages.find(({ to, message }) => to === from && !isRequest(message.code) && toHex(message.token) === toHex(request.token))?.message;
    return answer?.code === Code.Created ? [{ request, answer }] : [];
  });
}

/**
 * The contexts between client and RS, derived again from what passed the relay and the key that AS and RS share: an RS gives an identifier to one context after
 * the other, so kid and Partial IV alone do not tell which key a message was protected with. The audit attributes each message to the key that opens it.
 */
function contextsOf(wire: readonly RelayedDatagram[], folder: string): readonly SecurityContext[] {
  const keys = loadRsConfig(folder).issuers.flatMap(({ tokenKeys }) => tokenKeys);
  const contexts = new Map<string, SecurityContext>();
  for (const { request, answer } of uploads(wire)) {
    const sent = readKnownMap('upload', tokenParameters, decode(request.payload)).known;
    const received = readKnownMap('answer', tokenParameters, decode(answer.payload)).known;
    const material = decodeInputMaterial(openCwt(sent.accessToken!, keys).claims.cnf!.osc!);
    const context = deriveContext(
      contextParameters(material, {
        nonce1: sent.nonce1!,
        nonce2: received.nonce2!,
        senderId: received.aceServerRecipientId!,
        recipientId: sent.aceClientRecipientId!,
      }),
    );
    contexts.set(context.senderKeyId, context);
  }
  return [...contexts.values()];
}

/** Without what a message layer sent a second time: the same bytes from the same address, with the same Message ID. */
function once(wire: readonly RelayedDatagram[]): readonly RelayedDatagram[] {
  return [...new Map(wire.map((one) => [`${one.from} ${one.to} ${toHex(one.datagram)}`, one])).values()];
}

const runs = scale === 'full' ? 20 : 8;

test('RFC 8613 7.2: runs of the command line in parallel and in turn, over restarts of AS and RS, use no nonce twice', async (t) => {
  const { folder, as, rs } = lab!;
  await Promise.all(Array.from({ length: runs }, (_, index) => run(lab!, index)));
  await Promise.all([as.kill(), rs.stop()]);
  await Promise.all([as.start(), rs.start()]);
  for (let index = 0; index < runs; index++) await run(lab!, index);

  const credentials = loadClientConfig(folder).authorizationServers[0]!.credentials as ContextParameters;
  const atAs = auditWire(once(toAs.wire), [deriveContext(credentials)]);
  const atRs = auditWire(once(toRs.wire), contextsOf(toRs.wire, folder));
  t.diagnostic(`AS: ${JSON.stringify(atAs)}, RS: ${JSON.stringify(atRs)}`);
  // A number that is used again for the same request makes the same ciphertext: that, too, is a repetition.
  assert.deepEqual([atAs.repeated, atRs.repeated], [0, 0]);
  // Each run got at least one protected answer from the RS, and at least one of them a token.
  assert.ok(atRs.messages >= 2 * 2 * runs, `${atRs.messages} messages`);
  assert.ok(atAs.messages >= 2 && atAs.pairs > 0, `${atAs.messages} messages`);
});
