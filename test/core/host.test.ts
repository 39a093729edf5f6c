import assert from 'node:assert/strict';
import { BlockList, isIP, SocketAddress } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonicalHost, isLoopback } from '../../src/core/host.ts';

test('RFC 5952 4: an address is one, however it is written', () => {
  const alike = {
    '127.0.0.1': [
      '127.0.0.1',
      '127.1',
      '0x7f.1',
      '0177.0.0.1',
      '2130706433',
      '127.0.0.1.',
      '::ffff:127.0.0.1',
      '::ffff:7f00:1',
      '0:0:0:0:0:ffff:7f00:1',
      '\uff11\uff12\uff17.0.0.1',
      '127\u30020.0.1',
    ],
    '::1': ['::1', '0:0:0:0:0:0:0:1', '0000::0001', '::0.0.0.1', '::1%lo', '::1%1'],
    'fd00::7': ['fd00::7', 'FD00:0:0:0::7', 'fd00:0000:0000:0000:0000:0000:0000:0007'],
    'fe80::1%eth0': ['fe80::1%eth0', 'fe80:0::1%eth0'],
    'ff02::fd%eth0': ['ff02::fd%eth0', 'ff02:0:0::fd%eth0'],
  };
  for (const [canonical, written] of Object.entries(alike)) for (const one of written) assert.equal(canonicalHost(one), canonical, one);
});

test('a name, and what is no host, stays as it is', () => {
  for (const host of ['localhost', 'a.example', '1.example', 'b\u00fccher.example', 'x_y', '', '1.2.3.4.5', '256.1.1.1', '1::2::3', ':', '%', 'a%', '::1:%'])
    assert.equal(canonicalHost(host), host, host);
});

test('what Node takes for one address has one form, which is canonical', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (host) => {
      const canonical = canonicalHost(host.toLowerCase());
      assert.notEqual(isIP(canonical), 0);
      assert.equal(canonicalHost(canonical), canonical);
      const one = new BlockList();
      one.addAddress(canonical, isIP(canonical) === 4 ? 'ipv4' : 'ipv6');
      assert.ok(one.check(new SocketAddress({ address: host, family: isIP(host) === 4 ? 'ipv4' : 'ipv6' })));
    }),
  );
});

test('loopback is an address, and no name that begins like one', () => {
  for (const address of ['127.0.0.1', '127.9.9.9', '127.1', '::1', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1']) assert.ok(isLoopback(address), address);
  for (const address of ['127.example', '127.0.0.1.example', '128.0.0.1', '::2', '0.0.0.0', '::', '']) assert.ok(!isLoopback(address), address);
});
