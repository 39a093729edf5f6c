import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { NumberTable } from '../../src/core/number-table.ts';
import { Queue, type Queued } from '../../src/core/queue.ts';
import { type Member, Roster } from '../../src/core/roster.ts';

class Thing implements Member, Queued<Thing> {
  place = -1;
  before: Thing | undefined = undefined;
  after: Thing | undefined = undefined;
  readonly ballast: readonly number[];

  constructor(ballast = 0) {
    this.ballast = new Array<number>(ballast).fill(0);
  }
}

interface Holder {
  add(number: number, thing: Thing): void;
  delete(number: number, thing: Thing): void;
}

test('roster: members are added, let go and listed as in a set', () => {
  const steps = fc.array(fc.tuple(fc.constantFrom('add', 'delete', 'clear'), fc.nat(15)), { maxLength: 200 });
  fc.assert(
    fc.property(steps, (taken) => {
      const things = Array.from({ length: 16 }, () => new Thing());
      const roster = new Roster<Thing>();
      const model = new Set<Thing>();
      for (const [step, index] of taken) {
        const thing = things[index]!;
        if (step === 'add') {
          roster.add(thing);
          model.add(thing);
        } else if (step === 'delete') assert.equal(roster.delete(thing), model.delete(thing));
        else if (index === 0) {
          roster.clear();
          model.clear();
        }
        assert.equal(roster.size, model.size);
      }
      const all = roster.all();
      assert.equal(all.length, model.size);
      assert.deepEqual(new Set(all), model);
      for (const thing of things) {
        assert.equal(
          roster.some((member) => member === thing),
          model.has(thing),
        );
        assert.equal(thing.place >= 0, model.has(thing));
      }
    }),
  );
});

test('queue: members are added, moved to the end, let go and listed in order', () => {
  const steps = fc.array(fc.tuple(fc.boolean(), fc.nat(7)), { maxLength: 200 });
  fc.assert(
    fc.property(steps, (taken) => {
      const things = Array.from({ length: 8 }, () => new Thing());
      const queue = new Queue<Thing>();
      const model = new Set<Thing>();
      for (const [adds, index] of taken) {
        const thing = things[index]!;
        const wasThere = model.delete(thing);
        if (adds) {
          queue.add(thing);
          model.add(thing);
        } else assert.equal(queue.delete(thing), wasThere);
        const order = [...model];
        assert.equal(queue.size, order.length);
        assert.equal(queue.first, order[0]);
        assert.ok(queue.all().every((member, place) => member === order[place]));
        for (const each of things) {
          assert.equal(queue.has(each), model.has(each));
          // Who is let go holds on to nobody.
          if (!model.has(each)) assert.deepEqual([each.before, each.after], [undefined, undefined]);
        }
      }
    }),
  );
});

test('number table: what is set, found and deleted is as in a map, whatever the numbers', () => {
  const number = fc.oneof(fc.nat(40), fc.constantFrom(-1, 0, 2 ** 16, 2 ** 31, 2 ** 32 - 1), fc.nat(0xffff), fc.integer({ min: 0, max: 2 ** 32 - 1 }));
  const steps = fc.array(fc.tuple(fc.constantFrom('set', 'set', 'delete'), number), { maxLength: 400 });
  fc.assert(
    fc.property(steps, (taken) => {
      const table = new NumberTable<Thing>();
      const model = new Map<number, Thing>();
      for (const [step, key] of taken) {
        assert.equal(table.get(key), model.get(key));
        if (step === 'set') {
          const thing = new Thing();
          table.set(key, thing);
          model.set(key, thing);
        } else assert.equal(table.delete(key), model.delete(key));
        assert.equal(table.size, model.size);
      }
      for (const [key, thing] of model) assert.equal(table.get(key), thing);
      assert.deepEqual(new Set(table.all()), new Set(model.values()));
      assert.equal(
        table.some((thing) => thing.place >= 0),
        false,
      );
      for (const key of [...model.keys()]) assert.equal(table.delete(key), true);
      assert.deepEqual([table.size, table.all(), [...model.keys()].map((key) => table.get(key)).filter((thing) => thing !== undefined)], [0, [], []]);
    }),
  );
});

test('number table: a look for a number that is not there is short, however many others follow each other', () => {
  const table = new NumberTable<Thing>();
  for (let i = 0; i < 10_000; i++) table.set(i, new Thing());
  const started = performance.now();
  for (let i = 0; i < 1_000_000; i++) assert.ok(table.get(20_000 + (i % 1000)) === undefined);
  // In one long row each of them would look at thousands of places.
  assert.ok(performance.now() - started < 5_000);
});

/** Bytes that old space grows by while things of some 2 kB come and go, 64 at a time; what is gone should have gone while it was young. */
function promoted(holder: Holder): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const old = (): number => getHeapSpaceStatistics().find(({ space_name: name }) => name === 'old_space')!.space_used_size;
  const there: Thing[] = [];
  const turn = (i: number): void => {
    const thing = new Thing(250);
    holder.add(i, thing);
    there[i % 64] = thing;
    const earlier = there[(i + 1) % 64];
    if (earlier !== undefined) holder.delete(i - 63, earlier);
  };
  let i = 0;
  for (; i < 10_000; i++) turn(i);
  collect();
  const before = old();
  let most = 0;
  for (const end = i + 50_000; i < end; i++) {
    turn(i);
    if (i % 1000 === 0) most = Math.max(most, old() - before);
  }
  return most;
}

test('roster, queue and number table: what is gone is collected while it is young, where a map and a set keep it', (t) => {
  const roster = new Roster<Thing>();
  const queue = new Queue<Thing>();
  const table = new NumberTable<Thing>();
  const map = new Map<number, Thing>();
  const ofRoster = promoted({ add: (_number, thing) => roster.add(thing), delete: (_number, thing) => roster.delete(thing) });
  const ofQueue = promoted({ add: (_number, thing) => queue.add(thing), delete: (_number, thing) => queue.delete(thing) });
  const ofTable = promoted({ add: (number, thing) => table.set(number, thing), delete: (number) => table.delete(number) });
  const ofMap = promoted({ add: (number, thing) => map.set(number, thing), delete: (number) => map.delete(number) });
  t.diagnostic(`bytes: roster ${ofRoster}, queue ${ofQueue}, number table ${ofTable}, map ${ofMap}`);
  assert.ok(ofRoster < 2_000_000, `roster: ${ofRoster} bytes`);
  assert.ok(ofQueue < 2_000_000, `queue: ${ofQueue} bytes`);
  assert.ok(ofTable < 2_000_000, `number table: ${ofTable} bytes`);
  // What these are for. Should a map not do this any more, they can go.
  assert.ok(ofMap > 2 * Math.max(ofRoster, ofQueue, ofTable), `map: ${ofMap} bytes`);
});
