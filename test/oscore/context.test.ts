import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex } from '../../src/core/bytes.ts';
import { type ContextParameters, ContextTable, checkParameters, deriveContext, deriveKeys } from '../../src/oscore/index.ts';
import { mirrored, parameters } from './support.ts';

function refused(changes: Partial<ContextParameters>, message: RegExp): void {
  assert.throws(
    () => deriveContext({ ...parameters, ...changes }),
    (error: Error & { code?: string }) => {
      assert.equal(error.code, 'ERR_OSCORE_PARAMETERS');
      assert.match(error.message, message);
      return true;
    },
  );
}

test('RFC 8613 3.3: the IDs of both sides differ', () => {
  refused({ recipientId: parameters.senderId }, /Recipient ID that is not the Sender ID/);
  refused({ senderId: new Uint8Array(0), recipientId: new Uint8Array(0) }, /not the Sender ID/);
});

test('RFC 8613 3.3: an ID is at most 6 bytes shorter than the nonce', () => {
  // COSE AEAD algorithm and its nonce length.
  for (const [aead, nonceLength] of [
    [1, 12],
    [3, 12],
    [10, 13],
    [11, 13],
    [12, 7],
    [13, 7],
    [24, 12],
    [30, 13],
    [32, 7],
    [33, 7],
  ] as const) {
    const longest = new Uint8Array(nonceLength - 6);
    const tooLong = new Uint8Array(nonceLength - 5);
    deriveContext({ ...parameters, aead, senderId: longest, recipientId: new Uint8Array(0) });
    deriveContext({ ...parameters, aead, senderId: new Uint8Array(0), recipientId: longest });
    refused({ aead, senderId: tooLong }, /Sender ID of at most/);
    refused({ aead, recipientId: tooLong }, /Recipient ID of at most/);
  }
});

test('RFC 8613 3.2: parameters that nobody can use', () => {
  refused({ aead: 5 }, /AEAD algorithm/);
  refused({ hkdf: 6 }, /hkdf 5 .* or 7/);
  refused({ masterSecret: new Uint8Array(0) }, /Master Secret/);
  refused({ replayWindow: 0 }, /replay window/);
  refused({ replayWindow: 1025 }, /replay window/);
  refused({ replayWindow: 1.5 }, /replay window/);
  refused({ idContext: new Uint8Array(248) }, /ID Context of at most 247 bytes/);
  deriveContext({ ...parameters, idContext: new Uint8Array(247), replayWindow: 1024 });
});

test('RFC 8613 3.2: an error names no secret', () => {
  assert.throws(
    () => deriveContext({ ...parameters, aead: 99 }),
    (error: Error) => !error.message.includes(toHex(parameters.masterSecret)),
  );
});

test('RFC 9203 3.2.1: hkdf 5 and 7, and the values of direct+HKDF that some send', () => {
  const keys = (hkdf?: number): string => toHex(deriveKeys(checkParameters({ ...parameters, ...(hkdf === undefined ? {} : { hkdf }) })).senderKey);
  assert.equal(keys(), keys(5));
  assert.equal(keys(-10), keys(5));
  assert.equal(keys(-11), keys(7));
  assert.notEqual(keys(5), keys(7));
});

test('RFC 8613 3.2: no Master Salt is an empty one, no ID Context is not an empty one', () => {
  const { masterSalt: _, ...unsalted } = parameters;
  const key = (of: ContextParameters): string => toHex(deriveKeys(checkParameters(of)).senderKey);
  assert.equal(key(unsalted), key({ ...unsalted, masterSalt: new Uint8Array(0) }));
  assert.notEqual(key(unsalted), key({ ...unsalted, idContext: new Uint8Array(0) }));
});

test('RFC 8613 7.2: the counter is named after the keys, not after the configuration', () => {
  const context = deriveContext(parameters);
  assert.equal(deriveContext({ ...parameters, aead: 10, hkdf: 5, replayWindow: 64 }, { credential: 'other' }).senderKeyId, context.senderKeyId);
  assert.match(context.senderKeyId, /^[A-Za-z0-9_-]{22}$/);
  for (const other of [
    mirrored(parameters),
    { ...parameters, idContext: fromHex('01') },
    { ...parameters, aead: 30 },
    { ...parameters, masterSalt: fromHex('00') },
  ])
    assert.notEqual(deriveContext(other).senderKeyId, context.senderKeyId);
});

