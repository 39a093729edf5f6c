import { type DtlsAtClientOptions, dtlsProfileWith } from '../../profiles/dtls/index.ts';
import { oscoreProfileWith } from '../../profiles/oscore/index.ts';
import type { Experiment, FollowOptions, Profile } from '../ace/index.ts';
import { AceClient, type AceClientEvent } from '../client/index.ts';
import { type CoapUri, type DatagramTransport, parseUri } from '../coap/index.ts';
import type { Env } from '../core/env.ts';
import {
  type ClientConfig,
  type DtlsConfig,
  loadClientConfig,
  loadRsConfig,
  type RsConfig,
  type SealClientConfig,
  type TransmissionConfig,
} from '../operate/index.ts';
import { openStore, type Store } from '../store/index.ts';
import { type DtlsTransport, dtlsOver, type TlsClientOptions, udp } from '../transport/index.ts';
import { configPath } from './config-path.ts';
import { handshakeOf } from './credentials.ts';
import { UsageError } from './exit.ts';
import { keyLogOfEnvironment } from './key-log.ts';
import { addressFor, securityOf, type TlsFlags, transportsFor, wrapDatagrams } from './socket.ts';
import { err } from './terminal.ts';
import { Tracer } from './trace.ts';

export interface SessionFlags {
  readonly verbose?: boolean;
  /** Under protection every server answers for the option, so nobody need be asked before. */
  readonly qBlock?: boolean;
  /** Says what is being waited for. */
  readonly note?: (text: string) => void;
  readonly emit?: (event: AceClientEvent) => void;
  /** Look at the datagrams. */
  readonly wrap?: (transport: DatagramTransport) => DatagramTransport;
  /** Look at the datagrams below DTLS. */
  readonly wrapBelow?: (transport: DatagramTransport) => DatagramTransport;
  readonly env?: Env;
  /** URI of a forward proxy that everything goes through. */
  readonly proxy?: string;
  /** What is to be reached beside the authorization servers: the resource server, where it is known; with `proxy`, the proxy and nothing else. */
  readonly uri?: CoapUri;
  /** In place of what the configuration says. */
  readonly tls?: TlsFlags;
}

interface Peers {
  readonly store: string;
  readonly authorizationServers: readonly {
    readonly uri: string;
    readonly profile: number;
    readonly credentials: unknown;
    readonly clientSecret?: Uint8Array;
  }[];
  readonly transmission: TransmissionConfig;
  readonly tls: TlsClientOptions;
  /** Numbers of profiles, the preferred one first. */
  readonly profiles: readonly number[];
  readonly dtls: DtlsAtClientOptions & Pick<DtlsConfig, 'suites' | 'settings'>;
  readonly revocation?: FollowOptions;
  readonly hidePath?: boolean;
  readonly qBlock?: boolean;
  readonly renewal?: number;
  readonly experimental?: readonly Experiment[];
  readonly seal?: SealClientConfig;
}

const coapDtls = 1;

