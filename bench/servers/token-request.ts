/** Our AS with its clients and one resource server: on LMDB, or on the store that is named. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { oscoreProfile } from '../../profiles/oscore/index.ts';
import { AuthorizationServer } from '../../src/as/index.ts';
import { openStore } from '../../src/store/index.ts';
import { udp } from '../../src/transport/index.ts';
import { oscoreKeys, otherSide } from '../requests.ts';
import { audience, clientCount, scope } from '../token-requests.ts';
import { serve } from './serve.ts';

const folder = mkdtempSync(join(tmpdir(), 'ace-coap-bench-'));
const store = await openStore(process.argv[2] ?? folder);
const as = new AuthorizationServer({
  store,
  profiles: [oscoreProfile],
  clients: Array.from({ length: clientCount }, (_, index) => ({
    id: `client${index}`,
    profile: oscoreProfile.id,
    credentials: otherSide(oscoreKeys(index)),
    grants: [{ audience, scope }],
  })),
  resourceServers: [
    {
      id: 'rs1',
      audiences: [audience],
      profiles: [oscoreProfile.id],
      tokenKeys: [{ use: 'encrypt0', algorithm: 10, key: { kty: 4, k: new Uint8Array(16).fill(0x55) }, kid: Uint8Array.of(1) }],
    },
  ],
});
const endpoint = await as.listen(await udp({ bufferSize: 1 << 21 }));
serve(endpoint.local.port, async () => {
  await as.close();
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});
