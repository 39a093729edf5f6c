import { oscoreProfile } from '../../profiles/oscore/index.ts';
import { AuthorizationServer, type AuthorizationServerEvent } from '../as/index.ts';
import type { Endpoint, ResourceHandle } from '../coap/index.ts';
import { createLogger, type Logger, type LogLevel, loadAsConfig, loadRsConfig, type ResourceConfig } from '../operate/index.ts';
import { ResourceServer, type ResourceServerEvent } from '../rs/index.ts';
import { lmdbStore } from '../store/index.ts';
import { udp } from '../transport/index.ts';
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
  const { level, time, msg, role: _, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const style = level === 'warn' ? 'yellow' : level === 'error' ? 'red' : 'dim';
  const rest = Object.entries(fields).map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  process.stderr.write(`${String(time).slice(11, 23)} ${paint(process.stderr, style, String(level).padEnd(5))} ${msg}  ${rest.join(' ')}\n`);
}

function loggerFor(role: string, flags: ServeFlags): Logger {
  const forPeople = process.stderr.isTTY === true && !flags.json;
  return createLogger({ level: flags.logLevel, base: { role, pid: process.pid }, ...(forPeople ? { write: readable } : {}) });
}

/** Say where it listens, wait for a signal, stop cleanly. */
async function untilStopped(role: string, logger: Logger, endpoint: Endpoint, close: () => Promise<void>): Promise<void> {
  const { address, port } = endpoint.local;
  logger.info({ address, port }, 'listening');
  console.log(`${role} listens on coap://${address.includes(':') ? `[${address}]` : address}:${port} (Ctrl-C stops it)`);
  const signal = await new Promise<string>((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, resolve);
  });
  await close();
  logger.info({ signal }, 'stopped');
}

/** `ace-coap as` */
export async function serveAs(path: string, flags: ServeFlags): Promise<void> {
  const { listen, store: folder, transmission, ...config } = loadAsConfig(path);
  const logger = loggerFor('as', flags);
  const store = await lmdbStore(folder);
  const as = new AuthorizationServer({ ...config, parameters: transmission, store, profiles: [oscoreProfile], emit: (event) => log(logger, event) });
  try {
    const endpoint = await as.listen(await udp(listen));
    await untilStopped('AS', logger, endpoint, () => as.close());
  } finally {
    await store.close();
  }
}

/** A number that changes by itself, for trying things out. */
function sensor(rs: ResourceServer, { path, unit = '', interval = 2, title }: ResourceConfig): () => void {
  let value = 21.5;
  const handle: ResourceHandle = rs.resource(path, {
    observable: true,
    get: () => `${value.toFixed(1)}${unit === '' ? '' : ` ${unit}`}`,
    attributes: { ...(title === undefined ? {} : { title }), ct: 0 },
  });
  const timer = setInterval(() => {
    value = Math.min(30, Math.max(10, value + (Math.random() - 0.5)));
    handle.changed();
  }, interval * 1000);
  timer.unref();
  return () => clearInterval(timer);
}

/** A text that can be read and written. */
function value(rs: ResourceServer, { path, initial = '', title }: ResourceConfig): () => void {
  let text = initial;
  const handle: ResourceHandle = rs.resource(path, {
    observable: true,
    get: () => text,
    put: (request) => {
      text = request.text();
      handle.changed();
      return undefined;
    },
    accepts: [0],
    attributes: { ...(title === undefined ? {} : { title }), ct: 0 },
  });
  return () => {};
}

/** `ace-coap rs` */
export async function serveRs(path: string, flags: ServeFlags): Promise<void> {
  const { listen, store: folder, transmission, resources, ...config } = loadRsConfig(path);
  const logger = loggerFor('rs', flags);
  const store = await lmdbStore(folder);
  const rs = new ResourceServer({ ...config, parameters: transmission, store, profiles: [oscoreProfile], emit: (event) => log(logger, event) });
  const stops = resources.map((resource) => (resource.kind === 'sensor' ? sensor : value)(rs, resource));
  try {
    const endpoint = await rs.listen(await udp(listen));
    await untilStopped('RS', logger, endpoint, async () => {
      for (const stop of stops) stop();
      await rs.close();
    });
  } finally {
    await store.close();
  }
}
