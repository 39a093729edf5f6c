import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { restoreRules } from '../../src/operate/index.ts';
import { backupStore, memoryStore, type RestoreRules, restoreStore, type Store } from '../../src/store/index.ts';
import { Parties, rsUri } from '../client/parties.ts';
import { repeats } from '../client/repeats.ts';

const roles = ['as', 'rs', 'client'] as const;
const skip = 1_000;
/** More than a client reserves at once. */
const requests = 70;

async function backUp(parties: Parties): Promise<Record<(typeof roles)[number], Store>> {
  const [as, rs, client] = roles.map(() => memoryStore({ env: parties.simulator.env() })) as [Store, Store, Store];
  const backups = { as, rs, client };
  for (const role of roles) await backupStore(parties.stores[role], backups[role]);
  return backups;
}

/** AS, RS and client go back to what their stores held when they had done half of their work. */
async function wentBack(which: readonly (typeof roles)[number][], rules: RestoreRules): Promise<Parties> {
  const parties = await new Parties().start();
  const work = async (): Promise<void> => {
    for (let i = 0; i < requests; i++) {
      const { codeText } = await parties.finish(parties.client.fetch(`${rsUri}/led`, { method: 'PUT', payload: `${parties.handled.length}` }));
      assert.equal(codeText, '2.04');
    }
  };
  await work();
  const backups = await backUp(parties);
  await work();
  await parties.close();
  for (const role of which) {
    parties.stores[role] = memoryStore({ env: parties.simulator.env() });
    await restoreStore(backups[role], parties.stores[role], { rules, skip });
  }
  await parties.start();
  await work();
  assert.equal(parties.led, String(3 * requests - 1));
  await parties.close();
  return parties;
}

describe('a store that is restored', () => {
  for (const which of [['as'], ['rs'], ['client'], roles] as const) {
    it(`RFC 8613, 7.2.1: no number is used again (${which.join(', ')})`, async () => {
      assert.deepEqual(repeats(await wentBack(which, restoreRules)), []);
    });
  }

  it('without the rules, numbers would be', async () => {
    assert.notDeepEqual(repeats(await wentBack(['client'], { counters: [], dropped: [], kept: [] })), []);
  });
});
