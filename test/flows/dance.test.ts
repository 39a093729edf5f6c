import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AceError, aifMethods, decodeHints, encodeAif, encodeHints, tokenParameters } from '../../src/ace/index.ts';
import {
  Code,
  ContentFormat,
  decodeMessage,
  Endpoint,
  findOption,
  formatCode,
  isRequest,
  type Message,
  Method,
  OptionNumber,
  opaqueOption,
  pathOf,
  pathOptions,
  uintOf,
  uintOption,
} from '../../src/coap/index.ts';
import { fromHex, utf8 } from '../../src/core/bytes.ts';
import { decode, encode } from '../../src/core/cbor.ts';
import { symmetricKey } from '../../src/core/cwt.ts';
import { readKnownMap, writeKnownMap } from '../../src/core/known-map.ts';
import { SeededRandom } from '../support/random.ts';
import { Simulator } from '../support/simulator.ts';
import { asAddress, asUri, clientKeyAtAs, Parties, type PartiesOptions, rsAddress, rsUri, tokenKey } from './parties.ts';
import { auditWire } from './wire-audit.ts';

const start = (options: PartiesOptions = {}): Promise<Parties> => new Parties(new Simulator({ seed: 1 }), options).start();

const isProtected = (message: Message): boolean => findOption(message.options, OptionNumber.Oscore) !== undefined;

/** What passed between two addresses since a place in the recording: `GET 4.01`, and `POST*` or `2.04*` for what OSCORE protects. */
function summary(parties: Parties, other: string, since = 0): string[] {
  return parties.simulator.wire
    .slice(since)
    .filter(({ from, to }) => from === other || to === other)
    .map(({ datagram }) => decodeMessage(datagram))
    .map((message) => {
      const code = isRequest(message.code) ? `${Object.keys(Method)[message.code - 1]} /${pathOf(message.options).join('/')}` : formatCode(message.code);
      return isProtected(message) ? `${code}*` : code;
    });
}

/** Everything that is recorded must also keep the first rule of the AEAD. */
async function end(parties: Parties): Promise<void> {
  auditWire(parties.simulator.wire, parties.contexts.values());
  assert.deepEqual(parties.faults(), []);
  await parties.close();
}

const refusedBy = (code: string, responseCode?: number): ((error: unknown) => boolean) => {
  return (error) => error instanceof AceError && error.code === code && (responseCode === undefined || error.responseCode === responseCode);
};

test('RFC 9200 4, RFC 9203 2: hints, token, upload, protected request', async () => {
  const parties = await start();
  const response = await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  assert.equal(response.codeText, '2.05');
  assert.equal(response.text(), '21.5');
  assert.equal(response.protected, true);
  assert.deepEqual(parties.steps(), ['probe', 'hints', 'token-request', 'token-response', 'upload', 'context', 'request', 'response']);
  assert.deepEqual(summary(parties, rsAddress), ['GET /temperature', '4.01', 'POST /authz-info', '2.01', 'POST /*', '2.04*']);
  // Before that the client shows the AS a challenge, and the AS the client (RFC 8613 B.1.2): neither knows whether it received such a request before.
  assert.ok(
    summary(parties, asAddress).every((line) => line.endsWith('*')),
    'nothing passes unprotected between client and AS',
  );
  assert.deepEqual(Object.fromEntries(parties.handled), { 'GET /temperature': 1 });
  await end(parties);
});

test('RFC 9200 5.3: an unauthorized request gets 4.01 with AS, audience and the scope that it needs', async () => {
  const parties = await start();
  await parties.finish(parties.client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'on' }));
  const refusal = parties.simulator.wire.map(({ datagram }) => decodeMessage(datagram)).find(({ code }) => code === Code.Unauthorized)!;
  assert.equal(uintOf(refusal.options, OptionNumber.ContentFormat), ContentFormat.AceCbor);
  assert.deepEqual(decodeHints(refusal.payload), { as: asUri, audience: 'rs1', scope: 'w_led' });
  const probe = decodeMessage(parties.simulator.wire[0]!.datagram);
  assert.equal(probe.payload.length, 0, 'the payload does not travel in the clear');
  assert.deepEqual(parties.written, ['on']);
  await end(parties);
});

