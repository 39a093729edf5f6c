import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decodeIntrospectionResponse,
  decodeTrlResponse,
  encodeIntrospectionRequest,
  type TrlResponse,
  tokenHash,
  tokenHashText,
} from '../../../src/ace/index.ts';
import { Administration } from '../../../src/as/index.ts';
import { storedCredential } from '../../../src/as/registry/registration-store.ts';
import { Revocations } from '../../../src/as/trl/revocations.ts';
import { TrlEndpoint, type TrlOptions } from '../../../src/as/trl/trl-endpoint.ts';
import { decodeProblemDetails, formatCode, OptionNumber, type Response, uintOf, uintOption } from '../../../src/coap/index.ts';
import { emptyBytes, toBase64Url } from '../../../src/core/bytes.ts';
import { memoryStore, type Store, StoreError } from '../../../src/store/index.ts';
import { Clock } from '../../ace/clock.ts';
import { rs9, stored } from '../admin/office.ts';
import { association, encryptKey, keysOf, Workbench } from '../support.ts';

/** The list of an AS without an engine. */
class Desk extends Workbench {
  readonly revocations: Revocations;
  readonly trl: TrlEndpoint;
  observers = 0;
  readonly peers = ['client:c1', 'client:c2', 'rs:rs1', 'rs:rs2'];
  readonly notified: string[] = [];

  constructor(options: TrlOptions & { readonly updates?: number } = {}, bench: ConstructorParameters<typeof Workbench>[0] = {}) {
    super(bench);
    const { updates, ...rest } = options;
    this.revocations = new Revocations({ store: this.store, env: this.clock, ...(updates === undefined ? {} : { updates }) });
    this.trl = new TrlEndpoint({ ...rest, registry: this.registry, revocations: this.revocations, env: this.clock, emit: (event) => this.events.push(event) });
    const desk = this;
    this.trl.attach({
      get observers() {
        return desk.observers;
      },
      changed: (whom) => {
        for (const name of this.peers) {
          if (whom!({ code: 1, options: [], payload: emptyBytes, peer: { key: '', address: '', port: 0 }, association: association(name) }))
            this.notified.push(name);
        }
      },
    });
  }

  get(credential: string | undefined, query = '', observe = false): Promise<Response> {
    return this.trl.answer({
      options: observe ? [uintOption(OptionNumber.Observe, 0)] : [],
      query: query === '' ? [] : query.split('&'),
      payload: emptyBytes,
      association: association(credential),
    });
  }

  async list(credential: string, query = ''): Promise<TrlResponse> {
    const answer = await this.get(credential, query);
    assert.equal(formatCode(answer.code), '2.05');
    assert.equal(uintOf(answer.options, OptionNumber.ContentFormat), 262);
    return decodeTrlResponse(answer.payload);
  }

  /** The error-id and, where it is there, the cursor beside it. */
  async error(credential: string, query: string): Promise<readonly unknown[]> {
    const answer = await this.get(credential, query);
    assert.equal(formatCode(answer.code), '4.00', query);
    assert.equal(uintOf(answer.options, OptionNumber.ContentFormat), 257);
    const entry = decodeProblemDetails(answer.payload).entries?.get(1) as ReadonlyMap<number, unknown>;
    return [...entry.entries()].flatMap(([key, value]) => (key === 0 ? [value] : key === 1 ? ['cursor', value] : ['other']));
  }

  async issue(credential = 'client:c1', audience = 'rs1'): Promise<Uint8Array> {
    return (await this.granted(credential, { audience })).response.accessToken;
  }

  async revoked(credential = 'client:c1', audience = 'rs1'): Promise<string> {
    const hash = tokenHashText(await this.issue(credential, audience));
    assert.equal((await this.revocations.revoke(hash))?.again, false);
    return hash;
  }
}

const texts = (hashes: readonly Uint8Array[] | undefined): string[] => (hashes ?? []).map(toBase64Url).sort();
const added = ({ diffSet }: TrlResponse): string[][] => (diffSet ?? []).map((entry) => texts(entry.added));

