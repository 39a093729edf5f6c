import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AceResponse } from '../../../src/client/index.ts';
import { DtlsParties } from './parties.ts';

test('RFC 9770 11: revocation reaches an observing RS over DTLS and ends the session; the next request gets another token', async () => {
  for (const mode of ['psk', 'psk-identity', 'derived', 'rpk'] as const) {
    const parties = await new DtlsParties(mode, { follow: true }).start();
    const observed = parties.client.observe('coap://10.0.0.2/temperature');
    const first = (await parties.finish(observed.next())) as IteratorResult<AceResponse>;
    assert.equal(first.value.text(), '21.5');
    assert.equal(parties.rs.stats()['lasting'], 1);
    assert.equal(parties.rsSessions.stats()['accepted'], 1, mode);
    assert.equal(await parties.finish(parties.as.revoke(parties.issued[0]!)), true);
    await parties.simulator.sleep(100);
    assert.equal(parties.rs.stats()['tokens'], 0, mode);
    assert.equal(parties.rs.stats()['lasting'], 0, mode);
    await observed.return();
    // The session goes once the last answer in it has had its time.
    await parties.simulator.sleep(5000);
    assert.equal(parties.rsSessions.stats()['accepted'], 0, mode);
    assert.equal(await parties.fetch('/temperature'), '2.05 21.5');
    assert.equal(parties.issued.length, 2, mode);
    await parties.close();
  }
});
