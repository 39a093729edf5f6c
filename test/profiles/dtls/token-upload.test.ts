import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { toHex, utf8 } from '../../../src/core/bytes.ts';
import { DtlsParties, type Mode } from './parties.ts';

describe('ace-workflow-and-params-08 2, with the DTLS profile', () => {
  for (const mode of ['psk', 'psk-identity', 'derived', 'rpk'] satisfies Mode[])
    for (const upload of ['psk', 'rpk'] as const)
      test(`${mode}: the AS uploads in a session by ${upload}, and the client opens its session at once`, async () => {
        const parties = await new DtlsParties(mode, { upload }).start();
        assert.equal(await parties.fetch('/temperature'), '2.05 21.5');
        assert.deepEqual(parties.outcomes, ['uploaded']);
        assert.ok(parties.steps.includes('upload by the AS'));
        assert.deepEqual(parties.rsEvents.flatMap((event) => (event.type === 'token-accepted' ? [event.peer] : [])).length, 1);
        assert.equal(await parties.fetch('/led', { method: 'PUT', payload: 'on' }), '2.04');
        assert.equal(parties.led, 'on');
        await parties.close();
      });

  test('an RS that started anew: the session of the AS is lost, which costs one upload', async () => {
    const parties = await new DtlsParties('psk', { upload: 'psk' }).start();
    assert.equal(await parties.fetch('/temperature'), '2.05 21.5');
    await parties.finish(parties.rs.close());
    await parties.startRs();
    await parties.finish(parties.client.forget('coap://10.0.0.2'));
    assert.equal(await parties.fetch('/temperature'), '2.05 21.5');
    await parties.finish(parties.client.forget('coap://10.0.0.2'));
    assert.equal(await parties.fetch('/temperature'), '2.05 21.5');
    assert.equal(parties.outcomes.at(-1), 'uploaded');
    await parties.close();
  });

  test('the RS takes the AS by its own key alone, which is no token', async () => {
    const parties = await new DtlsParties('psk', { upload: 'psk' }).start();
    const identity = utf8('rs1');
    await assert.rejects(parties.knock({ psk: { identity, key: new Uint8Array(16) } }));
    const association = await parties.knock({ psk: { identity, key: new Uint8Array(16).fill('s'.charCodeAt(0)) } });
    assert.equal(association.kind, 'dtls', toHex(identity));
    assert.equal(parties.rs.stats()['tokens'], 0);
    await parties.close();
  });
});