test('RFC 9770 5: the list is empty at first; what is revoked is on it, inactive to introspection, and gone when it has expired', async () => {
  const desk = new Desk();
  assert.deepEqual(await desk.list('rs:rs1'), { fullSet: [], cursor: null });
  const token = await desk.issue();
  const active = async (): Promise<boolean> => {
    const payload = encodeIntrospectionRequest({ token });
    return decodeIntrospectionResponse((await desk.introspection.answer({ payload, contentFormat: 19, association: association('rs:rs1') })).payload).active;
  };
  assert.equal(await active(), true);
  const [first, second] = await Promise.all([desk.revocations.revoke(tokenHashText(token)), desk.revocations.revoke(tokenHashText(token))]);
  assert.deepEqual([first?.again, second?.again].sort(), [false, true], 'once, whoever comes first');
  assert.equal(await active(), false);
  assert.deepEqual(await desk.list('rs:rs1'), { fullSet: [tokenHash(token)], cursor: 0 });
  await desk.clock.advance(3600);
  assert.deepEqual(await desk.list('rs:rs1'), { fullSet: [], cursor: 1 });
  assert.deepEqual(await desk.list('rs:rs1', 'diff=0'), {
    diffSet: [
      { removed: [tokenHash(token)], added: [] },
      { removed: [], added: [tokenHash(token)] },
    ],
    cursor: 1,
    more: false,
  });
  assert.deepEqual(await keysOf(desk.store, 'as/trl/end/'), []);
  assert.deepEqual(await keysOf(desk.store, 'as/trl/set/'), []);
  assert.equal(await desk.revocations.revoke(tokenHashText(token)), undefined, 'it has expired');
  assert.equal(await desk.revocations.revoke('nobody'), undefined);
  desk.close();
});

test('RFC 9770 5.1: what expired since the last look leaves in one update for each requester', async () => {
  const desk = new Desk();
  for (let i = 0; i < 3; i++) await desk.revoked();
  await desk.revoked('client:c2');
  await desk.clock.advance(3601);
  const { diffSet, cursor } = await desk.list('rs:rs1', 'diff=1');
  assert.equal(diffSet?.[0]?.removed.length, 4);
  assert.equal(cursor, 4);
  assert.equal((await desk.list('client:c2', 'diff=0')).diffSet?.[0]?.removed.length, 1);
  desk.close();
});

test('RFC 9770 5.1: what expired leaves also where nobody looks: the list holds what lives', async () => {
  const desk = new Desk();
  await desk.revoked();
  await desk.clock.advance(3601);
  const living = await desk.revoked();
  assert.deepEqual(
    (await keysOf(desk.store, 'as/trl/end/')).map((key) => key.split('/').at(-1)),
    [living],
  );
  assert.equal((await keysOf(desk.store, 'as/trl/set/')).length, 2);
  desk.close();
});

test('RFC 9770 8 and 13.1: a requester sees its own part, an administrator all, a stranger nothing', async () => {
  const desk = new Desk({ administrators: ['c4'] });
  const one = await desk.revoked('client:c1', 'rs1');
  const two = await desk.revoked('client:c1', 'rs2');
  const three = await desk.revoked('client:c2', 'rs1');
  const seen = async (name: string): Promise<string[]> => texts((await desk.list(name)).fullSet);
  assert.deepEqual(await seen('client:c1'), [one, two].sort());
  assert.deepEqual(await seen('client:c2'), [three]);
  assert.deepEqual(await seen('client:c3'), []);
  assert.deepEqual(await seen('rs:rs1'), [one, three].sort());
  assert.deepEqual(await seen('rs:rs2'), [two]);
  assert.deepEqual(await seen('client:c4'), [one, two, three].sort());
  assert.deepEqual(added(await desk.list('client:c4', 'diff=0')), [[three], [two], [one]]);
  assert.deepEqual((await desk.list('client:c3')).cursor, null);
  for (const name of [undefined, 'client:c9', 'rs:c1']) {
    const answer = await desk.get(name);
    assert.equal(formatCode(answer.code), '4.01');
    assert.equal(answer.payload.length, 0);
  }
  desk.close();
});

