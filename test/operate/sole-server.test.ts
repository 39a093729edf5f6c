import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ServerProcess, SoleServer, type SoleServerError, type SoleServerOptions } from '../../src/operate/index.ts';
import { memoryStore, type Store, StoreError } from '../../src/store/index.ts';
import { Simulator } from '../support/simulator.ts';

/** Processes of several machines, on one store. */
class World {
  readonly sim = new Simulator();
  readonly store: Store = memoryStore({ env: this.sim.env() });
  readonly dead = new Set<number>();
  readonly lost: number[] = [];

  claim(pid: number, host: string, options: Partial<SoleServerOptions> = {}): Promise<SoleServer> {
    const own: ServerProcess = { pid, host, begun: `${pid}` };
    const lost = (error: SoleServerError): void => {
      assert.equal(error.code, 'ERR_SERVER_TWICE');
      this.lost.push(pid);
    };
    const server = SoleServer.claim({
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
