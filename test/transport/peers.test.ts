import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Peer } from '../../src/coap/index.ts';
import { PeerTable } from '../../src/transport/peers.ts';

test('peers: the same object for as long as it is in use, however many others come by', () => {
  const table = new PeerTable(10);
  const known = table.get('10.0.0.1', 1);
  for (let port = 1000; port < 1100; port++) {
    table.get('10.0.0.2', port);
    assert.equal(table.get('10.0.0.1', 1), known);
  }
});

test('peers: those that stay away are forgotten', () => {
  const table = new PeerTable(10);
  const first = table.get('10.0.0.1', 1);
  const later: Peer[] = [];
  for (let port = 1000; port < 1025; port++) later.push(table.get('10.0.0.2', port));
  const again = table.get('10.0.0.1', 1);
  assert.notEqual(again, first);
  assert.deepEqual(again, first);
  assert.equal(table.get('10.0.0.2', 1024), later.at(-1));
});
