import assert from 'node:assert/strict';
import { createDecipheriv, hkdfSync } from 'node:crypto';
import { test } from 'node:test';
import { Code, findOption, Method, OptionNumber, pathOptions, Router } from '../../src/coap/index.ts';
import { fromHex, fromUtf8, toHex } from '../../src/core/bytes.ts';
import { deriveContext } from '../../src/oscore/index.ts';
import { Simulator } from '../support/simulator.ts';
import { auditRenewals, clientKey, oscoreMessages, parties, serverKey } from './renewal-support.ts';
import { mirrored, parameters } from './support.ts';

/** HKDF by hand (RFC 8613, Section 3.2.1): the info is an array of five, whose ID Context is a byte string of at most 255 bytes. */
function handKey(id: string, idContext: string, type: 'Key' | 'IV', length: number): Uint8Array {
  const bstr = (hex: string): string => {
    const size = hex.length / 2;
    return `${size < 24 ? (0x40 + size).toString(16) : `58${size.toString(16).padStart(2, '0')}`}${hex}`;
  };
  const typeText = type === 'Key' ? '634b6579' : '624956';
  const info = fromHex(`85${bstr(id)}${bstr(idContext)}0a${typeText}${length.toString(16).padStart(2, '0')}`);
  return new Uint8Array(hkdfSync('sha256', parameters.masterSecret, parameters.masterSalt!, info, length));
}

/**
 * Open what `sender` sealed with Partial IV 0 of `idOfPiv`, both of one byte, by hand: the plaintext in hexadecimal. The nonce is one of the context with
 * `idOfNonce`.
 */
function handOpen(ciphertext: Uint8Array, idContext: string, sender: string, idOfPiv: string, idOfNonce: string = idContext): string {
  const key = handKey(sender, idContext, 'Key', 16);
  const nonce = handKey('', idOfNonce, 'IV', 13);
  // RFC 8613 §5.2: the length of the ID, the ID in front of five bytes of Partial IV.
  nonce[0] = nonce[0]! ^ 1;
  nonce[7] = nonce[7]! ^ fromHex(idOfPiv)[0]!;
  // RFC 8613 §5.4: ['Encrypt0', '', bstr([1, [10], request_kid, request_piv, ''])]
  const aad = fromHex(`8368456e63727970743040498501810a41${idOfPiv}410040`);
  const decipher = createDecipheriv('aes-128-ccm', key, nonce, { authTagLength: 8 });
  decipher.setAuthTag(ciphertext.subarray(-8));
  decipher.setAAD(aad, { plaintextLength: ciphertext.length - 8 });
  const plaintext = decipher.update(ciphertext.subarray(0, -8));
  decipher.final();
  return plaintext.toString('hex');
}

test('RFC 8613 B.2: the exchange that the client begins, with each context derived by hand', async () => {
  const sim = new Simulator();
  const { client, server } = parties(sim);
  const response = await sim.finish(client.ask('hello'));
  assert.equal(response.code, Code.Changed);
  assert.equal(response.association, client.renewable);
  assert.equal(fromUtf8(response.payload), 'hello');
  assert.deepEqual(server.served, ['hello'], 'request #1 is not executed');

  const [request1, response1, request2, response2] = oscoreMessages(sim);
  // Step 1: R1 in a byte string of 8.
  const kidContext1 = toHex(request1!.option.kidContext!);
  assert.match(kidContext1, /^48[0-9a-f]{16}$/);
  const id1 = kidContext1.slice(2);
  assert.deepEqual([toHex(request1!.option.kid!), toHex(request1!.option.partialIv!)], ['c1', '00']);
  assert.equal(handOpen(request1!.message.payload, id1, 'c1', 'c1'), '02b172ff68656c6c6f', 'POST /r hello');
  // Step 2: R2 = S2 || HMAC, of 8 bytes each, and nothing else in the option; 4.01 without options. The nonce is that of request #1, Common IV and all.
  const kidContext2 = toHex(response1!.option.kidContext!);
  assert.match(kidContext2, /^50[0-9a-f]{32}$/);
  const r2 = kidContext2.slice(2);
  assert.deepEqual(Object.keys(response1!.option), ['kidContext']);
  assert.equal(handOpen(response1!.message.payload, `${r2}${id1}`, '51', 'c1', id1), '81');
  // Step 3: R2 || R3.
  const kidContext3 = toHex(request2!.option.kidContext!);
  assert.match(kidContext3, /^5818[0-9a-f]{48}$/);
  const id3 = kidContext3.slice(4);
  assert.equal(id3.slice(0, 32), r2);
  assert.notEqual(id3.slice(32), id1, 'R3 is not R1');
  assert.equal(handOpen(request2!.message.payload, id3, 'c1', 'c1'), '02b172ff68656c6c6f');
  // Step 4: the response is bound to request #2 and uses its nonce.
  assert.deepEqual(response2!.option, {});
  assert.equal(handOpen(response2!.message.payload, id3, '51', 'c1'), '44ff68656c6c6f');
  assert.equal(oscoreMessages(sim).length, 4);

  assert.deepEqual(client.renewals, ['client request-1', 'client request-2', 'client renewed']);
  assert.deepEqual(server.renewals, ['server response-1', 'server renewed']);
  for (const { contexts, renewable } of [client, server]) {
    assert.equal(contexts.size, 1, 'the first and the second context are gone');
    assert.equal(toHex(renewable.current!.idContext!), id3);
  }
});

