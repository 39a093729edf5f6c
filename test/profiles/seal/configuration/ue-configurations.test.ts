import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigurationService } from '../../../../profiles/seal/configuration/index.ts';
import { ueAssociations } from '../../../../profiles/seal/index.ts';
import { ContentFormat } from '../../../../src/coap/index.ts';
import { assertProblem, cborBody, plainOf } from '../answers.ts';
import { inLab, type LabClient, type LabOptions } from '../rows/lab.ts';

const configurations = '/su-uc/v1/val-services/msgin5g/ue-configurations';
/** The server would name a scope that the manager does not have: the one that reaches what is about itself. */
const scope = 'ue-configuration:read-all ue-configuration:write-all';
const manager: LabClient = { id: 'cm', valServiceIds: ['msgin5g'], scope };
const ue: LabClient = { id: 'ue1', valUeId: 'imsi-001010000000001', valServiceIds: ['msgin5g'], scope: 'ue-configuration:read' };
const lab: LabOptions = {
  clients: [manager, ue],
  services: ({ stores, simulator }) => [new ConfigurationService({ store: stores.server, env: simulator.env('cm'), limits: { listed: 3 } })],
};

const association = { valServiceDomain: 'msgin5g.example', valTgtUe: { valUeId: 'imsi-001010000000001' }, ueServiceId: 'ue1@msgin5g.example' };
const fleet = {
  valServiceDomain: 'msgin5g.example',
  valUeIds: {
    uris: ['urn:ue:7'],
    imeiRanges: [
      { tac: '12345678', snrs: ['000007', '9'] },
      { tac: '87654321', snrRange: { low: '100', high: '199' } },
    ],
  },
  ueConfigs: [{ configType: 'COMMON', configData: 'x' }],
};

test('TS 24.546 C.3.1.2: UE configurations are found by any of the criteria; TS 33.501 Y.2: the association by the UE ID', async () => {
  await inLab(lab, async (lab) => {
    const ids: string[] = [];
    for (const body of [association, fleet]) {
      const created = await lab.fetch(configurations, { method: 'POST', ...cborBody(body), scope });
      assert.equal(created.codeText, '2.01');
      ids.push(created.location!.split('/').at(-1)!);
    }
    const found = async (query: string): Promise<unknown> => {
      const documents = plainOf((await lab.fetch(`${configurations}${query}`, { scope })).cbor()) as readonly { readonly ueConfigDocId: string }[];
      return documents.map(({ ueConfigDocId }) => ids.indexOf(ueConfigDocId)).sort();
    };
    assert.deepEqual(await found(''), [0, 1]);
    assert.deepEqual(await found('?val-tgt-ue=imsi-001010000000001'), [0]);
    assert.deepEqual(await found('?val-tgt-ue=urn:ue:7'), [1]);
    for (const query of ['ue-type=12345678', 'ue-snr=7', 'ue-snr=000009', 'ue-snr=150', 'ue-uri=urn:ue:7', 'ue-vendor=acme&ue-snr=100'])
      assert.deepEqual(await found(`?${query}`), [1], query);
    for (const query of ['ue-type=1', 'ue-snr=99', 'ue-snr=x', 'ue-uri=urn:ue:8', 'ue-vendor=acme']) assert.deepEqual(await found(`?${query}`), [], query);
    const associations = ueAssociations({
      get: (uri) => lab.simC.fetch(uri, { scope, accept: ContentFormat.Cbor }),
      uri: `${lab.serverUri}${configurations}`,
    });
    assert.deepEqual(await lab.finish(associations.serviceIdsOf('imsi-001010000000001')), ['ue1@msgin5g.example']);
    assert.deepEqual(await lab.finish(associations.serviceIdsOf('imsi-001010000000002')), []);
    const own = await lab.fetch(`${configurations}?val-tgt-ue=imsi-001010000000001`, {}, lab.simCOf(1));
    assert.deepEqual(plainOf(own.cbor()), [{ ...association, ueConfigDocId: ids[0] }]);
    assertProblem(await lab.fetch(`${configurations}/${ids[1]}`, {}, lab.simCOf(1)), '4.03', 'ERR_SEAL_RIGHTS');
    assertProblem(await lab.fetch(`${configurations}?ue-colour=red`, { scope }), '4.00', 'ERR_SEAL_QUERY');
    for (let i = 0; i < 2; i++) await lab.fetch(configurations, { method: 'POST', ...cborBody(fleet), scope });
    assertProblem(await lab.fetch(configurations, { scope }), '4.00', 'ERR_SEAL_QUERY');
  });
});

test('TS 24.546 C.3.1.3: what is no UE configuration is refused', async () => {
  await inLab(lab, async (lab) => {
    const { valServiceDomain: _, ...noDomain } = association;
    for (const body of [
      noDomain,
      { ...association, valTgtUe: { valUserId: 'anna' } },
      { ...association, valServiceId: 'other' },
      { ...fleet, ueConfigs: [...fleet.ueConfigs, ...fleet.ueConfigs] },
      { ...fleet, valUeIds: { imeiRanges: [{ tac: '1' }] } },
      { ...fleet, valUeIds: { uris: [] } },
    ])
      assertProblem(await lab.fetch(configurations, { method: 'POST', ...cborBody(body), scope }), '4.22', 'ERR_SEAL_MODEL');
  });
});
