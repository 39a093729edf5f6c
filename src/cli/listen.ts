import type { Transport, UriScheme } from '../coap/index.ts';
import type { CurveKeyPair } from '../core/crypto/index.ts';
import { ProtocolError } from '../core/errors.ts';
import type { DtlsServerConfig } from '../dtls/index.ts';
import type { DtlsConfig, ListenConfig, Logger, TlsConfig, TransportScheme } from '../operate/index.ts';
import { type DtlsTransportEvent, dtls, type TlsServerOptions, tcpServer, tlsServer, udp, wsServer, wssServer } from '../transport/index.ts';
import { UsageError } from './exit.ts';
import { ServiceManager } from './service-manager.ts';
import { stopSignal } from './signals.ts';

/** What of a configuration says where a server listens. */
export interface Listening {
  readonly file: string;
  readonly listen: readonly ListenConfig[];
  readonly tls: TlsConfig;
  /** For sessions over DTLS. */
  readonly dtls?: DtlsConfig;
}

interface Address {
  readonly address: string;
  readonly port: number;
}

/** The configuration was checked: where a secure scheme stands, a certificate and its key do. */
function serverTls({ cert, key, clientCa }: TlsConfig): TlsServerOptions {
  return { cert: cert!, key: key!, ...(clientCa === undefined ? {} : { clientCa }) };
}

/** Pre-shared keys always, and with a key of its own raw public keys: each side shows its own. */
function serverDtls({ ownKey, suites, settings, pskHint }: DtlsConfig): DtlsServerConfig {
  return {
    ...settings,
    psk: pskHint === undefined ? {} : { hint: pskHint },
    ...(suites === undefined ? {} : { suites }),
    ...(ownKey === undefined ? {} : { rawPublicKey: { own: ownKey as CurveKeyPair, client: 'require' } }),
  };
}

type EmitSession = (event: DtlsTransportEvent) => void;

const listeners: Readonly<Record<TransportScheme, (at: Address, tls: TlsConfig, sessions: DtlsConfig, emit: EmitSession) => Promise<Transport>>> = {
  coap: (at) => udp(at),
  coaps: (at, _tls, sessions, emit) => dtls({ ...at, server: serverDtls(sessions), emit }),
  'coap+tcp': (at) => tcpServer(at),
  'coaps+tcp': (at, tls) => tlsServer({ ...at, ...serverTls(tls) }),
  'coap+ws': (at) => wsServer(at),
  'coaps+ws': (at, tls) => wssServer({ ...at, ...serverTls(tls) }),
};

const bindHints: Readonly<Record<string, (role: string) => string>> = {
  EADDRINUSE: (role) => `the port is in use; is another "ace-coap ${role}" running? Stop it, or write another port into the file`,
  EACCES: () => 'not permitted; ports below 1024 are for the system: write a higher one into the file',
  EADDRNOTAVAIL: () => 'this machine does not have that address; write one that it has, or 0.0.0.0 for all, into the file',
};

async function open(
  role: string,
  { file, tls, dtls: sessions = {} }: Listening,
  { scheme, address: named, port }: ListenConfig,
  emit: EmitSession,
): Promise<Transport> {
  const address = named === 'localhost' ? '127.0.0.1' : named;
  try {
    return await listeners[scheme]({ address, port }, tls, sessions, emit);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    if (error.code === 'ERR_TRANSPORT_TLS') throw new UsageError(`${file}: tls: ${error.message}`, { code: error.code, cause: error });
    if (error.code === 'ERR_DTLS_CONFIG') throw new UsageError(`${file}: dtls: ${error.message}`, { code: error.code, cause: error });
    const hint = bindHints[(error.cause as NodeJS.ErrnoException | undefined)?.code ?? ''];
    if (hint === undefined) throw error;
    throw new UsageError(`${file}: listen: ${scheme === 'coap' ? '' : `${scheme}://`}${address}:${port}: ${hint(role)}`, {
      code: 'ERR_TRANSPORT_BIND',
      cause: error,
    });
  }
}

/**
 * The sockets to listen on: all of them, or none.
 *
 * @throws {UsageError} when an address cannot be had, or the certificate is none, with what to do about it
 */
export async function listenOn(role: string, config: Listening, emit: EmitSession): Promise<readonly Transport[]> {
  const opened: Transport[] = [];
  try {
    for (const at of config.listen) opened.push(await open(role, config, at, emit));
    return opened;
  } catch (error) {
    for (const transport of opened) await transport.close();
    throw error;
  }
}

/** Where a server listens; a transport is one. */
export interface Place {
  /** Absent: `coap`. */
  readonly scheme?: UriScheme | 'http' | 'https';
  readonly local: Address;
}

function urlOf({ scheme = 'coap', local: { address, port } }: Place): string {
  return `${scheme}://${address.includes(':') ? `[${address}]` : address}:${port}`;
}

/** A `--listen` with an address in it. A number alone is one to whoever binds it: 5683 is 0.0.22.51. @throws {UsageError} */
export function withAddress(listen: string): string {
  if (/^\d+$/.test(listen)) throw new UsageError(`--listen: expected an address before the port, such as 127.0.0.1:${listen}, got "${listen}"`);
  return listen;
}

/** Of a server that has all of its configuration on the command line: what it does for a SIGHUP. */
export function nothingToReload(logger: Logger): () => void {
  return () => logger.warn({}, 'nothing to reload: all is on the command line');
}

/** Say where it listens, and wait for the signal to stop; `hangup` is called for each SIGHUP. systemd is told all of it, where it wants to know. */
export async function untilStopped(role: string, logger: Logger, places: readonly Place[], hangup: () => void | Promise<void>): Promise<void> {
  const manager = new ServiceManager(logger);
  const reload = async (): Promise<void> => {
    manager.reloading();
    await hangup();
    manager.ready();
  };
  // Whoever reads that it listens may stop it at once.
  const stopped = stopSignal(() => void reload());
  for (const { scheme = 'coap', local } of places) logger.info({ scheme, ...local }, 'listening');
  console.log(places.map((place) => `${role.toUpperCase()} listens on ${urlOf(place)} (Ctrl-C stops it)`).join('\n'));
  manager.ready();
  logger.info({ signal: await stopped }, 'stopping');
  manager.stopping();
}

/** Bring to an end what is under way. @param seconds - that it may take; the log says of whatever was left, and when it was given up */
export async function drainWithin(seconds: number, drain: (milliseconds: number) => Promise<boolean>, logger: Logger): Promise<void> {
  const start = performance.now();
  if (await drain(1000 * seconds)) return;
  const after = Math.round((performance.now() - start) / 100) / 10;
  logger.warn({ after, drain: seconds }, 'ends although not all was answered and acknowledged');
}
