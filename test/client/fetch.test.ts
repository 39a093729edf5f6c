import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AceError } from '../../src/ace/index.ts';
import { encodeAif, encodeHints } from '../../src/ace/index.ts';
import { refreshKey, sessionKey } from '../../src/client/session.ts';
import { type CoapError, Code, ContentFormat, Endpoint, type Handler, OptionNumber, uintOption } from '../../src/coap/index.ts';
import { memoryStore, type Store, StoreError } from '../../src/store/index.ts';
import { asUri, Parties, rsUri, tokenKey } from './parties.ts';

const fails = (code: string) => (error: unknown) => {
  assert.equal((error as AceError).code, code, String(error));
  return true;
};

test('fetch: from a URI to a protected answer, and the second request goes straight', async () => {
  const parties = await new Parties().start();
  const response = await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  assert.equal(response.codeText, '2.05');
  assert.equal(response.text(), '21.5');
  assert.equal(response.protected, true);
  assert.equal(response.contentFormat, 0);
  assert.deepEqual(parties.steps(), ['probe', 'hints', 'token-request', 'token-response', 'upload', 'context', 'request', 'response']);
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/temperature`))).text(), '21.5');
  assert.deepEqual(parties.steps(), ['request', 'response']);
  assert.deepEqual(parties.handled, ['GET /temperature', 'GET /temperature']);
  await parties.close();
});

test('fetch: PUT sends its payload under protection only', async () => {
  const parties = await new Parties().start();
  const secret = 'the very secret colour of the light';
  const response = await parties.finish(parties.client.fetch(`${rsUri}/led`, { method: 'PUT', payload: secret }));
  assert.equal(response.codeText, '2.04');
  assert.equal(parties.led, secret);
  for (const { datagram } of parties.simulator.wire) assert.ok(!Buffer.from(datagram).includes('secret'));
  assert.deepEqual(parties.handled, ['PUT /led']);
  await parties.close();
});

test('fetch: the next process goes on with the session in the store', async () => {
  const parties = await new Parties().start();
  await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  await parties.client.close();
  parties.client = parties.newClient();
  parties.steps();
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/temperature`))).text(), '21.5');
  assert.deepEqual(parties.steps(), ['context', 'request', 'response']);
  await parties.close();
});

test('fetch: a stored session that cannot be read is dropped', async () => {
  const parties = await new Parties().start();
  await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  await parties.client.close();
  const keys: string[] = [];
  for await (const [key] of parties.stores.client.scan('client/session/')) keys.push(key);
  assert.equal(keys.length, 1);
  for (const bytes of [Uint8Array.of(0xff), Uint8Array.of(0x80), new Uint8Array(0)]) {
    await parties.stores.client.put(keys[0]!, bytes);
    parties.client = parties.newClient();
    assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/temperature`))).text(), '21.5');
    await parties.client.close();
  }
  parties.client = parties.newClient();
  await parties.close();
});

test('fetch: a kept refresh token that cannot be read is none', async () => {
  const parties = await new Parties().start();
  for (const bytes of [Uint8Array.of(0xff), Uint8Array.of(0x80), new Uint8Array(0)]) {
    await parties.stores.client.put(refreshKey(sessionKey(`${rsUri}:5683`, undefined, undefined)), bytes);
    assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/temperature`))).text(), '21.5');
    await parties.finish(parties.client.forget(rsUri));
  }
  await parties.close();
});

test('fetch: a store that cannot be read once is read the next time', async () => {
  const parties = await new Parties().start();
  const store = parties.stores.client;
  let isBroken = true;
  const scan: Store['scan'] = (prefix, options) => {
    if (isBroken) throw new StoreError('ERR_STORE_IO', 'the disk is slow');
    return store.scan(prefix, options);
  };
  await parties.client.close();
  parties.client = parties.newClient({ store: { ...store, scan } });
  await assert.rejects(parties.finish(parties.client.fetch(`${rsUri}/temperature`)), { code: 'ERR_STORE_IO' });
  isBroken = false;
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/temperature`))).text(), '21.5');
  await parties.close();
});

test('fetch: many at once share one token request and one upload', async () => {
  const parties = await new Parties().start();
  const answers = await parties.finish(Promise.all(Array.from({ length: 20 }, () => parties.client.fetch(`${rsUri}/temperature`))));
  assert.ok(answers.every((answer) => answer.text() === '21.5'));
  const steps = parties.steps();
  for (const step of ['probe', 'token-request', 'upload']) assert.equal(steps.filter((one) => one === step).length, 1, step);
  await parties.close();
});

test('RFC 9203 3.1 and 4.2: 4.03 leads to an update of access rights over the living context, and one retry', async () => {
  const parties = await new Parties().start();
  await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  parties.steps();
  const contexts = parties.rs.stats()['profile2.contexts'];
  const response = await parties.finish(parties.client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'on' }));
  assert.equal(response.codeText, '2.04');
  assert.deepEqual(parties.steps(), ['request', 'response', 'token-request', 'token-response', 'update', 'request', 'response']);
  assert.equal(parties.rs.stats()['profile2.contexts'], contexts);
  const accepted = parties.rsEvents.filter((event) => event.type === 'token-accepted');
  assert.deepEqual(
    accepted.map((event) => [event.update, event.scope]),
    [
      [false, 'r_temp'],
      [true, 'r_temp w_led'],
    ],
  );
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/temperature`))).codeText, '2.05');
  await parties.close();
});

