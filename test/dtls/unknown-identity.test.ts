import assert from 'node:assert/strict';
import { test } from 'node:test';
import { named } from '#crypto/named';
import { utf8 } from '../../src/core/bytes.ts';
import { type Aead, type CryptoProvider, cryptoInUse } from '../../src/core/crypto/index.ts';
import { suitesOf } from '../../src/dtls/cipher-suites.ts';
import type { CipherSuiteName, ClientPsk } from '../../src/dtls/index.ts';
import { Simulator } from '../support/simulator.ts';
import { identity, parties, psk, serverAddress } from './parties.ts';

const provider = (await named.get(cryptoInUse())!()) as CryptoProvider & Record<string, unknown>;

const sizes = (values: readonly unknown[]): string => values.map((value) => (value instanceof Uint8Array ? value.length : typeof value)).join(' ');

/** Every operation that `work` does, with the lengths of what goes in. */
function operationsOf(work: () => void): readonly string[] {
  const operations: string[] = [];
  const note = (name: string, values: readonly unknown[]): void => {
    operations.push(`${name} ${sizes(values)}`);
  };
  const noted = (made: Aead): Aead => ({
    nonceLength: made.nonceLength,
    tagLength: made.tagLength,
    seal: (...values) => {
      note('seal', values);
      return made.seal(...values);
    },
    open: (...values) => {
      note('open', values);
      return made.open(...values);
    },
  });
  const originals = Object.entries(provider).filter((entry): entry is [string, (...values: unknown[]) => unknown] => typeof entry[1] === 'function');
  for (const [name, original] of originals) {
    Object.assign(provider, {
      [name]: (...values: unknown[]) => {
        note(name, values);
        const result = original.apply(provider, values);
        return name === 'aead' ? noted(result as Aead) : result;
      },
    });
  }
  try {
    work();
  } finally {
    Object.assign(provider, Object.fromEntries(originals));
  }
  return operations;
}

/** What the server does for a client that fails: for each datagram that it gets, its operations; and the lengths of what it answers. */
async function failureOf(suite: CipherSuiteName, client: ClientPsk): Promise<{ readonly operations: readonly string[]; readonly answers: readonly string[] }> {
  const sim = new Simulator();
  const both = parties(sim, suite, { psk: client });
  const { server } = both.server;
  const receive = server.receive.bind(server);
  const operations: string[] = [];
  server.receive = (datagram, peer) => {
    operations.push(`datagram ${datagram.length}`, ...operationsOf(() => receive(datagram, peer)));
  };
  both.client.connection.start();
  await sim.run(() => both.client.connection.isClosed, 5000);
  assert.match(both.client.error!.message, /decrypt_error/);
  await sim.run();
  const answers = sim.wire.filter(({ from }) => from.startsWith(`${serverAddress}:`)).map(({ datagram }) => `type ${datagram[0]}, ${datagram.length} bytes`);
  return { operations, answers };
}

for (const { name, keyExchange } of suitesOf('default')) {
  if (keyExchange === 'ECDHE_ECDSA') continue;
  test(`RFC 7925 6: ${name}: an unknown identity costs the operations that a wrong key costs, and gets the answers that it gets`, async () => {
    const nobody = await failureOf(name, { identity: identity.map((byte) => byte ^ 1), key: psk });
    const wrong = await failureOf(name, { identity, key: utf8('sixteen bytes no') });
    assert.deepEqual(nobody, wrong);
    const names = new Set(nobody.operations.map((operation) => operation.split(' ')[0]));
    assert.ok(
      ['hmac', 'digest', 'pHash', 'open'].every((one) => names.has(one)),
      `${[...names].join(', ')} were seen`,
    );
    assert.equal(nobody.operations.length, keyExchange === 'PSK' ? 10 : 12);
  });
}
