import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AkmaError, ApplicationKeys, akmaTls, akmaTlsProtocol, akmaTlsServer } from '../../../../profiles/seal/akma/index.ts';
import { Endpoint } from '../../../../src/coap/index.ts';
import { toHex } from '../../../../src/core/bytes.ts';
import { anchorOfSubscriber, anna, bert, requestFrom } from './lab.ts';
import { inTlsLab } from './tls-lab.ts';

const suites = ['TLS_AES_128_GCM_SHA256', 'TLS_DHE_PSK_WITH_AES_128_GCM_SHA256', 'TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256'] as const;
const [annas, berts] = [anchorOfSubscriber(anna), anchorOfSubscriber(bert)];

test('TS 33.220 Annex H: identifiers of the security protocols, and AFs of others', async () => {
  assert.deepEqual(
    suites.map((suite) => toHex(akmaTlsProtocol(suite))),
    ['0100000007', '01000100aa', '010001ccac'],
  );
  const aanf = { retrieveApplicationKey: async () => undefined };
  const keys = new ApplicationKeys({ aanf, afId: { fqdn: 'af.example', protocol: akmaTlsProtocol() } });
  await assert.rejects(akmaTlsServer({ keys, suite: suites[1] }), { code: 'ERR_AKMA_AF_ID', message: /01000100aa, got 0100000007/ });
});

for (const suite of suites) {
  test(`TS 33.535 Annex B: K_AF as the PSK of ${suite}`, async () => {
    await inTlsLab(suite, async (lab) => {
      lab.associations.set(anna.supi, ['meter']);
      await lab.aanf.registerAnchorKey({ ...annas, supi: anna.supi });
      // The first handshake waits for the AAnF.
      lab.delay = 50;
      await lab.asUe(annas, (client) => client.register());
      assert.equal(lab.msgin5g.registrationOf('meter')?.aKid, annas.aKid);
      assert.deepEqual(lab.states, ['key-fetched']);
      await assert.rejects(lab.asUe({ ...annas, kAkma: berts.kAkma }, (client) => client.register()));
      await assert.rejects(lab.asUe(berts, (client) => client.register()));
      assert.deepEqual(lab.states, ['key-fetched', 'key-unknown']);
      lab.failure = new AkmaError('ERR_AKMA_AANF', 'no answer');
      await assert.rejects(lab.asUe(berts, (client) => client.register()));
    });
  });
}

test('TS 33.535 6.2: a connection ends with its K_AF, and the next one fetches another', async () => {
  await inTlsLab(suites[0], async (lab) => {
    lab.associations.set(anna.supi, ['meter']);
    await lab.aanf.registerAnchorKey({ ...annas, supi: anna.supi });
    await lab.asUe(annas, async (client) => {
      await client.register();
      await client.register();
      assert.deepEqual([lab.connections(), lab.states], [1, ['key-fetched']]);
      lab.pass(101);
      await lab.ended();
      assert.equal(lab.msgin5g.registrationOf('meter'), undefined);
    });
    await lab.asUe(annas, (client) => client.register());
    assert.deepEqual(lab.states, ['key-fetched', 'key-fetched']);
    await lab.aanf.removeContext(anna.supi);
    lab.pass(101);
    await assert.rejects(lab.asUe(annas, (client) => client.register()));
    assert.deepEqual(lab.states, ['key-fetched', 'key-fetched', 'key-unknown']);
  });
});

test('TS 33.501 Y.2: a UE without K_AKMA sends nothing', async () => {
  await inTlsLab(suites[0], async (lab) => {
    const ue = new Endpoint({ transport: await akmaTls({ anchor: () => undefined }) });
    try {
      await assert.rejects(requestFrom(ue, `coaps+tcp://127.0.0.1:${lab.port}/msgin5g`));
    } finally {
      await ue.close();
    }
    assert.deepEqual(lab.states, []);
  });
});
