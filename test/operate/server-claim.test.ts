import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expectUnserved, ServerClaim, type ServerClaimOptions, type ServerProcess, type StoreInUseError } from '../../src/operate/index.ts';
import { memoryStore, type Store, StoreError } from '../../src/store/index.ts';
import { Simulator } from '../support/simulator.ts';

/** Processes of several machines, on one store. */
class World {
  readonly sim = new Simulator();
  readonly store: Store = memoryStore({ env: this.sim.env() });
  readonly dead = new Set<number>();
  readonly lost: number[] = [];

  claim(pid: number, host: string, options: Partial<ServerClaimOptions> = {}): Promise<ServerClaim> {
    const own: ServerProcess = { pid, host, begun: `${pid}` };
    const lost = (error: StoreInUseError): void => {
      assert.equal(error.code, 'ERR_SERVER_TWICE');
      this.lost.push(pid);
    };
    const server = ServerClaim.make({
      store: this.store,
      role: 'as',
      env: this.sim.env(`${pid}`),
      own,
      lives: ({ pid: other }) => !this.dead.has(other),
      lost,
      ...options,
    });
    return this.sim.finish(server);
  }

  pass(milliseconds: number): Promise<void> {
    return this.sim.finish(new Promise((resolve) => this.sim.env().schedule(milliseconds, () => resolve())));
  }
}

test('on one machine: the second is refused at once, with the name of the first; a dead one keeps nobody out', async () => {
  const world = new World();
  const first = await world.claim(1, 'here');
  await assert.rejects(world.claim(2, 'here'), { code: 'ERR_SERVER_TWICE', message: /process 1 on here/ });
  assert.equal(world.sim.now, 0);
  const other = await world.claim(3, 'here', { role: 'rs' });
  world.dead.add(1);
  const second = await world.claim(4, 'here');
  assert.equal(world.sim.now, 0);
  await world.pass(30_000);
  assert.deepEqual(world.lost, [1], 'it was not dead after all, and ends when it finds the other');
  for (const server of [first, second, other]) await server.release();
  await (await world.claim(5, 'here')).release();
  assert.equal(await world.store.get('server/as'), undefined);
});

test('from another machine: it waits for one lease; who renews it stays, and whose entry stands still is followed', async () => {
  const world = new World();
  await world.claim(1, 'here');
  await assert.rejects(world.claim(2, 'there'), { code: 'ERR_SERVER_TWICE', message: /process 1 on here/ });
  assert.equal(world.sim.now, 10_000);
  const silent = new World();
  const dying = await silent.claim(1, 'here');
  // As if it had been killed: its entry stays, and nobody renews it.
  const entry = (await silent.store.get('server/as'))!;
  await dying.release();
  await silent.store.put('server/as', entry);
  const next = await silent.claim(2, 'there');
  assert.equal(silent.sim.now, 10_000);
  await next.release();
});

test('two that start at once: one serves', async () => {
  const world = new World();
  const outcomes = await Promise.allSettled([1, 2, 3].map((pid) => world.claim(pid, 'here')));
  assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
});

test('those that share a store serve beside each other; whoever wants it alone is refused, and disturbs none of them', async () => {
  const world = new World();
  const shared = [await world.claim(1, 'here', { shared: true }), await world.claim(2, 'there', { shared: true })];
  assert.equal(world.sim.now, 0);
  await assert.rejects(world.claim(3, 'here'), { code: 'ERR_SERVER_TWICE', message: /process 1 on here; several servers need PostgreSQL and a lease/ });
  await assert.rejects(world.claim(3, 'elsewhere'), { code: 'ERR_SERVER_TWICE', message: /process [12] on / });
  await world.pass(30_000);
  assert.deepEqual(world.lost, []);
  for (const claim of shared) await claim.release();
  const sole = await world.claim(3, 'here');
  await assert.rejects(world.claim(1, 'here', { shared: true }), { code: 'ERR_SERVER_TWICE', message: /process 3 on here/ });
  await world.pass(30_000);
  assert.deepEqual(world.lost, []);
  await sole.release();
  for await (const [key] of world.store.scan('server/')) assert.fail(key);
});

test('who stood still while another took the store ends when it goes on, whether it was the only one or one of several', async () => {
  for (const shared of [true, false]) {
    const world = new World();
    await world.claim(1, 'here', { shared });
    world.dead.add(1);
    const next = await world.claim(2, 'here', { shared: !shared });
    await world.pass(10_000);
    assert.deepEqual(world.lost, [1]);
    await next.release();
  }
});

test('what those that shared a store left behind goes by itself', async () => {
  const world = new World();
  const claim = await world.claim(1, 'here', { shared: true });
  const [key, entry] = (await world.store.scan('server/as/')[Symbol.asyncIterator]().next()).value as [string, Uint8Array];
  await claim.release();
  await world.store.put(key, entry, { expiresAt: Math.floor(world.sim.env().epoch()) + 3600 });
  await world.pass(3_601_000);
  assert.equal(await world.store.get(key), undefined);
});

test('expectUnserved: a server that lives is named, whatever its role; a dead one, or one elsewhere that shows nothing of itself, is none', async () => {
  const world = new World();
  const search = {
    store: world.store,
    env: world.sim.env(),
    own: { pid: 9, host: 'here', begun: '9' },
    lives: ({ pid }: ServerProcess) => !world.dead.has(pid),
  };
  const look = (): Promise<void> => world.sim.finish(expectUnserved(search));
  await look();
  const rs = await world.claim(1, 'here', { role: 'rs' });
  await assert.rejects(look(), { code: 'ERR_SERVER_TWICE', message: /got that of process 1 on here; stop it first/ });
  await rs.release();
  await world.claim(2, 'there', { shared: true });
  await assert.rejects(look(), { message: /process 2 on there/ });
  const silent = new World();
  await silent.claim(3, 'here');
  silent.dead.add(3);
  await silent.sim.finish(expectUnserved({ ...search, store: silent.store, env: silent.sim.env(), lives: () => false }));
});

test('a store that cannot be reached for a while: the server goes on, and has it when it is back', async () => {
  const world = new World();
  let gone = false;
  const store: Store = Object.assign(Object.create(world.store) as Store, {
    get: (key: string) => world.store.get(key),
    compareAndSet: (...args: Parameters<Store['compareAndSet']>) =>
      gone ? Promise.reject(new StoreError('ERR_STORE_IO', 'gone')) : world.store.compareAndSet(...args),
  });
  const server = await world.claim(1, 'here', { store });
  gone = true;
  await world.pass(60_000);
  gone = false;
  await world.pass(5_000);
  assert.deepEqual(world.lost, []);
  await assert.rejects(world.claim(2, 'here'), { code: 'ERR_SERVER_TWICE' });
  await server.release();
});
