import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { IdSpace, idOf, indexOf } from '../../../profiles/oscore/id-space.ts';
import { oscoreProfile } from '../../../profiles/oscore/index.ts';
import { AceError, AceErrorCode, type Grant, type ProfileAtAs, type ProfileEvent } from '../../../src/ace/index.ts';
import { fromHex, toHex } from '../../../src/core/bytes.ts';
import { memoryStore, type Store } from '../../../src/store/index.ts';
import { Clock } from '../../ace/clock.ts';
import { oscBytes } from '../../ace/osc.ts';

function atAs(
  clock: Clock = new Clock(),
  store: Store = memoryStore({ env: clock }),
): { profile: ProfileAtAs; events: ProfileEvent[]; store: Store; clock: Clock } {
  const events: ProfileEvent[] = [];
  const profile = oscoreProfile.as?.({ env: clock, store, emit: (event) => events.push(event) });
  assert.ok(profile);
  return { profile, events, store, clock };
}

function grant(clock: Clock, fields: Partial<Grant> = {}): Grant {
  return { client: 'c1', audience: 'rs1', resourceServer: 'rs1', request: {}, expiresAt: clock.epoch() + 3600, exi: false, ...fields };
}

/** Bind, and make what the binding needs durable, as the role does: again where another process got ahead. */
async function bindId({ profile, store }: { readonly profile: ProfileAtAs; readonly store: Store }, wanted: Grant): Promise<string> {
  for (;;) {
    const binding = await profile.bind(wanted);
    if (await store.batch(binding?.changes ?? [])) return toHex(oscBytes(binding?.claims.cnf, 0));
  }
}

test('RFC 9203 3.2: id and ms are there, the salt is explicit and empty, and the same goes into token and response', async () => {
  const { profile, clock } = atAs();
  const binding = await profile.bind(grant(clock));
  assert.ok(binding);
  assert.equal(binding.confidential, true);
  assert.equal(toHex(oscBytes(binding.claims.cnf, 0)), '00');
  assert.equal(oscBytes(binding.claims.cnf, 2).length, 16);
  assert.equal(oscBytes(binding.claims.cnf, 5).length, 0);
  assert.deepEqual(binding.response(fromHex('00')).cnf, binding.claims.cnf);
  assert.equal(binding.response(fromHex('00')).rsCnf, undefined);
  await profile.close();
});

test('identifiers that come of the store while the profile is closed leave no timer behind', async () => {
  const first = atAs();
  const { clock, store } = first;
  await bindId(first, grant(clock));
  await first.profile.close();
  assert.equal(clock.timers, 0);
  let read: () => void = () => {};
  const readable = new Promise<void>((resolve) => {
    read = resolve;
  });
  const slow: Store = {
    ...store,
    async *scan(prefix, options) {
      await readable;
      yield* store.scan(prefix, options);
    },
  };
  const { profile } = atAs(clock, slow);
  const binding = profile.bind(grant(clock));
  await profile.close();
  read();
  assert.ok(await binding);
  assert.equal(clock.timers, 0);
});

test('identifiers are unique for an RS, short first, and each RS has its own', async () => {
  const party = atAs();
  const { profile, clock } = party;
  const seen = new Set<string>();
  for (let i = 0; i < 258; i++) seen.add(await bindId(party, grant(clock)));
  assert.equal(seen.size, 258);
  assert.equal([...seen].filter((hex) => hex.length === 2).length, 256);
  assert.ok(seen.has('0000') && seen.has('0001'));
  assert.equal(await bindId(party, grant(clock, { resourceServer: 'rs2' })), '00');
  assert.equal(await bindId(party, grant(clock, { resourceServer: 'rs1/x' })), '00');
  await profile.close();
});

test('identifiers stay unique when many are asked for at once', async () => {
  const party = atAs();
  const { profile, clock } = party;
  const ids = await Promise.all(Array.from({ length: 50 }, () => bindId(party, grant(clock))));
  assert.equal(new Set(ids).size, 50);
  await profile.close();
});

test('an identifier comes back only some time after its last token has expired', async () => {
  const party = atAs();
  const { profile, clock } = party;
  assert.equal(await bindId(party, grant(clock)), '00');
  await clock.advance(3700);
  assert.equal(await bindId(party, grant(clock)), '01');
  await clock.advance(300);
  assert.equal(await bindId(party, grant(clock)), '00');
  await profile.close();
});

test('identifiers in use survive a restart', async () => {
  const first = atAs();
  assert.equal(await bindId(first, grant(first.clock)), '00');
  await first.profile.close();
  const second = atAs(first.clock, first.store);
  assert.equal(await bindId(second, grant(second.clock)), '01');
  assert.ok(await second.profile.bind(grant(second.clock, { request: { reqCnf: { kid: fromHex('00') } } })));
  assert.equal(await second.profile.bind(grant(second.clock, { client: 'c2', request: { reqCnf: { kid: fromHex('00') } } })), undefined);
  await second.profile.close();
});

test('two processes with one store give different identifiers', async () => {
  const first = atAs();
  const second = atAs(first.clock, first.store);
  const ids: string[] = [];
  for (let i = 0; i < 10; i++) {
    ids.push(await bindId(first, grant(first.clock)), await bindId(second, grant(second.clock)));
  }
  assert.equal(new Set(ids).size, 20);
  await first.clock.advance(4000);
  await first.clock.advance(4000);
  assert.equal(first.profile.stats()['inputMaterials'], 0);
  assert.equal(second.profile.stats()['inputMaterials'], 0);
  assert.equal(await bindId(second, grant(second.clock)), '00');
  await first.profile.close();
  await second.profile.close();
});