test('RFC 9203 4.1, 4.2: what the upload and its answer carry', async () => {
  const parties = await start();
  await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  const messages = parties.simulator.wire.map(({ datagram }) => decodeMessage(datagram));
  const at = messages.findIndex(({ options }) => pathOf(options)[0] === 'authz-info');
  const upload = readKnownMap('upload', tokenParameters, decode(messages[at]!.payload)).known;
  const answer = readKnownMap('answer', tokenParameters, decode(messages[at + 1]!.payload)).known;
  assert.equal(upload.nonce1?.length, 8);
  assert.equal(answer.nonce2?.length, 8);
  assert.notDeepEqual(upload.nonce1, answer.nonce2);
  assert.notDeepEqual(upload.aceClientRecipientId, answer.aceServerRecipientId);
  // RFC 9203 4.1: the identifier that a party chose is its Recipient ID, so the kid of the other's messages.
  const get = messages[at + 2]!;
  assert.ok(findOption(get.options, OptionNumber.Oscore)!.value.join().endsWith(answer.aceServerRecipientId!.join()));
  await end(parties);
});

test('RFC 9200 5.10.2: outside the scope: 4.05 for the method, 4.03 for the path', async () => {
  const parties = await start();
  const { client } = parties;
  const init = { scope: 'r_led', upgrade: false } as const;
  assert.equal((await parties.finish(client.fetch(`${rsUri}/led`, init))).codeText, '2.05');
  const put = await parties.finish(client.fetch(`${rsUri}/led`, { ...init, method: 'PUT', payload: 'on' }));
  assert.equal(put.codeText, '4.05');
  assert.equal(put.protected, true);
  assert.deepEqual(decodeHints(put.payload), { as: asUri, audience: 'rs1', scope: 'w_led' });
  const other = await parties.finish(client.fetch(`${rsUri}/temperature`, init));
  assert.equal(other.codeText, '4.03');
  assert.equal(other.protected, true);
  // What does not exist looks like what is not permitted.
  assert.equal((await parties.finish(client.fetch(`${rsUri}/nothing`, init))).codeText, '4.03');
  assert.deepEqual(Object.fromEntries(parties.handled), { 'GET /led': 1 });
  assert.deepEqual(parties.written, []);
  await end(parties);
});

test('RFC 9203 4.2: an update of access rights over the living context, then the request passes', async () => {
  const parties = await start();
  const { client } = parties;
  await parties.finish(client.fetch(`${rsUri}/led`));
  parties.steps();
  const contexts = parties.contexts.size;
  const since = parties.simulator.wire.length;
  const put = await parties.finish(client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'on' }));
  assert.equal(put.codeText, '2.04');
  assert.deepEqual(parties.written, ['on']);
  assert.deepEqual(parties.steps(), ['request', 'response', 'token-request', 'token-response', 'update', 'request', 'response']);
  assert.equal(parties.contexts.size, contexts, 'the context is the same');
  assert.deepEqual(summary(parties, rsAddress, since), ['POST /*', '2.04*', 'POST /*', '2.04*', 'POST /*', '2.04*']);
  assert.ok(parties.asEvents.some((event) => event.type === 'token-issued' && event.update && event.scope === 'r_led w_led'));
  assert.ok(parties.rsEvents.some((event) => event.type === 'token-accepted' && event.update));
  assert.equal(parties.rs.stats()['tokens'], 1);
  assert.equal((await parties.finish(client.fetch(`${rsUri}/led`))).text(), 'on');
  await end(parties);
});

test('RFC 9200 5.8.3: more rights than the AS grants: the refusal of the RS stands', async () => {
  const parties = await start({ scopes: ['r_led'] });
  const put = await parties.finish(parties.client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'on', scope: 'r_led' }));
  assert.equal(put.codeText, '4.05');
  await assert.rejects(parties.finish(parties.client.fetch(`${rsUri}/temperature`)), refusedBy('ERR_ACE_REFUSED', Code.BadRequest));
  assert.deepEqual(parties.written, []);
  await end(parties);
});

test('RFC 7641 over RFC 8613: an observation, its notifications, and its end by the client', async () => {
  const parties = await start();
  const stream = parties.client.observe(`${rsUri}/temperature`);
  const seen: string[] = [];
  for (const value of ['21.5', '22.0', '22.5', '23.0']) {
    if (value !== '21.5') {
      parties.temperature.value = value;
      parties.temperature.changed();
    }
    seen.push((await parties.finish(stream.next())).value!.text());
    await parties.simulator.sleep(5000);
  }
  assert.deepEqual(seen, ['21.5', '22.0', '22.5', '23.0']);
  assert.equal(parties.rs.stats()['observers'], 1);
  await parties.finish(stream.return());
  await parties.simulator.sleep(1000);
  assert.equal(parties.rs.stats()['observers'], 0);
  assert.equal(parties.rs.stats()['lasting'], 0);
  await end(parties);
});

