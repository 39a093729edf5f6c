import { type DtlsProfileOptions, dtlsProfileWith } from '../../profiles/dtls/index.ts';
import { oscoreProfile } from '../../profiles/oscore/index.ts';
import type { Profile } from '../ace/index.ts';
import { AuthorizationServer, type AuthorizationServerEvent } from '../as/index.ts';
import type { Endpoint, Transport } from '../coap/index.ts';
import { ProtocolError } from '../core/errors.ts';
import { createLogger, type Logger, type LogLevel, loadAsConfig, loadRsConfig } from '../operate/index.ts';
import { ResourceServer, type ResourceServerEvent } from '../rs/index.ts';
import { openStore, type Store } from '../store/index.ts';
import type { DtlsTransport } from '../transport/index.ts';
import { configPath } from './config-path.ts';
import { UsageError } from './exit.ts';
import { type Listening, listenOn, untilStopped } from './listen.ts';
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

/** OSCORE always, and DTLS where there is a socket for its sessions. */
function profilesOn(transports: readonly Transport[], options: Omit<DtlsProfileOptions, 'sessions'>): readonly Profile[] {
  const sessions = transports.find((transport): transport is DtlsTransport => transport.scheme === 'coaps');
  return [oscoreProfile, ...(sessions === undefined ? [] : [dtlsProfileWith({ sessions, ...options })])];
}

interface Server {
  listen(transports: readonly Transport[]): Promise<Endpoint>;
  close(): Promise<void>;
}

interface ServerConfig extends Listening {
  /** For `openStore`. */
  readonly store: string;
}

/** Run a server from its start to its end. Whatever stops it before it listens lies in its configuration, and is wrong use. */
async function serve(role: string, config: ServerConfig, logger: Logger, make: (store: Store, transports: readonly Transport[]) => Server): Promise<void> {
  // First of all, so that a second server that is started by mistake touches nothing.
  const transports = await listenOn(role, config);
  let store: Store | undefined;
  let server: Server | undefined;
  try {
    try {
      store = await openStore(config.store);
      server = make(store, transports);
      await server.listen(transports);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      throw new UsageError(`${config.file}: ${error.message}`, { code: error.code, cause: error });
    }
    await untilStopped(role, logger, transports);
  } finally {
    await server?.close();
    for (const transport of transports) await transport.close();
    await store?.close();
  }
  logger.info({}, 'stopped');
}

/** `ace-coap as` */
export async function serveAs(path: string, flags: ServeFlags): Promise<void> {
  const config = loadAsConfig(configPath(path));
  const logger = loggerFor('as', flags);
  const emit = (event: AuthorizationServerEvent): void => log(logger, event);
  await serve('as', config, logger, (store, transports) => {
    const profiles = profilesOn(transports, { as: config.dtls });
    return new AuthorizationServer({ ...config, parameters: config.transmission, store, profiles, emit });
  });
}

/** `ace-coap rs` */
export async function serveRs(path: string, flags: ServeFlags): Promise<void> {
  const config = loadRsConfig(configPath(path));
  const logger = loggerFor('rs', flags);
  const emit = (event: ResourceServerEvent): void => log(logger, event);
  let stop = (): void => {};
  try {
    await serve('rs', config, logger, (store, transports) => {
      const profiles = profilesOn(transports, { rs: config.dtls });
      const rs = new ResourceServer({ ...config, parameters: config.transmission, store, profiles, emit });
      stop = addResources(rs, config.resources);
      return rs;
    });
  } finally {
    stop();
  }
}
