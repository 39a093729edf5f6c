import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ueAssociations } from '../../../../profiles/seal/akma/index.ts';
import { ConfigurationService } from '../../../../profiles/seal/configuration/index.ts';
import { cborBody } from '../answers.ts';
import { inLab, type LabClient } from '../rows/lab.ts';
import { anna, bert } from './lab.ts';

const ueConfigurations = '/su-uc/v1/val-services/msgin5g/ue-configurations';
const administrator: LabClient = { id: 'cm-admin', valServiceIds: ['msgin5g'], scope: 'ue-configuration:write-all' };
const msgin5g: LabClient = { id: 'msgin5g', valServiceIds: ['msgin5g'], scope: 'ue-configuration:read-all' };
/** A token for another VAL service. */
const stranger: LabClient = { id: 'v2x', valServiceIds: ['v2x'], scope: 'ue-configuration:read-all' };

const configurationOf = (valUeId: string, ueServiceId?: string): unknown => ({
  valServiceDomain: 'val.example',
  valTgtUe: { valUeId },
  ueConfigs: [{ configType: 'COMMON', configData: 'a' }],
  ...(ueServiceId === undefined ? {} : { ueServiceId }),
});

test('R-505: the association in the configuration management server, over OSCORE with a token of its own', async () => {
  const services: Parameters<typeof inLab>[0]['services'] = ({ stores, simulator }) => [
    new ConfigurationService({ store: stores.server, env: simulator.env('cm') }),
  ];
  await inLab({ clients: [administrator, msgin5g, stranger], services }, async (lab) => {
    const associationsOf = (index: number) =>
      ueAssociations({ get: (uri) => lab.simCOf(index).fetch(uri, { scope: 'ue-configuration:read-all' }), uri: `${lab.serverUri}${ueConfigurations}` });
    const associations = associationsOf(1);
    const idsOf = (ueId: string): Promise<readonly string[]> => lab.finish(associations.serviceIdsOf(ueId));
    assert.deepEqual(await idsOf(anna.supi), []);
    const made: string[] = [];
    for (const document of [
      configurationOf(anna.supi, 'meter'),
      configurationOf(anna.supi, 'lamp'),
      configurationOf(bert.supi, 'bert'),
      configurationOf(anna.supi),
    ]) {
      const created = await lab.fetch(ueConfigurations, { method: 'POST', scope: 'ue-configuration:write-all', ...cborBody(document) });
      assert.equal(created.codeText, '2.01', created.text());
      made.push(created.location!);
    }
    assert.deepEqual([...(await idsOf(anna.supi))].sort(), ['lamp', 'meter']);
    assert.deepEqual(await idsOf(bert.supi), ['bert']);
    assert.equal((await lab.fetch(made[0]!, { method: 'DELETE' })).codeText, '2.02');
    assert.deepEqual(await idsOf(anna.supi), ['lamp']);
    await assert.rejects(lab.finish(associationsOf(2).serviceIdsOf(anna.supi)), { code: 'ERR_AKMA_ASSOCIATION', message: /4\.03/ });
  });
});