test('RFC 7641 3.3.1 over RFC 8613: a notification that crosses a renewal, and verifies with neither, does not end the observation in silence', async () => {
  const parties = await start();
  const { simulator } = parties;
  const stream = parties.client.observe(`${rsUri}/temperature`);
  await parties.finish(stream.next());
  const change = (value: string): void => {
    parties.temperature.value = value;
    parties.temperature.changed();
  };
  let renewals = 0;
  simulator.filter = ({ to, datagram }) => {
    const renews = to === rsAddress && findOption(decodeMessage(datagram).options, OptionNumber.Observe) !== undefined;
    if (renews && renewals++ === 0) change('22');
    return true;
  };
  assert.equal((await parties.finish(stream.next(), 100_000)).value!.text(), '22');
  for (const value of ['23', '24']) {
    change(value);
    assert.equal((await parties.finish(stream.next(), 1000)).value!.text(), value);
  }
  assert.equal(renewals, 1);
  await parties.finish(stream.return());
  await end(parties);
});

test('RFC 9200 5.10.3: an observation ends with 4.01 when its token does', async () => {
  const parties = await start({ tokenLifetime: 100 });
  const stream = parties.client.observe(`${rsUri}/temperature`);
  assert.equal((await parties.finish(stream.next())).value!.text(), '21.5');
  const since = parties.simulator.wire.length;
  // RFC 7641 3.3.1: what is no longer fresh is asked for again.
  assert.equal((await parties.finish(stream.next())).value!.text(), '21.5');
  await assert.rejects(parties.finish(stream.next(), 200_000), refusedBy('ERR_ACE_TOKEN_ENDED'));
  assert.ok(parties.simulator.now >= 99_000 && parties.simulator.now <= 102_000, String(parties.simulator.now));
  assert.equal(parties.rs.stats()['observers'], 0);
  assert.equal(parties.rs.stats()['tokens'], 0);
  assert.ok(summary(parties, rsAddress, since).includes('4.01'));
  await end(parties);
});

test('RFC 9200 5.10.3: a request after the token expired gets 4.01, and no handler hears of it', async () => {
  // A client whose clock stands still does not know that its token has ended.
  const sim = new Simulator({ seed: 2 });
  const frozen = { ...sim.env('frozen'), epoch: () => 1_700_000_000 };
  const parties = await new Parties(sim, { tokenLifetime: 100, client: { env: frozen } }).start();
  await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  await sim.sleep(101_000);
  const since = sim.wire.length;
  const response = await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  assert.deepEqual(summary(parties, rsAddress, since).slice(0, 2), ['POST /*', '4.01'], 'the context went with the token');
  assert.equal(response.codeText, '2.05', 'the client asks for another token');
  assert.equal(parties.handled.get('GET /temperature'), 2);
  await end(parties);
});