/** A client whose store goes with it when it is closed; one that was given stays. */
async function open(
  { store: place, authorizationServers, transmission, tls, profiles, dtls: keys, revocation, hidePath, qBlock, renewal, experimental, seal }: Peers,
  flags: SessionFlags,
  given?: Store,
): Promise<AceClient> {
  const tracer = flags.verbose ? new Tracer() : undefined;
  const servers = flags.proxy === undefined ? authorizationServers : [];
  const { uri, wrap } = flags;
  const uris = [...(uri === undefined ? [] : [uri]), ...servers.map((server) => parseUri(server.uri))];
  const hasSessions = profiles.includes(coapDtls);
  // Who goes by DTLS is reached without it first, and then in sessions that the profile opens.
  const reached = hasSessions ? uris.map((one) => (one.scheme === 'coaps' ? { ...one, scheme: 'coap' as const } : one)) : uris;
  const transports = [...(await transportsFor(reached, { ...tls, ...(await securityOf(flags.tls ?? {}, reached)) }))];
  let sessions: DtlsTransport | undefined;
  let store: Store | undefined;
  try {
    if (hasSessions) {
      const below = await udp({ address: addressFor(uris.map(({ host }) => host)), sourcePorts: 1 });
      const keyLog = keyLogOfEnvironment();
      const client = {
        ...keys.settings,
        ...(keys.suites === undefined ? {} : { suites: keys.suites }),
        ...(keyLog === undefined ? {} : { keyLog }),
        ...handshakeOf(flags.tls ?? {}),
      };
      sessions = dtlsOver(flags.wrapBelow?.(below) ?? below, { client });
      transports.push(sessions);
    }
    store = given ?? (await openStore(place));
    const watched = wrap === undefined ? transports : wrapDatagrams(transports, wrap);
    const options = {
      transport: tracer === undefined ? watched : watched.map((transport) => tracer.wrap(transport)),
      store,
      profiles: profiles.map((id) => profileOf(id, sessions, keys)),
      authorizationServers,
      parameters: transmission,
      ...(flags.qBlock || qBlock ? { qBlock: { discovery: 'assume' as const } } : {}),
      ...(flags.proxy === undefined ? {} : { proxy: flags.proxy }),
      ...(flags.env === undefined ? {} : { env: flags.env }),
      ...(revocation === undefined ? {} : { revocation }),
      ...(hidePath === undefined ? {} : { hidePath }),
      ...(renewal === undefined ? {} : { renewal }),
      ...(experimental === undefined ? {} : { experimental }),
      emit: (event: AceClientEvent) => report(event, flags, tracer),
    };
    const client = seal === undefined ? new AceClient(options) : (await import('./seal/sim-c.ts')).simCOf(seal, options);
    const close = client.close.bind(client);
    client.close = async () => {
      await close();
      if (given === undefined) await store?.close();
    };
    return client;
  } catch (error) {
    for (const transport of transports) await transport.close();
    if (given === undefined) await store?.close();
    throw error;
  }
}

function profileOf(id: number, sessions: DtlsTransport | undefined, keys: DtlsAtClientOptions): Profile {
  // Runs of the command line share a store.
  return id === coapDtls && sessions !== undefined ? dtlsProfileWith({ sessions, client: keys }) : oscoreProfileWith({ block: 1 });
}

function report(event: AceClientEvent, flags: SessionFlags, tracer: Tracer | undefined): void {
  flags.emit?.(event);
  if (event.type === 'step') {
    flags.note?.(`${event.step}: ${event.detail}`);
    if (tracer !== undefined) console.error(`${err('bold', `# ${event.step}`)} ${event.detail}`);
  } else if (event.type === 'profile' && event.event.inner !== undefined) tracer?.inner(event.event.direction ?? 'in', event.event.inner);
}

/** The client of a configuration that was read. @throws {UsageError} */
export function openWith(config: ClientConfig, flags: SessionFlags = {}): Promise<AceClient> {
  return open(config, flags);
}

/** The client of a configuration, and the configuration. */
export async function openConfigured(path: string, flags: SessionFlags = {}): Promise<{ readonly client: AceClient; readonly config: ClientConfig }> {
  const config = loadClientConfig(configPath(path));
  return { client: await open(config, flags), config };
}

/** The client of a configuration. */
export async function openClient(path: string, flags: SessionFlags = {}): Promise<AceClient> {
  return (await openConfigured(path, flags)).client;
}

/** A client that speaks to the AS as the resource server of a configuration does, over the RS's own channel and store. */
export async function openAsRs(path: string, flags: SessionFlags = {}): Promise<{ readonly client: AceClient; readonly as: string }> {
  const config = loadRsConfig(configPath(path));
  const as = channelsOf(config)[0]?.uri;
  if (as === undefined)
    throw new UsageError(`${config.file}: issuers: expected an issuer with a section oscore or dtls, over which the RS may introspect, got none`);
  return { client: await openChannel(config, flags), as };
}

/** The same for a server that runs, with its store. */
export async function openChannel(config: RsConfig, flags: SessionFlags = {}, given?: Store): Promise<AceClient> {
  const { store, transmission, tls, dtls } = config;
  const channels = channelsOf(config);
  const profiles = [...new Set(channels.map(({ profile }) => profile))];
  return open({ store, authorizationServers: channels, transmission, tls: tls.ca === undefined ? {} : { ca: tls.ca }, profiles, dtls }, flags, given);
}

/** The issuers that an RS has a channel to. */
export function channelsOf({
  issuers,
}: RsConfig): readonly { readonly uri: string; readonly issuer: string; readonly profile: number; readonly credentials: unknown }[] {
  return issuers.flatMap(({ uri, issuer = uri, profile, credentials }) =>
    profile === undefined || credentials === undefined ? [] : [{ uri, issuer, profile, credentials }],
  );
}
