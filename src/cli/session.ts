import { oscoreProfileWith } from '../../profiles/oscore/index.ts';
import { AceClient, type AceClientEvent } from '../client/index.ts';
import type { DatagramTransport } from '../coap/index.ts';
import type { Env } from '../core/env.ts';
import { loadClientConfig, loadRsConfig, type TransmissionConfig } from '../operate/index.ts';
import { lmdbStore } from '../store/index.ts';
import { udp } from '../transport/index.ts';
import { UsageError } from './exit.ts';
import { err } from './terminal.ts';
import { traced, traceInner } from './trace.ts';

export interface SessionFlags {
  readonly verbose?: boolean;
  /** Says what is being waited for. */
  readonly note?: (text: string) => void;
  readonly emit?: (event: AceClientEvent) => void;
  /** Look at the datagrams. */
  readonly wrap?: (transport: DatagramTransport) => DatagramTransport;
  readonly env?: Env;
}

interface Peers {
  readonly store: string;
  readonly authorizationServers: readonly { readonly uri: string; readonly profile: number; readonly credentials: unknown }[];
  readonly transmission: TransmissionConfig;
}

/** A client whose store goes with it when it is closed. */
async function open({ store: folder, authorizationServers, transmission }: Peers, flags: SessionFlags): Promise<AceClient> {
  const store = await lmdbStore(folder);
  const bare = await udp({ address: '0.0.0.0' });
  const watched = flags.wrap?.(bare) ?? bare;
  const client = new AceClient({
    transport: flags.verbose ? traced(watched) : watched,
    store,
    // Runs of the command line share a store.
    profiles: [oscoreProfileWith({ block: 1 })],
    authorizationServers,
    parameters: transmission,
    ...(flags.env === undefined ? {} : { env: flags.env }),
    emit: (event) => {
      flags.emit?.(event);
      if (event.type === 'step') {
        flags.note?.(`${event.step}: ${event.detail}`);
        if (flags.verbose) console.error(`${err('bold', `# ${event.step}`)} ${event.detail}`);
      } else if (event.type === 'profile' && flags.verbose && event.event.inner !== undefined) traceInner(event.event.direction ?? 'in', event.event.inner);
    },
  });
  const close = client.close.bind(client);
  client.close = async () => {
    await close();
    await store.close();
  };
  return client;
}

/** The client of a configuration. */
export function openClient(path: string, flags: SessionFlags = {}): Promise<AceClient> {
  return open(loadClientConfig(path), flags);
}

/** A client that speaks to the AS as the resource server of a configuration does, over the RS's own channel and store. */
export async function openAsRs(path: string, flags: SessionFlags = {}): Promise<{ readonly client: AceClient; readonly as: string }> {
  const { store, transmission, issuers, file } = loadRsConfig(path);
  const channels = issuers.flatMap(({ uri, profile, credentials }) =>
    profile === undefined || credentials === undefined ? [] : [{ uri, profile, credentials }],
  );
  const as = channels[0]?.uri;
  if (as === undefined) throw new UsageError(`${file}: issuers: expected an issuer with an oscore section, over which the RS may introspect, got none`);
  return { client: await open({ store, authorizationServers: channels, transmission }, flags), as };
}