test('fetch: upgrade false leaves 4.03 and 4.05 as they are', async () => {
  const parties = await new Parties({
    rs: { scopes: { r_temp: { '/temperature': ['GET'] }, r_led: { '/led': ['GET'] }, w_led: { '/led': ['PUT'] } } },
    grant: 'r_temp r_led w_led',
  }).start();
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/led`))).codeText, '2.05');
  const denied = await parties.finish(parties.client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'on', upgrade: false }));
  assert.equal(denied.codeText, '4.05');
  assert.equal(denied.protected, true);
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/temperature`, { upgrade: false }))).codeText, '4.03');
  assert.equal(parties.led, 'off');
  await parties.close();
});

test('fetch: when the AS grants no more, the refusal of the RS is the answer', async () => {
  const parties = await new Parties({ grant: 'r_temp' }).start();
  await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  const denied = await parties.finish(parties.client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'on' }));
  assert.equal(denied.codeText, '4.03');
  await parties.close();
});

test('fetch: a path that nothing covers is 4.03, with no more tokens asked for', async () => {
  const parties = await new Parties().start();
  await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  parties.steps();
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/nothing`))).codeText, '4.03');
  assert.deepEqual(parties.steps(), ['request', 'response']);
  await parties.close();
});

test('RFC 9203 4.1: an RS that lost its context gets the token again', async () => {
  const parties = await new Parties().start();
  await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  await parties.rs.close();
  parties.stores.rs = memoryStore();
  await parties.startRs();
  parties.steps();
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/temperature`))).codeText, '2.05');
  assert.deepEqual(parties.steps(), ['request', 'response', 'forgotten', 'upload', 'context', 'request', 'response']);
  await parties.close();
});

test('RFC 9203 4.1: the token of an update is brought along when the context is made anew', async () => {
  const parties = await new Parties().start();
  await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  await parties.finish(parties.client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'on' }));
  await parties.rs.close();
  parties.stores.rs = memoryStore();
  await parties.startRs();
  parties.steps();
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'up' }))).codeText, '2.04');
  assert.deepEqual(parties.steps(), ['request', 'response', 'forgotten', 'upload', 'context', 'update', 'request', 'response']);
  assert.equal(parties.led, 'up');
  await parties.close();
});

test('RFC 9203 6: a context that a new one takes the place of is let go', async () => {
  const parties = await new Parties().start();
  await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  const held = () => [parties.client.stats()['sessions'], parties.client.stats()['profile2.contexts'], parties.rs.stats()['profile2.contexts']];
  const before = held();
  // An AS that knows the key no more: the update is refused, and a token with another key is asked for.
  await parties.as.close();
  parties.stores.as = memoryStore({ env: parties.simulator.env() });
  await parties.startAs();
  parties.steps();
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'on' }))).codeText, '2.04');
  assert.ok(parties.steps().includes('upload'));
  assert.deepEqual(held(), before);
  await parties.close();
});

test('RFC 8613 B.1.2: after a restart with its store, RS and AS take the context up again by Echo', async () => {
  const parties = await new Parties().start();
  await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  await parties.rs.close();
  await parties.as.close();
  await parties.startAs();
  await parties.startRs();
  parties.steps();
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/temperature`))).codeText, '2.05');
  assert.deepEqual(parties.steps(), ['request', 'response']);
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'on' }))).codeText, '2.04');
  assert.equal(parties.handled.filter((one) => one === 'GET /temperature').length, 2);
  await parties.close();
});

test('fetch: a token that has ended is replaced by a new one', async () => {
  const parties = await new Parties({ rsAtAs: { tokenLifetime: 20 }, client: { renewal: 0 } }).start();
  await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  await parties.simulator.sleep(25_000);
  assert.equal(parties.client.stats()['sessions'], 0);
  parties.steps();
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/temperature`))).codeText, '2.05');
  assert.ok(parties.steps().includes('token-request'));
  await parties.close();
});

