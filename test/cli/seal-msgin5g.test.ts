import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { AanfSimulator, akmaCredentials, Msgin5gClient, serveAanf, uaStarTls12 } from '../../profiles/seal/akma/index.ts';
import { CoapClient, dtlsSchemes } from '../../src/transport/index.ts';
import { anchorOfSubscriber, anna } from '../profiles/seal/akma/lab.ts';
import { Server } from './lab.ts';

test('ace-coap rs: registration of MSGin5G clients by AKMA, from seal.services.msgin5g', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ace-coap-msgin5g-'));
  const anchor = anchorOfSubscriber(anna);
  const aanf = new AanfSimulator();
  await aanf.registerAnchorKey({ ...anchor, supi: anna.supi });
  const anchorFunction = await serveAanf(aanf);
  t.after(() => anchorFunction.close());
  const file = join(folder, 'rs.yaml');
  const text = `listen: ["coaps://127.0.0.1:0"]
audience: msgin5g
store: ./state
issuers: [{ uri: "coap://127.0.0.1:5783/token", token_keys: [{ use: encrypt0, alg: AES-CCM-16-64-128, key: "${'00'.repeat(16)}" }] }]
profile: seal
seal:
  val_system: val.example
  services:
    msgin5g: { aanf: "${anchorFunction.apiRoot}", fqdn: msgin5g.example, lifetime: 60, associations: { ${anna.supi}: [meter] } }
`;
  writeFileSync(file, text, { mode: 0o600 });
  const server = new Server('rs', file);
  await server.start();
  t.after(async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const credentials = akmaCredentials({ anchor: () => anchor, protocol: uaStarTls12(0xd001), fqdn: 'msgin5g.example' });
  const client = new CoapClient({ schemes: dtlsSchemes({ credentials, client: { suites: 'seal-strict' } }) });
  t.after(() => client.close());
  const ue = (ueServiceId: string): Msgin5gClient =>
    new Msgin5gClient({ request: (uri, init) => client.request(uri, init), uri: `${server.urls[0]}/msgin5g`, anchor: () => anchor, ueServiceId });
  assert.equal((await ue('meter').register()).expiresIn, 60);
  await assert.rejects(ue('lamp').register(), { code: 'ERR_AKMA_REFUSED', message: /4\.03/ });
  const told = server.log().filter(({ service }) => service === 'msgin5g');
  assert.deepEqual(
    told.map(({ level, event, reason }) => [level, event, reason]),
    [
      ['info', 'key-fetched', undefined],
      ['info', 'registered', undefined],
      ['warn', 'registration-refused', 'other-service-id'],
    ],
  );
  assert.ok(!server.stderr.includes(anna.supi));
});