test('RFC 8613 B.2: afterwards the kid context is the ID Context itself, and sequence numbers go on from request #2', async () => {
  const sim = new Simulator();
  const { client, server } = parties(sim);
  for (const text of ['a', 'b', 'c']) await sim.finish(client.ask(text));
  assert.deepEqual(server.served, ['a', 'b', 'c']);
  const later = oscoreMessages(sim).slice(4);
  assert.equal(later.length, 4, 'two exchanges');
  const id3 = toHex(client.renewable.current!.idContext!);
  assert.deepEqual(
    [later[0]!, later[2]!].map(({ option }) => [toHex(option.kidContext!), toHex(option.partialIv!)]),
    [
      [id3, '01'],
      [id3, '02'],
    ],
  );
  // The store was asked for the third keys only: the first protect one message that nobody repeats.
  assert.deepEqual([...client.store.counters.keys()], [client.renewable.current!.senderKeyId]);
  assert.equal(server.store.counters.size, 0, 'responses with the nonce of their request take no number');
});

for (const [name, idContext] of [
  ['without ID Context', undefined],
  ['with an ID Context', fromHex('37cbf3210017a2d3')],
  ['with an ID Context that looks like a byte string', fromHex('4801020304050607aa')],
] as const) {
  test(`RFC 8613 B.2: the exchange that the server begins, which lost the context in use, ${name}`, async () => {
    const sim = new Simulator();
    const input = idContext === undefined ? parameters : { ...parameters, idContext };
    const { client, server } = parties(sim, { current: deriveContext(input) }, { current: deriveContext(mirrored(input)) });
    await sim.finish(client.ask('before'));
    const old = client.renewable.current!;
    server.restart();
    const response = await sim.finish(client.ask('after'));
    assert.equal(fromUtf8(response.payload), 'after');
    assert.deepEqual(server.served, ['before', 'after']);
    const [request1, response1, request2] = oscoreMessages(sim).slice(2);
    const sent = request1!.option.kidContext;
    assert.equal(sent === undefined ? undefined : toHex(sent), idContext === undefined ? undefined : toHex(idContext), 'an ordinary request');
    assert.match(toHex(response1!.option.kidContext!), /^50/);
    assert.equal(toHex(request2!.option.kidContext!).slice(4, 36), toHex(response1!.option.kidContext!).slice(2));
    assert.deepEqual(client.renewals, ['client request-2', 'client renewed']);
    assert.equal(client.contexts.has(old), false);
    assert.equal(client.contexts.size, 1);
    assert.equal(server.contexts.size, 1);
    auditRenewals(sim, parameters);
  });
}

test('RFC 8613 B.2: renew() replaces the context in use with the next request', async () => {
  const sim = new Simulator();
  const { client, server } = parties(sim);
  await sim.finish(client.ask('one'));
  const first = client.renewable.current!;
  client.renewable.renew();
  await sim.finish(client.ask('two'));
  assert.notEqual(client.renewable.current, first);
  assert.equal(client.contexts.has(first), false);
  assert.equal(server.contexts.size, 1);
  assert.deepEqual(server.served, ['one', 'two']);
  assert.equal(client.renewals.filter((each) => each === 'client renewed').length, 2);
  auditRenewals(sim, parameters);
});

test('RFC 8613 B.2: a block-wise transfer both ways is the first that a client without context does', async () => {
  const sim = new Simulator();
  const { client, server } = parties(sim);
  const large = 'x'.repeat(5000);
  const response = await sim.finish(client.ask(large));
  assert.equal(fromUtf8(response.payload), large);
  assert.deepEqual(server.served, [large]);
  assert.deepEqual(client.renewals, ['client request-1', 'client request-2', 'client renewed']);
  auditRenewals(sim, parameters);
});

