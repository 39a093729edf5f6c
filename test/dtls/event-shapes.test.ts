import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import type { CipherSuiteName } from '../../src/dtls/index.ts';
import { Simulator } from '../support/simulator.ts';
import { ClientParty, configsOf, ServerParty } from './parties.ts';

setFlagsFromString('--allow-natives-syntax');
/** Whether two objects have the same hidden class. */
const alike = new Function('one', 'other', 'return %HaveSameMap(one, other)') as (one: object, other: object) => boolean;

const suites: readonly CipherSuiteName[] = ['TLS_PSK_WITH_AES_128_CCM_8', 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'];

for (const suite of suites) {
  test(`${suite}: events of a kind have one hidden class, so that no read of them is a miss`, async () => {
    const sim = new Simulator();
    const server = new ServerParty(sim, configsOf(suite).server);
    for (let i = 0; i < 50; i++) {
      const client = new ClientParty(sim, configsOf(suite).client, `10.0.1.${i}`);
      client.connection.start();
      await sim.sleep(100);
      client.connection.close();
      await sim.sleep(100);
    }
    for (const type of ['psk-identity', 'peer-key', 'connected', 'closed'] as const) {
      const events = server.all(type);
      if (type !== (suite.includes('PSK') ? 'peer-key' : 'psk-identity')) assert.equal(events.length, 50, type);
      for (const event of events) assert.ok(alike(event, events[0]!), `${type}: expected the hidden class of the first one, got another`);
    }
  });
}
