import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { oscoreProfile } from '../profiles/oscore/index.ts';
import { AuthorizationServer } from '../src/as/index.ts';
import { AceClient } from '../src/client/index.ts';
import { symmetricKey } from '../src/core/cwt.ts';
import { ResourceServer } from '../src/rs/index.ts';
import { lmdbStore, memoryStore } from '../src/store/index.ts';
import { udp } from '../src/transport/index.ts';
import { oscoreKeys, otherSide } from './requests.ts';
import { median, type Row, summary } from './row.ts';
import type { Run } from './run.ts';

/** Revocations of a round, of which the median counts. */
const turns = 5;
const tokenKey = symmetricKey('AES-CCM-16-64-128', new Uint8Array(16).fill(0x55));

/**
 * How long after `revoke` a client that sends one request after the other is refused by an RS that observes the revocation list: AS, RS and client on loopback,
 * each with an LMDB store of its own but the client. Most of it is the write that makes the revocation durable.
 */
export async function trlObserveRow({ rounds, progress }: Run): Promise<Row> {
  const folder = await mkdtemp(join(tmpdir(), 'ace-coap-bench-'));
  const stores = [await lmdbStore(join(folder, 'as')), await lmdbStore(join(folder, 'rs'))] as const;
  let token = '';
  const as = new AuthorizationServer({
    store: stores[0],
    profiles: [oscoreProfile],
    clients: [{ id: 'client1', credentials: otherSide(oscoreKeys(0)), grants: [{ audience: 'rs1', scope: 'r_temp' }] }],
    resourceServers: [{ id: 'rs1', audiences: ['rs1'], credentials: otherSide(oscoreKeys(1)), tokenKeys: [tokenKey] }],
    emit: (event) => {
      if (event.type === 'token-issued') token = event.token;
    },
  });
  const uri = `coap://127.0.0.1:${(await as.listen(await udp())).local.port}/token`;
  const channel = await clientOf(uri, 1);
  let reached = (): void => {};
  const observing = new Promise<void>((resolve) => {
    reached = resolve;
  });
  const rs = new ResourceServer({
    audience: 'rs1',
    issuers: [{ uri, tokenKeys: [tokenKey] }],
    scopes: { r_temp: { '/temperature': ['GET'] } },
    store: stores[1],
    profiles: [oscoreProfile],
    revocation: { lists: { [uri]: channel.revocationList() } },
    emit: (event) => {
      if (event.type === 'revocation-list') reached();
    },
  });
  rs.resource('/temperature', { get: () => '21.5' });
  const temperature = `coap://127.0.0.1:${(await rs.listen(await udp())).local.port}/temperature`;
  let refusedAt = 0;
  const client = await clientOf(uri, 0, () => {
    refusedAt = performance.now();
  });
  try {
    await observing;
    const times: number[] = [];
    // The first of them warms the caches.
    for (let round = 0; round <= rounds; round++) {
      progress(`trl-observe: ${round} of ${rounds}`);
      const ofRound: number[] = [];
      for (let turn = 0; turn < turns; turn++) {
        await client.fetch(temperature);
        refusedAt = 0;
        const start = performance.now();
        const revoked = as.revoke(token);
        while (refusedAt === 0) await client.fetch(temperature);
        await revoked;
        ofRound.push(refusedAt - start);
      }
      if (round > 0) times.push(median(ofRound));
    }
    return {
      bench: 'trl-observe',
      ...summary(times, 3),
      unit: 'ms',
      rounds,
      peer: 'none',
      peer_value: null,
      peer_spread: null,
      ratio: null,
      server_cpu_us: null,
      peer_cpu_us: null,
    };
  } finally {
    for (const end of [client, channel, rs, as, ...stores]) await end.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** `lost` is called when the RS says that it does not know the context. */
async function clientOf(as: string, key: number, lost: () => void = () => {}): Promise<AceClient> {
  return new AceClient({
    authorizationServers: [{ uri: as, credentials: oscoreKeys(key) }],
    store: memoryStore(),
    profiles: [oscoreProfile],
    transport: await udp(),
    emit: (event) => {
      if (event.type === 'step' && event.step === 'forgotten') lost();
    },
  });
}