test('RFC 9770 6.3: hostile and wrong query parameters', async () => {
  const desk = new Desk();
  const hostile = ['diff', 'diff=', 'diff=-1', 'diff=01', 'diff=1.5', 'diff=1e3', 'diff=0x1', 'diff= 1', 'diff=NaN', 'diff=1&diff=2'];
  for (const query of hostile) assert.deepEqual(await desk.error('rs:rs1', query), [0], query);
  // Whatever the cursor.
  assert.deepEqual(await desk.error('rs:rs1', 'diff=x&cursor=y'), [0]);
  assert.deepEqual(await desk.error('rs:rs1', 'cursor=0'), [1]);
  assert.deepEqual(await desk.error('rs:rs1', 'cursor=y'), [1]);
  assert.deepEqual(await desk.error('rs:rs1', 'diff=0&cursor=-53'), [0, 'cursor', null]);
  // The collection is empty: any cursor that can be is taken.
  assert.deepEqual(await desk.list('rs:rs1', 'diff=0&cursor=4294967295'), { diffSet: [], cursor: null, more: false });
  await desk.revoked();
  await desk.revoked();
  for (const cursor of ['-53', '4294967296', '9'.repeat(400), '', '1&cursor=1', '0 ', '1;2']) {
    assert.deepEqual(await desk.error('rs:rs1', `diff=0&cursor=${cursor}`), [0, 'cursor', 1], cursor);
  }
  assert.deepEqual(await desk.error('rs:rs1', 'diff=0&cursor=2'), [2]);
  assert.deepEqual((await desk.list('rs:rs1', 'cursors=7&c.pmax=10&x')).cursor, 1, 'unknown parameters are passed over');
  assert.equal((await desk.list('rs:rs1', `diff=${'9'.repeat(400)}`)).diffSet?.length, 2);
  desk.close();
});

test('RFC 9770 9.2.2: without a cursor, the eldest of the last NUM in batches, each with where to go on', async () => {
  const desk = new Desk({ batch: 2, updates: 5 });
  const all: string[] = [];
  for (let i = 0; i < 7; i++) all.push(await desk.revoked());
  // Five are kept: 2 to 6.
  const first = await desk.list('rs:rs1', 'diff=0');
  assert.deepEqual([added(first), first.cursor, first.more], [[[all[3]!], [all[2]!]], 3, true]);
  const next = await desk.list('rs:rs1', 'diff=0&cursor=3');
  assert.deepEqual([added(next), next.cursor, next.more], [[[all[5]!], [all[4]!]], 5, true]);
  const last = await desk.list('rs:rs1', 'diff=0&cursor=5');
  assert.deepEqual([added(last), last.cursor, last.more], [[[all[6]!]], 6, false]);
  assert.deepEqual(await desk.list('rs:rs1', 'diff=0&cursor=6'), { diffSet: [], cursor: 6, more: false });
  const one = await desk.list('rs:rs1', 'diff=1');
  assert.deepEqual([added(one), one.cursor, one.more], [[[all[6]!]], 6, false]);
  const three = await desk.list('rs:rs1', 'diff=3');
  assert.deepEqual([added(three), three.cursor, three.more], [[[all[5]!], [all[4]!]], 5, true]);
  // More than are kept: as many as are.
  assert.deepEqual(await desk.list('rs:rs1', 'diff=600'), first);
  desk.close();
});

test('RFC 9770 9.2.3: case A when X and Y are gone, case B when Y is there', async () => {
  const desk = new Desk({ batch: 2, updates: 3 });
  const all: string[] = [];
  for (let i = 0; i < 6; i++) all.push(await desk.revoked());
  // 3, 4 and 5 are kept.
  assert.deepEqual(await desk.list('rs:rs1', 'diff=0&cursor=1'), { diffSet: [], cursor: null, more: true });
  const next = await desk.list('rs:rs1', 'diff=0&cursor=2');
  assert.deepEqual([added(next), next.cursor, next.more], [[[all[4]!], [all[3]!]], 4, true]);
  // NUM of the last, although older ones follow the cursor.
  const newest = await desk.list('rs:rs1', 'diff=1&cursor=2');
  assert.deepEqual([added(newest), newest.cursor, newest.more], [[[all[5]!]], 5, false]);
  desk.close();
});

