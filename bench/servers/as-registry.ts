/** Our AS over a store of clients, none of which it has loaded: `as-registry.js FOLDER`. */
import { oscoreProfile } from '../../profiles/oscore/index.ts';
import { AuthorizationServer } from '../../src/as/index.ts';
import { lmdbStore } from '../../src/store/index.ts';
import { udp } from '../../src/transport/index.ts';
import { audience } from '../token-requests.ts';
import { serve } from './serve.ts';

const store = lmdbStore(process.argv[2]!);
const key = { kty: 4, k: new Uint8Array(16).fill(0x55) };
const as = new AuthorizationServer({
  store,
  profiles: [oscoreProfile],
  clients: [],
  resourceServers: [{ id: 'rs1', audiences: [audience], tokenKeys: [{ use: 'encrypt0', algorithm: 10, key, kid: Uint8Array.of(1) }] }],
});
const endpoint = await as.listen(await udp());
const memory = (): { bytes: number } => {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return { bytes: heapUsed + external };
};
serve(endpoint.local.port, () => as.close().then(() => store.close()), { memory });