test('RFC 9200 4: a client that sees its token expire gets another before it asks', async () => {
  const parties = await start({ tokenLifetime: 100, client: { renewal: 0 } });
  await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  await parties.simulator.sleep(101_000);
  assert.equal(parties.client.stats()['sessions'], 0);
  parties.steps();
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/temperature`))).codeText, '2.05');
  assert.deepEqual(parties.steps(), ['probe', 'hints', 'token-request', 'token-response', 'upload', 'context', 'request', 'response']);
  await end(parties);
});

test('RFC 9203 4.2: a token near its end is renewed over the living context', async () => {
  const parties = await start({ tokenLifetime: 300 });
  await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  await parties.simulator.sleep(280_000);
  parties.steps();
  const contexts = parties.contexts.size;
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/temperature`))).codeText, '2.05');
  assert.deepEqual(parties.steps(), ['token-request', 'token-response', 'update', 'request', 'response']);
  await parties.simulator.sleep(100_000);
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/temperature`))).codeText, '2.05', 'after the end of the first token');
  assert.equal(parties.contexts.size, contexts);
  await end(parties);
});

test('RFC 9200 5.9: the RS asks the AS about a token, over its own channel', async () => {
  const parties = await start({ tokenLifetime: 100 });
  const token = await parties.finish(parties.client.token({ audience: 'rs1', scope: 'r_temp' }));
  const introspector = parties.startIntrospector();
  const active = await parties.finish(introspector.introspect(token.accessToken));
  assert.equal(active.active, true);
  assert.deepEqual([active.aud, active.scope, active.clientId], ['rs1', 'r_temp', 'client1']);
  // RFC 9201 5: the RS must learn the key.
  assert.deepEqual(active.cnf?.osc?.get(2), token.cnf?.osc?.get(2));
  const asked = await parties.finish(parties.client.introspect(token.accessToken));
  assert.equal(asked.active, true);
  assert.equal(asked.cnf, undefined, 'the client does not get the key again');
  const altered = token.accessToken.slice();
  altered[altered.length - 1]! ^= 1;
  assert.deepEqual(await parties.finish(introspector.introspect(altered)), { active: false });
  await parties.simulator.sleep(101_000);
  assert.deepEqual(await parties.finish(introspector.introspect(token.accessToken)), { active: false });
  await introspector.close();
  await end(parties);
});

test('RFC 9237: scopes of bytes from the hint to the decision, and an update', async () => {
  const granted = [
    ['temperature', aifMethods(['GET'])],
    ['led', aifMethods(['GET', 'PUT'])],
  ] as const;
  const parties = await start({ aif: true, scopes: [granted] });
  const { client } = parties;
  const response = await parties.finish(client.fetch(`${rsUri}/temperature`));
  assert.equal(response.text(), '21.5');
  const refusal = parties.simulator.wire.map(({ datagram }) => decodeMessage(datagram)).find(({ code }) => code === Code.Unauthorized)!;
  assert.deepEqual(decodeHints(refusal.payload).scope, encodeAif([['/temperature', 1]]));
  assert.equal((await parties.finish(client.fetch(`${rsUri}/led`, { upgrade: false }))).codeText, '4.03');
  assert.equal((await parties.finish(client.fetch(`${rsUri}/led`))).codeText, '2.05');
  assert.equal((await parties.finish(client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'on', upgrade: false }))).codeText, '4.05');
  assert.equal((await parties.finish(client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'on' }))).codeText, '2.04');
  assert.equal((await parties.finish(client.fetch(`${rsUri}/temperature`))).codeText, '2.05', 'the rights from before are still there');
  await assert.rejects(parties.finish(client.fetch(`${rsUri}/log`, { method: 'POST', scope: encodeAif([['/log', 2]]) })), refusedBy('ERR_ACE_REFUSED'));
  await end(parties);
});

test('RFC 9200 5.3.1: an RS that needs a cnonce gets tokens that carry its own', async () => {
  const parties = await start({ cnonce: true });
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/led`))).codeText, '2.05');
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'on' }))).codeText, '2.04');
  // A token that nobody asked for after a hint is of no use.
  const token = await parties.finish(parties.client.token({ audience: 'rs1', scope: 'r_led' }));
  const stranger = new Endpoint({ transport: parties.simulator.transport('10.0.0.9', 5683), env: parties.simulator.env('stranger') });
  const payload = encode(
    writeKnownMap(tokenParameters, { accessToken: token.accessToken, nonce1: fromHex('0102030405060708'), aceClientRecipientId: Uint8Array.of(9) }),
  );
  const options = [...pathOptions(['authz-info']), uintOption(OptionNumber.ContentFormat, ContentFormat.AceCbor)];
  const answer = await parties.finish(stranger.request({ code: Method.POST, options, payload, peer: parties.simulator.peer('10.0.0.2', 5683) }));
  assert.equal(formatCode(answer.code), '4.01');
  await stranger.close();
  await end(parties);
});

test('RFC 9200 6.4: a hint that names an AS which is not on the list is refused, and nothing is sent there', async () => {
  const parties = await start({ rs: { issuers: [{ uri: 'coap://10.0.0.66/token', tokenKeys: [tokenKey] }] } });
  await assert.rejects(parties.finish(parties.client.fetch(`${rsUri}/temperature`)), refusedBy('ERR_ACE_AS_NOT_ALLOWED'));
  assert.deepEqual(summary(parties, rsAddress), ['GET /temperature', '4.01']);
  assert.equal(parties.simulator.wire.length, 2);
  await end(parties);
});