test('fetch: a token is renewed before it ends, with the context going on', async () => {
  const parties = await new Parties({ rsAtAs: { tokenLifetime: 100 } }).start();
  await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  await parties.simulator.sleep(80_000);
  parties.steps();
  await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  assert.deepEqual(parties.steps(), ['request', 'response']);
  await parties.simulator.sleep(12_000);
  await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  assert.deepEqual(parties.steps(), ['token-request', 'token-response', 'update', 'request', 'response']);
  await parties.simulator.sleep(50_000);
  await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  assert.deepEqual(parties.steps(), ['request', 'response']);
  assert.equal(parties.rs.stats()['tokens'], 1);
  await parties.close();
});

test('fetch: a renewal that the AS does not answer leaves the token in use', async () => {
  const parties = await new Parties({ rsAtAs: { tokenLifetime: 1000 }, client: { parameters: { ackTimeout: 500, maxRetransmit: 1 } } }).start();
  await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  await parties.as.close();
  await parties.simulator.sleep(975_000);
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/temperature`))).codeText, '2.05');
  await parties.startAs();
  await parties.close();
});

test('RFC 9200 5.3.1: a cnonce of the RS goes into the token request', async () => {
  const parties = await new Parties({ rs: { cnonce: true }, rsAtAs: { tokenLifetime: 100 } }).start();
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/temperature`))).codeText, '2.05');
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'on' }))).codeText, '2.04');
  await parties.simulator.sleep(92_000);
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/temperature`))).codeText, '2.05');
  assert.ok(parties.steps().filter((step) => step === 'update').length >= 2);
  await parties.close();
});

test('RFC 9200 5.10.3: tokens with exi', async () => {
  const parties = await new Parties({ rsAtAs: { exi: true, tokenLifetime: 100 }, client: { renewal: 0 } }).start();
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/temperature`))).codeText, '2.05');
  await parties.simulator.sleep(101_000);
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/temperature`))).codeText, '2.05');
  assert.equal(parties.rsEvents.filter((event) => event.type === 'token-accepted').length, 2);
  await parties.close();
});

test('RFC 9237: scopes that are AIFs, from hints to an update', async () => {
  const parties = await new Parties({
    grant: [
      ['/temperature', 1],
      ['/led', 5],
    ],
    rs: { scopes: {}, aif: true },
  }).start();
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/temperature`))).codeText, '2.05');
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'on' }))).codeText, '2.04');
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/led`, { method: 'DELETE' }))).codeText, '4.05');
  const scope = encodeAif([['/led', 1]]);
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/led`, { scope }))).codeText, '2.05');
  await parties.close();
});

test('RFC 9200 5.1: an RS that names an AS which is not on the list is refused', async () => {
  const parties = await new Parties({ rs: { issuers: [{ uri: 'coap://evil.example/token', tokenKeys: [tokenKey] }] } }).start();
  await assert.rejects(parties.finish(parties.client.fetch(`${rsUri}/temperature`)), fails('ERR_ACE_AS_NOT_ALLOWED'));
  const text = await parties.finish(parties.client.fetch(`${rsUri}/temperature`)).catch((error: Error) => error.message);
  assert.match(String(text), /evil\.example/);
  await parties.close();
});

test('RFC 9200 5.3: the scheme of a hint may be that of another channel to the same AS', async () => {
  const parties = await new Parties({ rs: { issuers: [{ uri: 'coaps://10.0.0.1/token', tokenKeys: [tokenKey] }] } }).start();
  assert.equal((await parties.finish(parties.client.fetch(`${rsUri}/temperature`))).codeText, '2.05');
  await parties.close();
});

test('fetch: what the AS refuses is told with its error code', async () => {
  const parties = await new Parties({ grant: 'r_temp' }).start();
  await assert.rejects(parties.finish(parties.client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'on' })), (error: AceError) => {
    assert.equal(error.code, 'ERR_ACE_REFUSED');
    assert.equal(error.error, 6);
    assert.match(error.message, /invalid_scope/);
    return true;
  });
  await parties.close();
});