test('contexts: parameters are copied, ids of associations are unique', () => {
  const senderId = fromHex('c1');
  const context = deriveContext({ ...parameters, senderId });
  senderId[0] = 0;
  assert.equal(toHex(context.senderId), 'c1');
  assert.notEqual(context.id, deriveContext(parameters).id);
  assert.equal(context.kind, 'oscore');
  assert.equal(context.credential, undefined);
  assert.equal(deriveContext(parameters, { credential: 'coap_oscore:as:AQ' }).credential, 'coap_oscore:as:AQ');
});

function received(recipientId: string, idContext?: string) {
  return deriveContext({
    ...parameters,
    senderId: fromHex('ff'),
    recipientId: fromHex(recipientId),
    ...(idContext === undefined ? {} : { idContext: fromHex(idContext) }),
  });
}

test('RFC 8613 5.1: contexts are found by kid and kid context', () => {
  const table = new ContextTable();
  const plain = received('01');
  const first = received('01', 'aa');
  const second = received('01', 'bb');
  const only = received('02', 'aa');
  for (const context of [first, plain, second, only]) table.add(context);
  const kid = fromHex('01');
  assert.equal(table.find(kid), plain);
  assert.equal(table.find(kid, fromHex('aa')), first);
  assert.equal(table.find(kid, fromHex('bb')), second);
  assert.equal(table.find(kid, fromHex('cc')), undefined);
  assert.equal(table.find(kid, new Uint8Array(0)), undefined);
  assert.equal(table.find(fromHex('02')), only, 'the only one with this kid');
  assert.equal(table.find(fromHex('02'), fromHex('bb')), undefined, 'a kid context that is there counts');
  assert.equal(table.find(fromHex('0001')), undefined);
  table.remove(plain);
  assert.equal(table.find(kid), undefined, 'two with an ID Context are left');
  table.remove(second);
  assert.equal(table.find(kid), first);
});

test('context table: a second context of the same Recipient ID and ID Context is refused, unless it replaces', () => {
  const table = new ContextTable();
  const old = received('01');
  const next = received('01');
  table.add(old);
  table.add(old);
  assert.throws(() => table.add(next), { code: 'ERR_OSCORE_COLLISION' });
  const removed: string[] = [];
  table.onRemoved(({ id }) => removed.push(id));
  assert.equal(table.replace(next), old);
  assert.deepEqual(removed, [old.id]);
  assert.ok(table.has(next) && !table.has(old));
  assert.equal(table.replace(next), undefined);
  assert.equal(table.size, 1);
  assert.equal(table.remove(old), false);
  assert.equal(table.remove(next), true);
  assert.equal(table.size, 0);
});

test('context table: it is bounded', () => {
  const table = new ContextTable({ limit: 2 });
  table.add(received('01'));
  table.add(received('02'));
  assert.throws(() => table.add(received('03')), { code: 'ERR_OSCORE_LIMIT' });
  assert.equal(table.find(fromHex('03')), undefined);
  table.replace(received('02'));
  assert.equal(table.size, 2);
});

test('context table: the shortest Recipient ID that is free', () => {
  const table = new ContextTable();
  const zeros = (length: number): Uint8Array => new Uint8Array(length);
  assert.equal(toHex(table.freeRecipientId(zeros)), '00');
  table.add(received('00'));
  table.add(received('01', 'aa'));
  assert.equal(toHex(table.freeRecipientId(zeros)), '02');
  assert.equal(toHex(table.freeRecipientId(zeros, [fromHex('02'), fromHex('03')])), '04');
  assert.equal(toHex(table.freeRecipientId((length) => new Uint8Array(length).fill(0xff))), 'ff');
  const all = Array.from({ length: 256 }, (_, id) => Uint8Array.of(id));
  assert.equal(toHex(table.freeRecipientId(zeros, all)), '0000');
  assert.throws(() => table.freeRecipientId(zeros, all, 1), { code: 'ERR_OSCORE_LIMIT' });
  assert.equal(toHex(table.freeRecipientId((length) => new Uint8Array(length).fill(0xff), [fromHex('ff')])), '02', 'after the last comes the first');
});
