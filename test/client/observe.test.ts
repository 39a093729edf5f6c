import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AceError } from '../../src/ace/index.ts';
import type { AceClient, AceObserveInit } from '../../src/client/index.ts';
import { Code, Endpoint, Method, OptionNumber, uintOption } from '../../src/coap/index.ts';
import { fromUtf8, utf8 } from '../../src/core/bytes.ts';
import { memoryStore } from '../../src/store/index.ts';
import { Parties, rsUri } from './parties.ts';

test('observe: the answer to the registration, then notifications, until the loop is left', async () => {
  const parties = await new Parties().start();
  const stream = parties.client.observe(`${rsUri}/temperature`);
  const first = await parties.finish(stream.next());
  assert.equal(first.value?.text(), '21.5');
  for (let i = 0; i < 5; i++) {
    const next = stream.next();
    parties.changed();
    const { value } = await parties.finish(next);
    assert.deepEqual([value?.codeText, value?.protected], ['2.05', true]);
  }
  assert.equal(parties.rs.stats()['lasting'], 1);
  await parties.finish(stream.return());
  await parties.simulator.sleep(1000);
  assert.equal(parties.rs.stats()['lasting'], 0);
  assert.equal(parties.rs.stats()['observers'], 0);
  await parties.close();
});

test('RFC 9200 5.10.3: the observation ends with its token, and says so', async () => {
  const parties = await new Parties({ rsAtAs: { tokenLifetime: 10 }, client: { renewal: 0 } }).start();
  const stream = parties.client.observe(`${rsUri}/temperature`);
  await parties.finish(stream.next());
  await assert.rejects(parties.finish(stream.next()), (error: AceError) => error.code === 'ERR_ACE_TOKEN_ENDED');
  assert.equal(parties.rs.stats()['tokens'], 0);
  // RFC 9203 4.3: without protection, since the context must not be used any more.
  await parties.simulator.sleep(300_000);
  assert.equal(parties.rs.stats()['profile2.contexts'], 0);
  await parties.close();
});

test('observe: a context that the RS lost is made anew', async () => {
  const parties = await new Parties().start();
  await parties.finish(parties.client.fetch(`${rsUri}/temperature`));
  await parties.rs.close();
  parties.stores.rs = memoryStore();
  await parties.startRs();
  const stream = parties.client.observe(`${rsUri}/temperature`);
  assert.equal((await parties.finish(stream.next())).value?.text(), '21.5');
  await parties.finish(stream.return());
  await parties.close();
});

test('observe: rights that are missing are asked for', async () => {
  const parties = await new Parties().start();
  await parties.finish(parties.client.fetch(`${rsUri}/led`));
  const stream = parties.client.observe(`${rsUri}/temperature`);
  assert.equal((await parties.finish(stream.next())).value?.text(), '21.5');
  await parties.finish(stream.return());
  await parties.close();
});

test('observe: the signal ends it, also while nothing happens', async () => {
  const parties = await new Parties().start();
  const controller = new AbortController();
  const stream = parties.client.observe(`${rsUri}/temperature`, { signal: controller.signal });
  await parties.finish(stream.next());
  const waiting = stream.next();
  controller.abort();
  await assert.rejects(parties.finish(waiting), (error: AceError) => error.code === 'ERR_COAP_ABORTED');
  await parties.close();
});

test('observe: an open resource is observed only when that is allowed', async () => {
  const parties = await new Parties({ rs: { public: ['/temperature'] } }).start();
  const refused = parties.client.observe(`${rsUri}/temperature`);
  await assert.rejects(parties.finish(refused.next()), (error: AceError) => error.code === 'ERR_ACE_UNPROTECTED');
  const stream = parties.client.observe(`${rsUri}/temperature`, { allowUnprotected: true });
  assert.deepEqual((await parties.finish(stream.next())).value?.protected, false);
  const next = stream.next();
  parties.changed();
  assert.equal((await parties.finish(next)).value?.text(), '21.5');
  await parties.finish(stream.return());
  await parties.close();
});

test('observe: where nothing protects a refusal, what comes after it is neither asked for nor taken, and no payload goes out', async () => {
  const parties = await new Parties().start();
  const env = parties.simulator.env('impostor');
  const asked: string[] = [];
  const impostor = new Endpoint({
    transport: parties.simulator.transport('10.0.0.66', 5683),
    env,
    handler: (request, reply) => {
      asked.push(`${request.code} ${fromUtf8(request.payload)}`);
      const code = asked.length === 1 ? Code.NotFound : Code.Content;
      reply.respond({ code, options: code === Code.Content ? [uintOption(OptionNumber.Observe, 1)] : [], payload: utf8('forged') });
    },
  });
  const stream = parties.client.observe('coap://10.0.0.66/x', { method: 'FETCH', contentFormat: 0, payload: 'secret' });
  const { value } = await parties.finish(stream.next());
  assert.deepEqual([value?.codeText, value?.protected], ['4.04', false]);
  assert.equal((await parties.finish(stream.next())).done, true);
  assert.deepEqual(asked, [`${Method.FETCH} `]);
  await impostor.close();
  await parties.close();
});