test('RFC 9770 6.2.1: index wraps around after MAX_INDEX', async () => {
  const desk = new Desk({ batch: 2, updates: 3, maxIndex: 3 });
  const all: string[] = [];
  for (let i = 0; i < 4; i++) all.push(await desk.revoked());
  assert.equal((await desk.list('rs:rs1')).cursor, 3);
  assert.deepEqual(await desk.error('rs:rs1', 'diff=0&cursor=4'), [0, 'cursor', 3]);
  all.push(await desk.revoked(), await desk.revoked());
  // Indexes 3, 0 and 1 are kept, and 1 is the last.
  assert.equal((await desk.list('rs:rs1')).cursor, 1);
  const next = await desk.list('rs:rs1', 'diff=0&cursor=3');
  assert.deepEqual([added(next), next.cursor, next.more], [[[all[5]!], [all[4]!]], 1, false]);
  // 2 is not there, and 3 follows it.
  const before = await desk.list('rs:rs1', 'diff=0&cursor=2');
  assert.deepEqual([added(before), before.cursor, before.more], [[[all[4]!], [all[3]!]], 0, true]);
  desk.close();
});

test('RFC 9770 11: who observes is told of what pertains to it, also of what another process on the store did, within a second', async () => {
  const desk = new Desk({ administrators: ['c2'] });
  const other = new Revocations({ store: desk.store, env: desk.clock });
  const token = await desk.issue('client:c1', 'rs1');
  await desk.get('rs:rs1', '', true);
  desk.observers = 1;
  await other.revoke(tokenHashText(token));
  assert.deepEqual(desk.notified, []);
  await desk.clock.advance(1);
  assert.deepEqual(desk.notified, ['client:c1', 'client:c2', 'rs:rs1']);
  await desk.clock.advance(60);
  assert.equal(desk.notified.length, 3);
  // And when it expires.
  await desk.clock.advance(3600);
  assert.equal(desk.notified.length, 6);
  desk.observers = 0;
  await desk.clock.advance(2);
  await other.revoke(tokenHashText(await desk.issue('client:c1', 'rs1')));
  await desk.clock.advance(5);
  assert.equal(desk.notified.length, 6, 'nobody observes, nobody looks');
  desk.trl.close();
  desk.close();
});

test('RFC 9770 11: peers of the store who observe are told as those of the configuration are', async () => {
  const desk = new Desk({ administrators: ['chief'] });
  const administration = new Administration({ store: desk.store, registry: desk.registry, env: desk.clock, revoke: async () => false });
  await administration.addResourceServer({ ...rs9, tokenKeys: [encryptKey(8)] });
  await administration.addClient(stored('c9', 9, { grants: [{ audience: 'rs9', scope: 'a' }] }));
  await administration.addClient(stored('chief', 10));
  await administration.addClient(stored('c10', 11));
  const credentials = new Map<string, string>();
  for (const [kind, id] of [
    ['client', 'c9'],
    ['client', 'chief'],
    ['client', 'c10'],
    ['rs', 'rs9'],
  ] as const) {
    credentials.set(id, storedCredential({ kind, id }, (await desk.registry.stored.peer({ kind, id }))!.stored.revision));
  }
  desk.peers.push(...credentials.values());
  for (const credential of credentials.values()) await desk.get(credential, '', true);
  desk.observers = 4;
  await new Revocations({ store: desk.store, env: desk.clock }).revoke(tokenHashText(await desk.issue(credentials.get('c9')!, 'rs9')));
  await desk.clock.advance(1);
  assert.deepEqual(desk.notified, [credentials.get('c9'), credentials.get('chief'), credentials.get('rs9')]);
  desk.trl.close();
  desk.close();
});

test('RFC 9770 11: who has asked to observe is told, also where it takes a while to make an observer of it', async () => {
  const desk = new Desk();
  const token = await desk.issue('client:c1', 'rs1');
  await desk.get('rs:rs1', '', true);
  // The answer waits for the audit log.
  await desk.clock.advance(3);
  desk.observers = 1;
  await new Revocations({ store: desk.store, env: desk.clock }).revoke(tokenHashText(token));
  await desk.clock.advance(1);
  assert.deepEqual(desk.notified, ['client:c1', 'rs:rs1']);
  desk.trl.close();
  desk.close();
});