test('RFC 8613 B.2: a registration is request #1 and request #2, and notifications follow under the third context', async () => {
  const sim = new Simulator();
  const { client, server } = parties(sim);
  const router = new Router();
  let value = 0;
  const clock = router.resource('/clock', { observable: true, get: () => `${value}` });
  server.handler = router.handler;
  const observation = client.endpoint.observe({ options: pathOptions(['clock']), peer: sim.peer('10.0.0.1', 5683), association: client.renewable });
  const next = async (): Promise<string> => fromUtf8((await sim.finish(observation.next())).value!.payload);
  assert.equal(await next(), '0');
  for (value = 1; value < 4; value++) {
    clock.changed();
    assert.equal(await next(), `${value}`);
  }
  const oscore = oscoreMessages(sim).filter(({ from }) => from === clientKey);
  assert.equal(toHex(oscore[0]!.message.token), toHex(oscore[1]!.message.token), 'the token of the observation');
  await observation.return?.();
  await sim.run();
  assert.equal(clock.observers, 0);
  auditRenewals(sim, parameters);
});

test('RFC 8613 B.2 and B.1: an owner that kept the ID Context starts again with it, counts on, and restores the window by Echo', async () => {
  const sim = new Simulator();
  const { client, server } = parties(sim);
  for (const text of ['1', '2']) await sim.finish(client.ask(text));
  const [kept] = server.events.flatMap((event) => (event.type === 'renewed' ? [event.context.idContext!] : []));
  client.restart({ current: deriveContext({ ...parameters, idContext: kept! }) });
  server.restart({ current: deriveContext({ ...mirrored(parameters), idContext: kept! }, { window: 'unverified' }) });
  const challenge = await sim.finish(client.ask('3'));
  assert.equal(challenge.code, Code.Unauthorized);
  assert.equal(challenge.association, client.renewable);
  const echo = findOption(challenge.options, OptionNumber.Echo)!;
  assert.equal((await sim.finish(client.ask('4', serverKey, Method.POST, [echo]))).code, Code.Changed);
  assert.deepEqual(server.served, ['1', '2', '4']);
  assert.deepEqual(client.renewals.length, 3, 'the one run of before');
  auditRenewals(sim, parameters);
});

test('RFC 8613 B.2: requests that wait for the procedure go out in their order', async () => {
  const sim = new Simulator();
  const { client, server } = parties(sim);
  const texts = Array.from({ length: 20 }, (_, i) => `request ${i}`);
  const responses = await sim.finish(Promise.all(texts.map((text) => client.ask(text))));
  assert.deepEqual(
    responses.map(({ payload }) => fromUtf8(payload)),
    texts,
  );
  assert.deepEqual(server.served, texts);
  assert.deepEqual(client.renewals, ['client request-1', 'client request-2', 'client renewed']);
  assert.equal(client.layer.stats()['renewing'], 0);
});

test('RFC 8613 B.2: a server that lost the context while many requests were on their way is renewed once', async () => {
  const sim = new Simulator();
  const { client, server } = parties(sim);
  await sim.finish(client.ask('first'));
  server.restart();
  const texts = Array.from({ length: 8 }, (_, i) => `request ${i}`);
  await sim.finish(Promise.all(texts.map((text) => client.ask(text))));
  assert.deepEqual(server.served.slice(1).sort(), texts);
  assert.equal(client.renewals.filter((each) => each === 'client renewed').length, 2);
  assert.equal(server.contexts.size, 1);
  auditRenewals(sim, parameters);
});

test('RFC 8613 B.2: two endpoints that begin at once, each in the role of client, both come to an end', async () => {
  for (let seed = 1; seed <= 30; seed++) {
    const sim = new Simulator({ seed, delay: [5, 60] });
    const { client, server } = parties(sim);
    const both = (text: string) => sim.finish(Promise.all([client.ask(`${text} there`), server.ask(`${text} back`, '10.0.0.2:5683')]));
    await both('1');
    const before = client.renewals.length + server.renewals.length;
    for (const text of ['2', '3', '4']) await both(text);
    assert.equal(client.renewals.length + server.renewals.length, before, 'it converges at once');
    assert.deepEqual([client.served.length, server.served.length], [4, 4]);
    assert.ok(client.contexts.size <= 2 && server.contexts.size <= 2);
    auditRenewals(sim, parameters);
  }
});

test('a context that is not renewable behaves as before: an unknown kid context is refused, and so is a lost context', async () => {
  const sim = new Simulator();
  const { client, server } = parties(sim);
  server.contexts.removeRenewable(server.renewable);
  const response = await sim.finish(client.ask('x', undefined, Method.GET));
  assert.deepEqual([response.code, fromUtf8(response.payload), response.association], [Code.Unauthorized, 'Security context not found', undefined]);
  assert.equal(oscoreMessages(sim).length, 1);
  assert.deepEqual(client.renewals, ['client request-1', 'failed ERR_OSCORE_RENEWAL']);
  assert.deepEqual(server.served, []);
});