/** Read a durable observation until it has brought so many responses. */
async function follow(client: AceClient, got: string[], init: AceObserveInit = { durable: 'temperature' }, uri = `${rsUri}/temperature`): Promise<void> {
  for await (const response of client.observe(uri, init)) got.push(response.text());
}

const quiet = (): void => {};

test('RFC 8613 B.1.3: a durable observation goes on in the next process, with what is new', async () => {
  const parties = await new Parties().start();
  const got: string[] = [];
  follow(parties.client, got).catch(quiet);
  await parties.simulator.run(() => got.length === 1);
  parties.temperature = '22';
  parties.changed();
  await parties.simulator.run(() => got.length === 2);
  await parties.simulator.sleep(1000);
  await parties.client.close();

  parties.client = parties.newClient();
  const [stored, ...others] = await parties.client.observations();
  assert.deepEqual([stored, others], [{ uri: `${rsUri}/temperature`, init: { durable: 'temperature' } }, []]);
  follow(parties.client, got, stored!.init, stored!.uri).catch(quiet);
  await parties.simulator.sleep(1000);
  assert.deepEqual(got, ['21.5', '22'], 'the state was processed before');
  parties.temperature = '23';
  parties.changed();
  await parties.simulator.run(() => got.length === 3);
  await parties.client.close();

  parties.client = parties.newClient();
  await parties.client.forgetObservation('temperature');
  assert.deepEqual(await parties.client.observations(), []);
  follow(parties.client, got).catch(quiet);
  await parties.simulator.run(() => got.length === 4);
  assert.deepEqual(got, ['21.5', '22', '23', '23']);
  await parties.close();
});

test('durable: all that belongs to the observation comes back', async () => {
  const parties = await new Parties().start();
  const init = {
    method: 'FETCH',
    payload: Uint8Array.of(1),
    contentFormat: 42,
    accept: 50,
    confirmable: false,
    scope: 'r_temp',
    audience: 'rs1',
    upgrade: false,
  } as const;
  const stream = parties.client.observe(`${rsUri}/temperature`, { ...init, as: undefined as never, durable: 'a / b', timeout: 10_000 });
  await parties.finish(stream.next());
  await parties.finish(stream.return());
  assert.deepEqual(await parties.client.observations(), [{ uri: `${rsUri}/temperature`, init: { ...init, durable: 'a / b' } }]);
  await parties.close();
});

test('durable: the token ends, another one follows, and so do the values', async () => {
  const parties = await new Parties({ rsAtAs: { tokenLifetime: 10 }, client: { renewal: 0 } }).start();
  const got: string[] = [];
  const done = follow(parties.client, got);
  done.catch(quiet);
  await parties.simulator.sleep(30_000);
  assert.deepEqual(got, ['21.5']);
  parties.temperature = '22';
  parties.changed();
  await parties.simulator.sleep(30_000);
  parties.temperature = '23';
  parties.changed();
  await parties.simulator.sleep(30_000);
  assert.deepEqual(got, ['21.5', '22', '23']);
  assert.ok(parties.rsEvents.filter((event) => event.type === 'token-accepted').length > 2);
  await parties.client.close();
  await assert.rejects(parties.finish(done), { code: 'ERR_COAP_CLOSED' });
  await parties.rs.close();
  await parties.as.close();
});

test('durable: an RS that lost its contexts gets the token again', async () => {
  const parties = await new Parties().start();
  const got: string[] = [];
  follow(parties.client, got).catch(quiet);
  await parties.simulator.run(() => got.length === 1);
  await parties.rs.close();
  parties.stores.rs = memoryStore();
  await parties.simulator.sleep(500_000);
  parties.temperature = '22';
  await parties.startRs();
  await parties.simulator.run(() => got.length === 2, 1_000_000);
  assert.deepEqual(got, ['21.5', '22']);
  await parties.close();
});

test('durable: closing the client ends a pause', async () => {
  const parties = await new Parties().start();
  await parties.rs.close();
  const done = follow(parties.client, []);
  done.catch(quiet);
  await parties.simulator.run(() =>
    parties.clientEvents.some((event) => event.type === 'step' && event.detail.startsWith('observation temperature registers again')),
  );
  await parties.client.close();
  await assert.rejects(parties.finish(done), { code: 'ERR_COAP_CLOSED' });
  await parties.as.close();
});