test('RFC 9770 11: a store that fails when somebody asks to observe keeps nobody from it who asks again', async () => {
  const clock = new Clock();
  const inner = memoryStore({ env: clock });
  let fails = true;
  let looks = 0;
  const get: Store['get'] = async (key) => {
    if (key === 'as/trl/updates/admin') looks++;
    if (fails && key === 'as/trl/updates/admin') throw new StoreError('ERR_STORE_IO', 'expected a store that is there, got none');
    return inner.get(key);
  };
  const desk = new Desk({}, { store: { ...inner, get }, clock });
  await assert.rejects(desk.get('rs:rs1', '', true), { code: 'ERR_STORE_IO' });
  fails = false;
  await desk.clock.advance(5);
  assert.equal(formatCode((await desk.get('rs:rs1', '', true)).code), '2.05');
  desk.observers = 1;
  await new Revocations({ store: desk.store, env: desk.clock }).revoke(tokenHashText(await desk.issue('client:c1', 'rs1')));
  await desk.clock.advance(1);
  assert.deepEqual(desk.notified, ['client:c1', 'rs:rs1']);
  looks = 0;
  await desk.clock.advance(1);
  assert.equal(looks, 1, 'one watch');
  desk.trl.close();
  desk.close();
});

test('RFC 9770 5 and 10: a disk that is full keeps nobody from the list, nor from what another process has revoked', async () => {
  const clock = new Clock();
  const inner = memoryStore({ env: clock });
  let isFull = false;
  const batch: Store['batch'] = async (changes) => {
    if (isFull) throw new StoreError('ERR_STORE_FULL', 'expected a disk with room, got none');
    return inner.batch(changes);
  };
  const desk = new Desk({}, { store: { ...inner, batch }, clock });
  const other = new Revocations({ store: inner, env: clock });
  await desk.revoked();
  await clock.advance(1800);
  const [second, third] = [await desk.revoked(), await desk.issue()];
  await clock.advance(1801);
  isFull = true;
  // The first has expired, and cannot be taken from the list.
  assert.equal(
    (await desk.list('rs:rs1')).fullSet?.some((hash) => toBase64Url(hash) === second),
    true,
  );
  await desk.get('rs:rs1', '', true);
  desk.observers = 1;
  assert.ok(desk.events.some((event) => event.type === 'fault' && event.reason === 'ERR_STORE_FULL'));
  await other.revoke(tokenHashText(third));
  await clock.advance(1);
  assert.deepEqual(desk.notified, ['client:c1', 'rs:rs1']);
  desk.trl.close();
  desk.close();
});

test('RFC 9770 6.2: the list survives a restart, and cursors stay good', async () => {
  const desk = new Desk();
  const first = await desk.revoked();
  const { cursor } = await desk.list('client:c1');
  desk.close();
  const again = new Desk({}, { store: desk.store, clock: desk.clock });
  const second = await again.revoked();
  assert.deepEqual(texts((await again.list('client:c1')).fullSet), [first, second].sort());
  assert.deepEqual(added(await again.list('client:c1', `diff=0&cursor=${cursor}`)), [[second]]);
  again.close();
});

test('RFC 9770 6.2: two processes that revoke at once lose nothing', async () => {
  const desk = new Desk();
  const other = new Revocations({ store: desk.store, env: desk.clock });
  const hashes: string[] = [];
  for (let i = 0; i < 10; i++) hashes.push(tokenHashText(await desk.issue()));
  await Promise.all(hashes.map((hash, index) => (index % 2 === 0 ? desk.revocations : other).revoke(hash)));
  assert.deepEqual(texts((await desk.list('rs:rs1')).fullSet), [...hashes].sort());
  const { diffSet, cursor } = await desk.list('rs:rs1', 'diff=0');
  assert.equal(cursor, 9);
  assert.deepEqual((diffSet ?? []).flatMap((entry) => texts(entry.added)).sort(), [...hashes].sort());
  desk.close();
});