test('RFC 9203 3.1: an update that another process granted keeps the identifier here', async () => {
  const first = atAs();
  const second = atAs(first.clock, first.store);
  assert.equal(await bindId(first, grant(first.clock)), '00');
  await first.clock.advance(3000);
  const update = await second.profile.bind(grant(second.clock, { request: { reqCnf: { kid: fromHex('00') } } }));
  assert.ok(update !== undefined && (await second.store.batch(update.changes)));
  await first.clock.advance(2000);
  assert.equal(await bindId(first, grant(first.clock)), '01');
  await first.profile.close();
  await second.profile.close();
});

test('RFC 9200 5.10.3: with exi an identifier is never given again', async () => {
  const party = atAs();
  const { profile, clock } = party;
  const seen = new Set<string>();
  for (let i = 0; i < 5; i++) {
    seen.add(await bindId(party, grant(clock, { exi: true })));
    await clock.advance(10_000);
  }
  assert.deepEqual([...seen], ['00', '01', '02', '03', '04']);
  await profile.close();
});

test('RFC 9203 3.1: an update has the kid in the token and nothing in the response', async () => {
  const party = atAs();
  const { profile, clock } = party;
  await bindId(party, grant(clock));
  const binding = await profile.bind(grant(clock, { request: { reqCnf: { kid: fromHex('00') } } }));
  assert.ok(binding);
  assert.deepEqual(binding.claims.cnf, { kid: fromHex('00') });
  assert.equal(binding.confidential, false);
  assert.deepEqual(binding.response(fromHex('00')), {});
  await profile.close();
});

test('RFC 9200 5.8.3: an asymmetric key is unsupported_pop_key', async () => {
  const { profile, clock } = atAs();
  const request = { reqCnf: { coseKey: { kty: 1, crv: 6, x: new Uint8Array(32) } } };
  await assert.rejects(
    async () => profile.bind(grant(clock, { request })),
    (error: unknown) => error instanceof AceError && error.error === AceErrorCode.unsupported_pop_key,
  );
  await profile.close();
});

test('a store that fails once costs one request and no identifier twice', async () => {
  const clock = new Clock();
  const store = memoryStore({ env: clock });
  let failures = 1;
  const flaky: Store = {
    ...bindAll(store),
    batch: async (changes) => {
      const done = await store.batch(changes);
      if (failures-- > 0) throw new Error('disk');
      return done;
    },
  };
  const party = atAs(clock, flaky);
  await assert.rejects(bindId(party, grant(clock)), /disk/);
  assert.equal(await bindId(party, grant(clock)), '01');
  await clock.advance(4000);
  assert.equal(party.profile.stats()['inputMaterials'], 0);
  assert.equal(await bindId(party, grant(clock)), '00');
  await party.profile.close();
});

function bindAll(store: Store): Store {
  return {
    get: (key) => store.get(key),
    put: (key, value, options) => store.put(key, value, options),
    batch: (changes) => store.batch(changes),
    delete: (key) => store.delete(key),
    compareAndSet: (key, expected, next) => store.compareAndSet(key, expected, next),
    increment: (key, by) => store.increment(key, by),
    scan: (prefix) => store.scan(prefix),
    close: () => store.close(),
  };
}

const credentials = { masterSecret: new Uint8Array(16).fill(1), senderId: fromHex('00'), recipientId: fromHex('01') };

test('RFC 9203 5: peers come and go, and no two share a Recipient ID', async () => {
  const { profile } = atAs();
  await profile.addPeer('client:a', credentials);
  assert.equal(profile.stats()['peers'], 1);
  await assert.rejects(profile.addPeer('client:a', { ...credentials, recipientId: fromHex('02') }), { code: 'ERR_OSCORE_PROFILE_USE' });
  await assert.rejects(profile.addPeer('client:b', { ...credentials, masterSecret: new Uint8Array(16).fill(2) }), { code: 'ERR_OSCORE_COLLISION' });
  await profile.addPeer('client:c', { ...credentials, idContext: fromHex('aa') });
  assert.equal(profile.stats()['peers'], 2);
  profile.removePeer('client:a');
  profile.removePeer('client:a');
  await profile.addPeer('client:b', { ...credentials, masterSecret: new Uint8Array(16).fill(2) });
  assert.equal(profile.stats()['contexts'], 2);
  await assert.rejects(profile.addPeer('client:d', { masterSecret: 'secret' }), { code: 'ERR_OSCORE_PROFILE_CREDENTIALS' });
  await profile.close();
  assert.equal(profile.stats()['contexts'], 0);
});

test('identifiers and indexes are one to one', () => {
  const size = 256 + 256 ** 2 + 256 ** 3;
  assert.equal(toHex(idOf(0) ?? fromHex('')), '00');
  assert.equal(toHex(idOf(255) ?? fromHex('')), 'ff');
  assert.equal(toHex(idOf(256) ?? fromHex('')), '0000');
  assert.equal(toHex(idOf(256 + 65_536) ?? fromHex('')), '000000');
  assert.equal(toHex(idOf(size - 1) ?? fromHex('')), 'ffffff');
  assert.equal(idOf(size), undefined);
  for (const foreign of ['', '0', 'zz', '00000000', '0g']) assert.equal(indexOf(foreign), undefined);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: size - 1 }), (index) => {
      assert.equal(indexOf(toHex(idOf(index) ?? fromHex(''))), index);
    }),
  );
});

test('the space of identifiers gives the smallest that is free, for any order of takes and releases', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -1, max: 100 }), { maxLength: 300 }), (steps) => {
      const space = new IdSpace();
      const used = new Set<number>();
      for (const step of steps) {
        if (step >= 0) {
          space.release(step);
          used.delete(step);
          continue;
        }
        let smallest = 0;
        while (used.has(smallest)) smallest++;
        assert.equal(space.take(), smallest);
        used.add(smallest);
      }
    }),
  );
});
