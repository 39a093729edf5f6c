import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Audit, type AuditedEvent } from '../../../src/as/audit.ts';
import { type GrantFolders, GrantRevocations } from '../../../src/as/grants/grant-revocations.ts';
import type { AuthorizationServerEvent } from '../../../src/as/index.ts';
import { UnfinishedWork } from '../../../src/as/unfinished-work.ts';
import { emptyBytes, utf8 } from '../../../src/core/bytes.ts';
import { memoryStore, type Store, StoreError } from '../../../src/store/index.ts';
import { Simulator } from '../../support/simulator.ts';

const cause = { client: 'c1', reason: 'code-reuse' } as const;

/** A server that revokes tokens of a store, on a clock of its own. `fails` says what it does not take. */
class Bench {
  readonly sim = new Simulator();
  readonly inner: Store;
  readonly revoked: string[] = [];
  readonly events: AuthorizationServerEvent[] = [];
  readonly recorded: AuditedEvent[] = [];
  readonly unfinished: UnfinishedWork;
  readonly revocations: GrantRevocations;
  readonly folders: GrantFolders;
  fails: (what: string) => boolean = () => false;

  constructor(inner: Store = memoryStore()) {
    this.inner = inner;
    const store: Store = {
      ...inner,
      put: async (key, value) => this.#check(`put ${key}`, () => inner.put(key, value)),
      delete: async (key) => this.#check(`delete ${key}`, () => inner.delete(key)),
    };
    const append = (event: AuditedEvent): Promise<void> => this.#check(`append ${event.type}`, async () => void this.recorded.push(event));
    const audit = new Audit({ sink: { append }, env: this.sim.env(), tell: (event) => this.events.push(event) });
    this.unfinished = new UnfinishedWork(this.sim.env(), (error) => this.events.push({ type: 'fault', reason: 'again', detail: String(error) }));
    this.revocations = new GrantRevocations({
      store,
      audit,
      unfinished: this.unfinished,
      revoke: (hash) => this.#check(`revoke ${hash}`, async () => this.revoked.push(hash) > 0),
    });
    this.folders = { revoking: 'revoking/', members: (name) => `of/${name}/`, end: (name) => store.delete(`grant/${name}`) };
  }

  /** A grant with two tokens and something else. */
  async give(): Promise<void> {
    await this.inner.batch([
      { key: 'grant/g', value: emptyBytes },
      { key: 'code/x', value: emptyBytes },
      { key: 'of/g/a', value: emptyBytes },
      { key: 'of/g/token/b', value: emptyBytes },
      { key: 'of/g/x', value: utf8('code/x') },
    ]);
  }

  async left(): Promise<readonly string[]> {
    const keys: string[] = [];
    for await (const [key] of this.inner.scan('')) keys.push(key);
    return keys;
  }

  /** The events that revocations told of. */
  get told(): readonly unknown[] {
    return this.events.filter(({ type }) => type === 'grant-revoked');
  }

  async #check<T>(what: string, work: () => Promise<T>): Promise<T> {
    if (this.fails(what)) throw new StoreError('ERR_STORE_IO', `expected a disk with room, got none for: ${what}`);
    return work();
  }
}

const told = [{ type: 'grant-revoked', ...cause, tokens: ['a', 'b'] }];

test('RFC 7009 2.1: with a grant goes all that it has given', async () => {
  const bench = new Bench();
  await bench.give();
  await bench.revocations.revoke(bench.folders, 'g', cause);
  assert.deepEqual([bench.revoked, bench.told, bench.recorded], [['a', 'b'], told, told]);
  assert.deepEqual([await bench.left(), bench.unfinished.size, bench.sim.pending], [[], 0, 0]);
});

test('RFC 6749 4.1.2: whatever of a revocation the store or the audit log does not take for a while, all is done in the end, and told', async () => {
  for (const broken of [
    'put revoking/g',
    'delete grant/g',
    'revoke a',
    'revoke b',
    'delete code/x',
    'append grant-revoked',
    'delete of/g/token/b',
    'delete revoking/g',
  ]) {
    const bench = new Bench();
    await bench.give();
    bench.fails = (what) => what === broken;
    await assert.rejects(bench.revocations.revoke(bench.folders, 'g', cause), { code: broken.startsWith('append') ? 'ERR_AS_AUDIT' : 'ERR_STORE_IO' }, broken);
    // What can be revoked is, while something else cannot.
    if (broken.startsWith('revoke')) assert.equal(bench.revoked.length, 1, broken);
    await bench.sim.sleep(5000);
    assert.notDeepEqual(await bench.left(), [], broken);
    assert.equal(bench.unfinished.size, 1, broken);
    bench.fails = () => false;
    await bench.sim.run();
    assert.deepEqual([await bench.left(), bench.unfinished.size, bench.sim.pending], [[], 0, 0], broken);
    assert.deepEqual([...new Set(bench.revoked)].sort(), ['a', 'b'], broken);
    const [entry] = bench.recorded.filter(({ type }) => type === 'grant-revoked');
    assert.deepEqual(entry, told[0], broken);
  }
});

test('RFC 6749 4.1.2: what was not revoked when its server was closed is revoked by the next, which tries as long as it takes', async () => {
  const first = new Bench();
  await first.give();
  first.fails = (what) => what === 'revoke b';
  await assert.rejects(first.revocations.revoke(first.folders, 'g', cause));
  await first.unfinished.close();
  assert.equal(first.sim.pending, 0);
  const next = new Bench(first.inner);
  next.fails = (what) => what === 'revoke a';
  await next.revocations.finish(next.folders);
  assert.deepEqual([next.revoked, next.events.map(({ type }) => type), next.unfinished.size], [['b'], ['fault'], 1]);
  next.fails = () => false;
  await next.sim.run();
  assert.deepEqual([await next.left(), next.told], [[], told]);
});

test('a revocation that began without saying whose and why is finished too', async () => {
  const bench = new Bench();
  await bench.give();
  await bench.inner.put('revoking/g', emptyBytes);
  await bench.revocations.finish(bench.folders);
  assert.deepEqual([await bench.left(), bench.revoked, bench.told], [[], ['a', 'b'], []]);
});