test('fetch: a success without protection is refused unless it is allowed, and then the payload goes', async () => {
  const parties = await new Parties({ rs: { public: ['/open', '/log', '/led'] } }).start();
  await assert.rejects(parties.finish(parties.client.fetch(`${rsUri}/open`)), fails('ERR_ACE_UNPROTECTED'));
  const taken = await parties.finish(parties.client.fetch(`${rsUri}/open`, { allowUnprotected: true }));
  assert.deepEqual([taken.codeText, taken.text(), taken.protected], ['2.05', 'for all', false]);
  await assert.rejects(parties.finish(parties.client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'on' })), fails('ERR_ACE_UNPROTECTED'));
  await assert.rejects(parties.finish(parties.client.fetch(`${rsUri}/log`, { method: 'POST', payload: 'x' })), fails('ERR_ACE_UNPROTECTED'));
  assert.deepEqual(parties.handled, []);
  assert.equal(parties.led, 'off');
  const put = await parties.finish(parties.client.fetch(`${rsUri}/led`, { method: 'PUT', payload: 'on', allowUnprotected: true }));
  assert.deepEqual([put.codeText, put.protected, parties.led], ['2.04', false, 'on']);
  await parties.close();
});

test('fetch: a session also serves what needs none', async () => {
  const parties = await new Parties({ rs: { public: ['/open'] } }).start();
  await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  const response = await parties.finish(parties.client.fetch(`${rsUri}/open`));
  assert.deepEqual([response.codeText, response.protected], ['2.05', true]);
  await parties.close();
});

test('fetch: an open resource says nothing about another one that is asked for at the same time', async () => {
  const parties = await new Parties({ rs: { public: ['/open'] } }).start();
  const [open, temperature] = await parties.finish(
    Promise.all([parties.client.fetch(`${rsUri}/open`, { allowUnprotected: true }), parties.client.fetch(`${rsUri}/temperature`)]),
  );
  assert.deepEqual([open.protected, temperature.protected, temperature.text()], [false, true, '21.5']);
  await parties.close();
});

test('fetch: sessions are kept apart by audience and scope', async () => {
  const parties = await new Parties().start();
  const { client } = parties;
  await parties.finish(client.fetch(`${rsUri}/temperature`, { scope: 'r_temp' }));
  await parties.finish(client.fetch(`${rsUri}/led`, { scope: 'w_led', audience: 'rs1' }));
  assert.equal(client.stats()['sessions'], 2);
  assert.equal((await parties.finish(client.fetch(`${rsUri}/led`, { scope: 'r_temp', upgrade: false }))).codeText, '4.03');
  assert.equal((await parties.finish(client.fetch(`${rsUri}/temperature`, { scope: 'w_led', audience: 'rs1', upgrade: false }))).codeText, '4.03');
  await parties.close();
});

test('forget: the next request starts from the beginning', async () => {
  const parties = await new Parties().start();
  await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  await parties.finish(parties.client.forget(`${rsUri}/whatever`));
  assert.equal(parties.client.stats()['sessions'], 0);
  parties.steps();
  await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  assert.equal(parties.steps()[0], 'probe');
  await parties.close();
});

test('fetch: timeout and signal end it, whatever it is waiting for', async () => {
  const parties = await new Parties().start();
  await parties.rs.close();
  await assert.rejects(parties.finish(parties.client.fetch(`${rsUri}/temperature`, { timeout: 1000 })), fails('ERR_COAP_TIMEOUT'));
  const controller = new AbortController();
  const waiting = parties.client.fetch(`${rsUri}/temperature`, { signal: controller.signal });
  await parties.simulator.sleep(500);
  controller.abort(new Error('enough'));
  await assert.rejects(parties.finish(waiting), (error: CoapError) => error.code === 'ERR_COAP_ABORTED' && (error.cause as Error).message === 'enough');
  await assert.rejects(parties.finish(parties.client.fetch(`${rsUri}/temperature`, { signal: AbortSignal.abort() })), fails('ERR_COAP_ABORTED'));
  await parties.startRs();
  await parties.close();
});

test('fetch: an RS that does not answer is a timeout of the exchange', async () => {
  const parties = await new Parties({ client: { parameters: { ackTimeout: 100, maxRetransmit: 1 } } }).start();
  await parties.rs.close();
  await assert.rejects(parties.finish(parties.client.fetch(`${rsUri}/temperature`)), fails('ERR_COAP_TIMEOUT'));
  await parties.startRs();
  await parties.close();
});

