import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Sources } from '../../src/conformance/index.ts';
import { udp } from '../../src/transport/index.ts';

const sockets = 2_000;

test('a run sends from no port twice: what the target keeps for an address is of no case before', async () => {
  const plain: number[] = [];
  const fresh: number[] = [];
  const sources = new Sources('127.0.0.1');
  for (let opened = 0; opened < sockets; opened++) {
    const [one, other] = [await udp({ address: '127.0.0.1' }), await sources.open()];
    plain.push(one.local.port);
    fresh.push(other.local.port);
    await Promise.all([one.close(), other.close()]);
  }
  assert.ok(new Set(plain).size < sockets, 'the system is expected to give a port again');
  assert.equal(new Set(fresh).size, sockets);
});