test('RFC 9203 4.3: an RS that chooses the identifier of the client: the client stops', async () => {
  const parties = await start();
  const hints = {
    code: Code.Unauthorized,
    options: [uintOption(OptionNumber.ContentFormat, ContentFormat.AceCbor)],
    payload: encodeHints({ as: asUri, audience: 'rs1' }),
  };
  const requests: string[] = [];
  const mirror = new Endpoint({
    transport: parties.simulator.transport('10.0.0.4', 5683),
    env: parties.simulator.env('mirror'),
    handler: (request, reply) => {
      const path = pathOf(request.options).join('/');
      requests.push(path);
      if (path !== 'authz-info') reply.respond(hints);
      else {
        const { nonce1, aceClientRecipientId } = readKnownMap('upload', tokenParameters, decode(request.payload)).known;
        const payload = encode(writeKnownMap(tokenParameters, { nonce2: nonce1!.map((byte) => byte ^ 1), aceServerRecipientId: aceClientRecipientId! }));
        reply.respond({ ...hints, code: Code.Created, payload });
      }
    },
  });
  await assert.rejects(parties.finish(parties.client.fetch('coap://10.0.0.4/temperature')), refusedBy('ERR_ACE_SAME_ID'));
  assert.deepEqual(requests, ['temperature', 'authz-info'], 'nothing is protected with such keys');
  assert.equal(parties.client.stats()['sessions'], 0);
  await mirror.close();
  await end(parties);
});

test('RFC 9200 5.10.1.1: a token for another audience: 4.03', async () => {
  const resourceServers = ['rs1', 'rs2'].map((id) => ({ id, audiences: [id], tokenKeys: [tokenKey] }));
  const grants = ['rs1', 'rs2'].map((audience) => ({ audience, scope: 'r_temp' }));
  const parties = await start({ as: { resourceServers, clients: [{ id: 'client1', credentials: clientKeyAtAs(1), grants }] } });
  await assert.rejects(parties.finish(parties.client.fetch(`${rsUri}/temperature`, { audience: 'rs2' })), refusedBy('ERR_ACE_UPLOAD', Code.Forbidden));
  assert.equal(parties.rs.stats()['tokens'], 0);
  await end(parties);
});

test('RFC 9200 5.10.1.1: a token under the key of another AS: 4.01', async () => {
  const other = symmetricKey('AES-CCM-16-64-128', new Uint8Array(16).fill(0xff));
  const parties = await start({ rs: { issuers: [{ uri: asUri, tokenKeys: [other] }] } });
  await assert.rejects(parties.finish(parties.client.fetch(`${rsUri}/temperature`)), refusedBy('ERR_ACE_UPLOAD', Code.Unauthorized));
  assert.equal(parties.rs.stats()['tokens'], 0);
  assert.deepEqual(Object.fromEntries(parties.handled), {});
  await end(parties);
});

test('RFC 9203 4.3: an RS that let the context go gets the token again, once, and the request is carried out once', async () => {
  const parties = await start({ clients: 2, rs: { limits: { tokens: 1 } } });
  const [first, second] = parties.clients;
  await parties.finish(first!.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'first' }));
  await parties.simulator.sleep(1000);
  await parties.finish(second!.fetch(`${rsUri}/temperature`));
  assert.ok(parties.rsEvents.some((event) => event.type === 'token-ended' && event.reason === 'evicted'));
  parties.steps();
  const since = parties.simulator.wire.length;
  assert.equal((await parties.finish(first!.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'again' }))).codeText, '2.04');
  assert.deepEqual(parties.steps(), ['request', 'response', 'forgotten', 'upload', 'context', 'request', 'response']);
  assert.deepEqual(summary(parties, rsAddress, since), ['POST /*', '4.01', 'POST /authz-info', '2.01', 'POST /*', '2.04*']);
  assert.deepEqual(parties.written, ['first', 'again']);
  await end(parties);
});

