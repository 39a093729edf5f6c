import { oscoreProfile } from '../../profiles/oscore/index.ts';
import { AuthorizationServer, type AuthorizationServerEvent } from '../as/index.ts';
import type { DatagramTransport, Endpoint, UriScheme } from '../coap/index.ts';
import { ProtocolError } from '../core/errors.ts';
import { createLogger, type ListenConfig, type Logger, type LogLevel, loadAsConfig, loadRsConfig } from '../operate/index.ts';
import { ResourceServer, type ResourceServerEvent } from '../rs/index.ts';
import { lmdbStore, type Store } from '../store/index.ts';
import { udp } from '../transport/index.ts';
import { configPath } from './config-path.ts';
import { UsageError } from './exit.ts';
import { addResources } from './resources.ts';
import { paint } from './terminal.ts';

export interface ServeFlags {
  readonly logLevel: LogLevel;
  readonly json?: boolean;
}

/** Events that an operator looks into; everything else that goes on is `info`, and what engines drop is `debug`. */
const warnings: ReadonlySet<string> = new Set(['token-refused', 'request-refused', 'refused', 'fault']);
const details: ReadonlySet<string> = new Set(['endpoint', 'profile']);

function log(logger: Logger, event: AuthorizationServerEvent | ResourceServerEvent): void {
  const { type, ...rest } = event;
  // What OSCORE decrypted stays out of the log.
  const fields = event.type === 'profile' ? { profile: event.profile, event: event.event.type, reason: event.event.reason, detail: event.event.detail } : rest;
  if (warnings.has(type)) logger.warn(fields, type);
  else if (details.has(type)) logger.debug(fields, type);
  else logger.info(fields, type);
}

/** A log line for people: time, level, message, fields. */
function readable(line: string): void {
  const { level, time, msg, role: _role, pid: _pid, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const style = level === 'warn' ? 'yellow' : level === 'error' ? 'red' : 'dim';
  const rest = Object.entries(fields).map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  process.stderr.write(`${String(time).slice(11, 23)} ${paint(process.stderr, style, String(level).padEnd(5))} ${msg}  ${rest.join(' ')}\n`);
}

/** Lines for people on a terminal, else JSON. */
export function loggerFor(role: string, flags: ServeFlags): Logger {
  const forPeople = process.stderr.isTTY === true && !flags.json;
  return createLogger({ level: flags.logLevel, base: { role, pid: process.pid }, ...(forPeople ? { write: readable } : {}) });
}

/**
 * The socket to listen on.
 *
 * @throws {UsageError} when the address cannot be had, with what to do about it
 */
async function listenOn(role: string, { file, listen }: { readonly file: string; readonly listen: ListenConfig }): Promise<DatagramTransport> {
  const { port } = listen;
  const address = listen.address === 'localhost' ? '127.0.0.1' : listen.address;
  try {
    return await udp({ address, port });
  } catch (error) {
    const cause = error instanceof ProtocolError ? (error.cause as NodeJS.ErrnoException | undefined)?.code : undefined;
    const hint = cause === undefined ? undefined : bindHints[cause];
    if (hint === undefined) throw error;
    throw new UsageError(`${file}: listen: ${address}:${port}: ${hint(role)}`, { code: 'ERR_TRANSPORT_BIND', cause: error });
  }
}

const bindHints: Readonly<Record<string, (role: string) => string>> = {
  EADDRINUSE: (role) => `the port is in use; is another "ace-coap ${role}" running? Stop it, or write another port into the file`,
  EACCES: () => 'not permitted; ports below 1024 are for the system: write a higher one into the file',
  EADDRNOTAVAIL: () => 'this machine does not have that address; write one that it has, or 0.0.0.0 for all, into the file',
};

/** Where a server listens; a transport is one. */
interface Place {
  /** Absent: `coap`. */
  readonly scheme?: UriScheme;
  readonly local: { readonly address: string; readonly port: number };
}

function urlOf({ scheme = 'coap', local: { address, port } }: Place): string {
  return `${scheme}://${address.includes(':') ? `[${address}]` : address}:${port}`;
}

/** Say where it listens, and wait for the signal to stop. */
export async function untilStopped(role: string, logger: Logger, places: readonly Place[]): Promise<void> {
  // Whoever reads that it listens may stop it at once.
  const stopped = new Promise<string>((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, resolve);
  });
  for (const { scheme = 'coap', local } of places) logger.info({ scheme, ...local }, 'listening');
  console.log(places.map((place) => `${role.toUpperCase()} listens on ${urlOf(place)} (Ctrl-C stops it)`).join('\n'));
  logger.info({ signal: await stopped }, 'stopping');
}

interface Server {
  listen(transport: DatagramTransport): Promise<Endpoint>;
  close(): Promise<void>;
}

interface ServerConfig {
  readonly file: string;
  readonly listen: ListenConfig;
  /** Folder of the store. */
  readonly store: string;
}

/** Run a server from its start to its end. Whatever stops it before it listens lies in its configuration, and is wrong use. */
async function serve(role: string, config: ServerConfig, logger: Logger, make: (store: Store) => Server): Promise<void> {
  // First of all, so that a second server that is started by mistake touches nothing.
  const transport = await listenOn(role, config);
  let store: Store | undefined;
  let server: Server | undefined;
  try {
    let endpoint: Endpoint;
    try {
      store = await lmdbStore(config.store);
      server = make(store);
      endpoint = await server.listen(transport);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      throw new UsageError(`${config.file}: ${error.message}`, { code: error.code, cause: error });
    }
    await untilStopped(role, logger, [endpoint]);
  } finally {
    await server?.close();
    await transport.close();
    await store?.close();
  }
  logger.info({}, 'stopped');
}

/** `ace-coap as` */
export async function serveAs(path: string, flags: ServeFlags): Promise<void> {
  const config = loadAsConfig(configPath(path));
  const logger = loggerFor('as', flags);
  const emit = (event: AuthorizationServerEvent): void => log(logger, event);
  await serve('as', config, logger, (store) => new AuthorizationServer({ ...config, parameters: config.transmission, store, profiles: [oscoreProfile], emit }));
}

/** `ace-coap rs` */
export async function serveRs(path: string, flags: ServeFlags): Promise<void> {
  const config = loadRsConfig(configPath(path));
  const logger = loggerFor('rs', flags);
  const emit = (event: ResourceServerEvent): void => log(logger, event);
  let stop = (): void => {};
  try {
    await serve('rs', config, logger, (store) => {
      const rs = new ResourceServer({ ...config, parameters: config.transmission, store, profiles: [oscoreProfile], emit });
      stop = addResources(rs, config.resources);
      return rs;
    });
  } finally {
    stop();
  }
}