test('RFC 9200 6.4: hints without protection in answer to a protected request lead to no token with more rights', async () => {
  const parties = await new Parties().start();
  await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  await parties.rs.close();
  const payload = encodeHints({ as: asUri, audience: 'rs1', scope: 'w_led' });
  const options = [uintOption(OptionNumber.ContentFormat, ContentFormat.AceCbor)];
  for (const code of [Code.Forbidden, Code.MethodNotAllowed]) {
    const refuse: Handler = (_request, reply) => reply.respond({ code, options, payload });
    const stranger = new Endpoint({
      transport: parties.simulator.transport('10.0.0.2', 5683),
      env: parties.simulator.env(`stranger ${code}`),
      layers: [{ name: 'stranger', understands: [OptionNumber.Oscore], outbound: (next) => next, inbound: () => refuse }],
    });
    parties.steps();
    const answer = await parties.finish(parties.client.fetch(`${rsUri}/led`));
    assert.deepEqual([answer.code, answer.protected], [code, false]);
    assert.deepEqual(parties.steps(), ['request', 'response']);
    await stranger.close();
  }
  await parties.startRs();
  await parties.close();
});

test('RFC 9200 5.10.4: an answer under keys whose token has ended at the client is not taken', async () => {
  const parties = await new Parties({
    rsAtAs: { tokenLifetime: 20 },
    rs: { leeway: 100, scopes: { p_slow: { '/slow': ['POST'] } } },
    grant: 'p_slow',
    client: { renewal: 0 },
  }).start();
  const clock = parties.simulator.env('handler');
  parties.rs.resource('/slow', { post: () => new Promise((resolve) => clock.schedule(30_000, () => resolve('late'))) });
  await assert.rejects(parties.finish(parties.client.fetch(`${rsUri}/slow`, { method: 'POST', payload: 'x' })), fails('ERR_OSCORE_CONTEXT'));
  assert.equal(parties.steps().at(-1), 'request');
  await parties.close();
});

test('RFC 9203 6: a context that a POST was answered 4.01 on is not used again, though the POST is not repeated', async () => {
  const scopes = { r_temp: { '/temperature': ['GET'] }, p_slow: { '/slow': ['POST'] } };
  const parties = await new Parties({ grant: 'r_temp p_slow', rs: { scopes, limits: { tokens: 1 } } }).start();
  const clock = parties.simulator.env('handler');
  parties.rs.resource('/slow', { post: () => new Promise((resolve) => clock.schedule(5000, () => resolve(undefined))) });
  const post = () => parties.client.fetch(`${rsUri}/slow`, { method: 'POST', payload: 'x', scope: 'p_slow' });
  const first = post();
  await parties.simulator.sleep(2000);
  await parties.finish(parties.client.fetch(`${rsUri}/temperature`, { scope: 'r_temp' }));
  // A 4.01 that says nothing of the context.
  assert.equal((await parties.finish(first)).codeText, '4.01');
  parties.steps();
  assert.equal((await parties.finish(post())).codeText, '2.04');
  assert.deepEqual(parties.steps(), ['forgotten', 'upload', 'context', 'request', 'response']);
  await parties.close();
});

test('fetch: a POST whose context goes while its handler is at work is not sent again', async () => {
  const scopes = { r_temp: { '/temperature': ['GET'] }, p_slow: { '/slow': ['POST', 'PUT'] } };
  const parties = await new Parties({ grant: 'r_temp p_slow', rs: { scopes, limits: { tokens: 1 } } }).start();
  const clock = parties.simulator.env('handler');
  const slow = (method: string) => async (): Promise<undefined> => {
    parties.handled.push(method);
    await new Promise<void>((resolve) => clock.schedule(5000, resolve));
    return undefined;
  };
  parties.rs.resource('/slow', { post: slow('POST'), put: slow('PUT') });
  const lose = async (method: 'POST' | 'PUT'): Promise<string> => {
    const answer = parties.client.fetch(`${rsUri}/slow`, { method, payload: 'x', scope: 'p_slow' });
    await parties.simulator.sleep(2000);
    // The table has room for one token.
    await parties.finish(parties.client.fetch(`${rsUri}/temperature`, { scope: 'r_temp' }));
    return (await parties.finish(answer)).codeText;
  };
  assert.equal(await lose('POST'), '4.01');
  assert.deepEqual(parties.handled, ['POST', 'GET /temperature']);
  assert.equal(await lose('PUT'), '2.04', 'this one may be carried out twice');
  assert.deepEqual(parties.handled.slice(2), ['PUT', 'GET /temperature', 'PUT']);
  await parties.close();
});