test('RFC 7959 over RFC 8613: large payloads go block-wise in both directions, each block protected', async () => {
  const parties = await start();
  const { client } = parties;
  const body = new SeededRandom('body').bytes(7321);
  const since = (): number => parties.simulator.wire.length;
  const got = await parties.finish(client.fetch(`${rsUri}/large`));
  assert.deepEqual(got.payload, new SeededRandom('large').bytes(5000));
  const before = since();
  const put = await parties.finish(client.fetch(`${rsUri}/large`, { method: 'PUT', payload: body }));
  assert.equal(put.codeText, '2.04');
  assert.deepEqual(parties.large, body);
  const passed = summary(parties, rsAddress, before);
  assert.ok(passed.length >= 16 && passed.every((line) => line.endsWith('*')), passed.join());
  assert.ok(parties.simulator.wire.every(({ datagram }) => datagram.length < 1280));
  assert.equal(parties.handled.get('PUT /large'), 1);
  assert.deepEqual((await parties.finish(client.fetch(`${rsUri}/large`))).payload, body);
  await end(parties);
});

test('RFC 9200 6: a large upload without a token is refused on its first block, and nothing of it is kept', async () => {
  const parties = await start();
  const stranger = new Endpoint({ transport: parties.simulator.transport('10.0.0.9', 5683), env: parties.simulator.env('stranger') });
  const peer = parties.simulator.peer('10.0.0.2', 5683);
  for (const [path, code] of [
    ['large', '4.01'],
    ['nothing', '4.01'],
    // The token endpoint of the RS has its own bound.
    ['authz-info', '4.13'],
  ] as const) {
    const since = parties.simulator.wire.length;
    const options = [...pathOptions([path]), uintOption(OptionNumber.ContentFormat, ContentFormat.AceCbor)];
    const answer = await parties.finish(
      stranger.request({ code: path === 'authz-info' ? Method.POST : Method.PUT, options, payload: new Uint8Array(60_000), peer }),
    );
    assert.equal(formatCode(answer.code), code, path);
    const sent = parties.simulator.wire.slice(since).filter(({ to }) => to === rsAddress);
    assert.equal(sent.length, 1, path);
    assert.equal(parties.rs.stats()['endpoint.blockwise.uploads'], 0);
    assert.equal(parties.rs.stats()['endpoint.blockwise.uploadBytes'], 0);
  }
  assert.equal(parties.handled.get('PUT /large'), undefined);
  await stranger.close();
  await end(parties);
});

test('RFC 9200 5.8: an unprotected POST to /token or /introspect is refused on its first block', async () => {
  const parties = await start();
  const stranger = new Endpoint({ transport: parties.simulator.transport('10.0.0.9', 5683), env: parties.simulator.env('stranger') });
  const peer = parties.simulator.peer('10.0.0.1', 5683);
  for (const path of ['token', 'introspect']) {
    for (const length of [10, 3000]) {
      const since = parties.simulator.wire.length;
      const options = [...pathOptions([path]), uintOption(OptionNumber.ContentFormat, ContentFormat.AceCbor)];
      const answer = await parties.finish(stranger.request({ code: Method.POST, options, payload: new Uint8Array(length), peer }));
      assert.equal(formatCode(answer.code), '4.01');
      assert.equal(parties.simulator.wire.slice(since).filter(({ to }) => to === asAddress).length, 1);
    }
  }
  assert.equal(parties.as.stats()['endpoint.blockwise.uploads'], 0);
  await stranger.close();
  await end(parties);
});

test('RFC 8613 8.2: an unknown kid: 4.01 "Security context not found" without protection, and nothing is kept', async () => {
  const parties = await start();
  const stranger = new Endpoint({ transport: parties.simulator.transport('10.0.0.9', 5683), env: parties.simulator.env('stranger') });
  const before = parties.rs.stats();
  const options = [opaqueOption(OptionNumber.Oscore, fromHex('09017f'))];
  const answer = await parties.finish(
    stranger.request({ code: Method.POST, options, payload: new Uint8Array(20), peer: parties.simulator.peer('10.0.0.2', 5683) }),
  );
  assert.equal(formatCode(answer.code), '4.01');
  assert.deepEqual(answer.payload, utf8('Security context not found'));
  await stranger.close();
  await parties.simulator.sleep(1_000_000);
  assert.deepEqual(parties.rs.stats(), before);
  await parties.close();
});

test('RFC 6690 4: discovery is open, and says what is there', async () => {
  const parties = await start();
  const links = await parties.finish(parties.client.discover(`${rsUri}/`));
  assert.deepEqual(links.map(({ target }) => target).sort(), ['/authz-info', '/large', '/led', '/log', '/temperature']);
  await end(parties);
});
