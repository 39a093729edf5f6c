/** Our key management server, with a record for each device: for requests over OSCORE, or with the argument `dtls` in DTLS sessions. */
import { dtlsProfileWith } from '../../profiles/dtls/index.ts';
import { oscoreProfile } from '../../profiles/oscore/index.ts';
import { keyManagement, SealedRecords, SealServer } from '../../profiles/seal/index.ts';
import type { Profile } from '../../src/ace/index.ts';
import type { Transport } from '../../src/coap/index.ts';
import { memoryStore } from '../../src/store/index.ts';
import { dtls, udp } from '../../src/transport/index.ts';
import { suite } from '../dtls.ts';
import { deviceOf, keyMaterial, simSUri, sKmsUri, skmsAudience, skmsTokenKey, valSystem } from '../km-requests.ts';
import { clientCount } from '../token-requests.ts';
import { serve } from './serve.ts';

const store = memoryStore();
const records = new SealedRecords(store, new Uint8Array(32).fill(0x52));
for (let index = 0; index < clientCount; index++) await records.put({ serviceId: 'v2x', identity: { kind: 'deviceId', id: deviceOf(index) } }, keyMaterial);

const bufferSize = 1 << 21;
/** A SEAL server has the OSCORE profile in any case. */
async function channel(): Promise<{ readonly transport: Transport; readonly profiles: readonly Profile[] }> {
  if (process.argv[2] !== 'dtls') return { transport: await udp({ bufferSize }), profiles: [oscoreProfile] };
  const sessions = await dtls({ bufferSize, server: { suites: [suite], psk: {} } });
  return { transport: sessions, profiles: [oscoreProfile, dtlsProfileWith({ sessions })] };
}

const { transport, profiles } = await channel();
const server = new SealServer({
  audience: skmsAudience,
  simS: { uri: simSUri, tokenKeys: [skmsTokenKey] },
  valSystem,
  store,
  profiles,
  // A load is made before it is sent.
  services: [keyManagement({ sKmsUri, records, window: 300 })],
});
const endpoint = await server.listen(transport);
serve(endpoint.local.port, async () => {
  await server.close();
  await store.close();
});
