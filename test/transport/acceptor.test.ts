import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { Server, Socket } from 'node:net';
import { test } from 'node:test';
import { Acceptor } from '../../src/transport/acceptor.ts';

/** As a connection shows itself to a server: this machine has one IPv6 address only. */
class Connection extends EventEmitter {
  destroyed = false;
  readonly remoteAddress: string | undefined;

  constructor(remoteAddress: string | undefined) {
    super();
    this.remoteAddress = remoteAddress;
  }

  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }
}

test('acceptor: all addresses of an IPv6 network share the connections of one; what is refused or has ended does not count', () => {
  const server = new EventEmitter();
  const acceptor = new Acceptor(server as unknown as Server, { connections: 6, connectionsPerAddress: 2 });
  const come = (address: string | undefined): Connection => {
    const connection = new Connection(address);
    server.emit('connection', connection as unknown as Socket);
    return connection;
  };
  const first = come('2001:db8:1:2::1');
  const second = come('2001:db8:1:2:ffff::9');
  assert.deepEqual([first.destroyed, second.destroyed, acceptor.size], [false, false, 2]);
  assert.equal(come('2001:db8:1:2:3::7').destroyed, true);
  assert.equal(come('2001:db8:1:3::1').destroyed, false);
  // The same host, at a socket of both families and at one of its own.
  assert.deepEqual(
    ['::ffff:192.0.2.1', '192.0.2.1', '::ffff:192.0.2.1'].map((address) => come(address).destroyed),
    [false, false, true],
  );
  // It has ended before it was looked at.
  assert.equal(come(undefined).destroyed, true);
  assert.equal(acceptor.size, 5);
  first.destroy();
  assert.equal(come('2001:db8:1:2::8').destroyed, false);
  come('198.51.100.1');
  // No more in all.
  assert.deepEqual([acceptor.size, come('198.51.100.2').destroyed, acceptor.size], [6, true, 6]);
});
