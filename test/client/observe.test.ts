import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AceError } from '../../src/ace/index.ts';
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
