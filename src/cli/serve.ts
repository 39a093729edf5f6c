import { type DtlsProfileOptions, dtlsProfileWith } from '../../profiles/dtls/index.ts';
import { oscoreProfile } from '../../profiles/oscore/index.ts';
import type { SealServer } from '../../profiles/seal/index.ts';
import type { Profile } from '../ace/index.ts';
import { type AuditSink, AuthorizationServer } from '../as/index.ts';
import { codeName, type Endpoint, type Freshness, type Transport } from '../coap/index.ts';
import { ProtocolError } from '../core/errors.ts';
import { printable } from '../core/printable.ts';
import { sameValue } from '../core/same-value.ts';
import {
  type AdjustableLogger,
  type AsConfig,
  type CapifAefConfig,
  createLogger,
  keepSessions,
  type LogLevel,
  loadAsConfig,
  loadRsConfig,
  type OperationsConfig,
  type RsConfig,
  type SealHttpsRsConfig,
  type ServerEvent,
  takeSessions,
} from '../operate/index.ts';
import { ResourceServer } from '../rs/index.ts';
import type { Store } from '../store/index.ts';
import type { DtlsTransport } from '../transport/index.ts';
import { configPath } from './config-path.ts';
import { UsageError } from './exit.ts';
import { Instruments, type InstrumentsConfig } from './instruments.ts';
import { type Asking, askingOf } from './issuers.ts';
import { drainWithin, type Listening, listenOn, type Place, untilStopped } from './listen.ts';
import { differences, Reload } from './reload.ts';
import { type ResourceChanges, ServedResources } from './resources.ts';
import type { SealFaces } from './seal/faces.ts';
import type { SimSFaces } from './seal/https/sim-s-faces.ts';
import { paint } from './terminal.ts';

export interface ServeFlags {
  /** Absent: as the configuration says, or `info`. */
  readonly logLevel?: LogLevel;
  readonly json?: boolean;
}

/** A log line for people: time, level, message, fields. */
function readable(line: string): void {
  const { level, time, msg, role: _role, pid: _pid, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const style = level === 'warn' ? 'yellow' : level === 'error' ? 'red' : 'dim';
  const rest = Object.entries(fields).map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  process.stderr.write(`${String(time).slice(11, 23)} ${paint(process.stderr, style, String(level).padEnd(5))} ${msg}  ${printable(rest.join(' '))}\n`);
}

/** Lines for people on a terminal, else JSON. */
export function loggerFor(role: string, flags: ServeFlags): AdjustableLogger {
  const forPeople = process.stderr.isTTY === true && !flags.json;
  return createLogger({ level: flags.logLevel ?? 'info', base: { role, pid: process.pid }, ...(forPeople ? { write: readable } : {}) });
}

/** The socket for sessions over DTLS. */
function sessionsOn(transports: readonly Transport[]): DtlsTransport | undefined {
  return transports.find((transport): transport is DtlsTransport => transport.scheme === 'coaps');
}

/** OSCORE always, and DTLS where there is a socket for its sessions. */
function profilesOn(transports: readonly Transport[], options: Omit<DtlsProfileOptions, 'sessions'>): readonly Profile[] {
  const sessions = sessionsOn(transports);
  return [oscoreProfile, ...(sessions === undefined ? [] : [dtlsProfileWith({ sessions, ...options })])];
}

/** What DTLS sockets hold. */
function sessionStats(transports: readonly Transport[]): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(sessionsOn(transports)?.stats() ?? {}).map(([name, value]) => [`dtls.${name}`, value]));
}

interface Server {
  /** Where it listens beside the transports. */
  readonly places?: readonly Place[];
  /** Take up what the store has, so that it is known who goes on with a session. */
  start(): Promise<void>;
  listen(transports: readonly Transport[]): Promise<Endpoint>;
  drain(milliseconds: number): Promise<boolean>;
  stats(): Readonly<Record<string, number>>;
  /** Why it would serve nobody now, as far as it knows. */
  fault?(): string | undefined;
  close(): Promise<void>;
}

type ServerConfig = Listening & InstrumentsConfig;

/** What a server is made of. */
interface Parts {
  readonly store: Store;
  readonly transports: readonly Transport[];
  readonly emit: (event: ServerEvent) => void;
  readonly audit: AuditSink | undefined;
}

interface Service<C extends ServerConfig, S extends Server> {
  readonly role: string;
  readonly load: () => C;
  /** Paths under which requests are counted. */
  readonly paths: (config: C) => readonly string[];
  /** `current` is the configuration of the moment. */
  readonly make: (config: C, parts: Parts, current: () => C) => S | Promise<S>;
  /** Settings that take effect while the server runs, and how. */
  readonly live: readonly (keyof C & string)[];
  readonly apply: (server: S, next: C, before: Pick<Reload<C>, 'started' | 'current'>) => Promise<object>;
  /** What of them needs a restart all the same. */
  readonly restart?: (started: C, next: C) => readonly string[];
}

/** Where sessions are kept. */
interface Keeping {
  readonly store: Store;
  readonly transports: readonly Transport[];
  readonly logger: AdjustableLogger;
}

/** Go on with the sessions that the server before has left, or see to it that nobody will. */
async function takeUp(role: string, { dtls }: ServerConfig, { store, transports, logger }: Keeping): Promise<void> {
  const { taken, refused, passed } = await takeSessions(store, role, dtls?.keepSessions === true ? sessionsOn(transports) : undefined);
  if (taken + refused > 0) logger.info({ taken, refused }, 'sessions-taken');
  if (Object.keys(passed).length > 0) logger.warn({ passed }, 'sessions-passed');
}

/** Leave the sessions to the server that comes after. */
async function handOver(role: string, { dtls }: ServerConfig, { store, transports, logger }: Keeping): Promise<void> {
  const sessions = sessionsOn(transports);
  if (sessions === undefined || dtls?.keepSessions !== true) return;
  try {
    logger.info({ kept: await keepSessions(store, role, sessions) }, 'sessions-kept');
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    logger.error({ error }, 'sessions-kept');
  }
}

/** Run a server from its start to its end. Whatever stops it before it listens lies in its configuration, and is wrong use. */
async function serve<C extends ServerConfig, S extends Server>(service: Service<C, S>, flags: ServeFlags): Promise<void> {
  const { role } = service;
  const config = service.load();
  const levelOf = ({ logLevel }: OperationsConfig): LogLevel => flags.logLevel ?? logLevel ?? 'info';
  const logger = loggerFor(role, { ...flags, logLevel: levelOf(config) });
  const instruments = await Instruments.open(config, logger, service.paths(config));
  // First of all, so that a second server that is started by mistake touches nothing.
  const transports = await listenOn(role, config, instruments.session);
  let server: S | undefined;
  let store: Store;
  const reload = new Reload(config, {
    logger,
    load: service.load,
    live: ['file', 'logLevel', 'drain', ...service.live] as (keyof C & string)[],
    ...(service.restart === undefined ? {} : { restart: service.restart }),
    apply: async (next) => {
      const changes = await service.apply(server!, next, reload);
      instruments.countPaths(service.paths(next));
      logger.level = levelOf(next);
      return changes;
    },
  });
  try {
    try {
      store = await instruments.openStore(role, (error) => {
        logger.error({ error }, 'store');
        // Each answer from here on could be one that the other has given: there is nothing to bring to an end.
        process.exit(1);
      });
      const parts: Parts = { store, transports, emit: instruments.emit, audit: await instruments.openAudit() };
      server = await service.make(config, parts, () => reload.current);
      await instruments.watch({ stats: () => ({ ...server!.stats(), ...sessionStats(transports) }), fault: () => server!.fault?.() });
      await server.start();
      await takeUp(role, config, { store, transports, logger });
      await server.listen(transports);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      throw new UsageError(`${config.file}: ${error.message}`, { code: error.code, cause: error });
    }
    instruments.ready();
    await untilStopped(role, logger, [...transports, ...(server.places ?? [])], () => reload.run());
    instruments.ending('draining');
    const { drain } = reload.current;
    await drainWithin(drain, (milliseconds) => server!.drain(milliseconds), logger);
    await handOver(role, reload.current, { store, transports, logger });
  } finally {
    await server?.close();
    for (const transport of transports) await transport.close();
    await instruments.close();
  }
  logger.info({}, 'stopped');
}

/** `ace-coap as` */
export async function serveAs(path: string, flags: ServeFlags): Promise<void> {
  await serve<AsConfig, AuthorizationServer | SimSFaces>(
    {
      role: 'as',
      load: () => loadAsConfig(configPath(path)),
      paths: () => ['/token', '/introspect', '/revoke/trl', '/admin', '/.well-known/core'],
      make: async ({ audit: _folder, seal, ...config }, { store, transports, emit, audit }, current) => {
        const profiles = profilesOn(transports, { as: liveKeys(current) });
        const options = { ...config, parameters: config.transmission, store, profiles, emit, ...(audit === undefined ? {} : { audit }) };
        return seal === undefined ? new AuthorizationServer(options) : (await import('./seal/servers.ts')).simSOf(seal, options, emit);
      },
      live: ['clients', 'resourceServers', 'limits', 'dtls', 'seal'],
      apply: async (server, next) => {
        if (next.seal !== undefined) return (await import('./seal/servers.ts')).reconfigure(server, next);
        return (server as AuthorizationServer).reconfigure(next);
      },
      restart: (started, next) => [
        ...differences('seal', fixedSeal(started), fixedSeal(next)),
        ...(sameValue(started.dtls.ownKey, next.dtls.ownKey) ? [] : ['dtls.key']),
        ...(sameValue(started.dtls.suites, next.dtls.suites) && sameValue(started.dtls.settings, next.dtls.settings) ? [] : ['dtls']),
      ],
    },
    flags,
  );
}

/** What of a SIM-S takes effect at a start only: all but whom it knows, and what its face over HTTPS shows. */
function fixedSeal({ seal }: AsConfig): unknown {
  if (seal === undefined) return undefined;
  const { identities: _identities, https, ...fixed } = seal;
  return {
    ...fixed,
    ...(https === undefined
      ? {}
      : { https: { listen: https.listen, issuer: https.issuer, proxy: https.proxy, failures: https.failures, certFile: https.tls !== undefined } }),
  };
}

/** The keys of clients and resource servers for DTLS, as the configuration of the moment has them. */
function liveKeys(current: () => AsConfig): NonNullable<DtlsProfileOptions['as']> {
  return {
    get clientKeys() {
      return current().dtls.clientKeys;
    },
    get serverKeys() {
      return current().dtls.serverKeys;
    },
    get ownKey() {
      return current().dtls.ownKey;
    },
    get derivationKeys() {
      return current().dtls.derivationKeys;
    },
  };
}

/** All but their token keys is as it was. */
function areSameIssuers(started: RsConfig, next: RsConfig): boolean {
  const withoutKeys = ({ issuers }: RsConfig): unknown => issuers.map(({ tokenKeys: _keys, ...rest }) => rest);
  return sameValue(withoutKeys(started), withoutKeys(next));
}

/** What of a SEAL server takes effect at a start only: all but what its faces over HTTPS show, and whom they take. */
function fixedSealRs({ seal }: RsConfig): unknown {
  if (seal === undefined) return undefined;
  const { https, capif, ...rest } = seal;
  return { ...rest, https: https && fixedHttps(https), capif: capif && fixedCapif(capif) };
}

function fixedHttps({ listen, issuer, certificates, certificateProfile, sKmsUri, rate, failures }: SealHttpsRsConfig): unknown {
  return { listen, issuer, certificates, certificateProfile, skmsUri: sKmsUri, rate, failures };
}

function fixedCapif({ cert: _cert, key: _key, clientCa: _ca, invokers: _invokers, core, ...rest }: CapifAefConfig): unknown {
  return { ...rest, core: { uri: core.uri, issuer: core.issuer, names: core.names } };
}

/** Seconds. */
const usualWindow = 30;

/** Methods as the configuration of the moment has them. What stands outside a security association is refused or public, whatever its age. */
function freshnessOf(current: () => RsConfig): Freshness {
  return {
    required: ({ code, association }) => association !== undefined && current().freshness?.methods.includes(codeName(code)) === true,
    window: () => 1000 * (current().freshness?.window ?? usualWindow),
  };
}

/** Where neither the file before nor this one says what `aif` is, it follows from whether there are scopes, which a server is told at its start. */
function isOtherAif(started: RsConfig, next: RsConfig): boolean {
  return started.aif === undefined && (started.scopes === undefined) !== (next.scopes === undefined);
}

/** What of an RS takes effect at a start only, within what may change. */
function fixedRs(started: RsConfig, next: RsConfig): readonly string[] {
  return [
    ...(areSameIssuers(started, next) ? [] : ['issuers']),
    ...(isOtherAif(started, next) ? ['scopes'] : []),
    ...differences('seal', fixedSealRs(started), fixedSealRs(next)),
  ];
}

/** What an RS is changed with. */
interface RsParts {
  readonly started: RsConfig;
  /** The configuration until now. */
  readonly before: RsConfig;
  readonly resources: ServedResources;
  readonly asking: Asking;
}

/** Put what may change in the place of what there was, all of it or nothing. */
function changeRs(server: ResourceServer | SealServer | SealFaces, next: RsConfig, { started, before, resources, asking }: RsParts): ResourceChanges {
  const changes = resources.become(next.resources);
  try {
    server.reconfigure({
      ...(areSameIssuers(started, next) ? { issuers: next.issuers, simS: next.issuers[0]! } : {}),
      ...(isOtherAif(started, next) ? {} : { scopes: next.scopes }),
      public: next.public,
      limits: next.limits,
      qBlock: next.qBlock,
      introspection: asking.optionsOf(next).introspection,
    });
    return changes;
  } catch (error) {
    resources.become(before.resources);
    throw error;
  }
}

/** `ace-coap rs` */
export async function serveRs(path: string, flags: ServeFlags): Promise<void> {
  let resources: ServedResources | undefined;
  let asking: Asking | undefined;
  try {
    await serve<RsConfig, ResourceServer | SealServer | SealFaces>(
      {
        role: 'rs',
        load: () => loadRsConfig(configPath(path)),
        paths: ({ resources: served }) => ['/authz-info', '/.well-known/core', ...served.map((resource) => resource.path)],
        make: async (config, { store, transports, emit }, current) => {
          const profiles = profilesOn(transports, { rs: config.dtls });
          const { revocation: _list, introspection: _tokens, freshness: _methods, qBlock, seal, ...rest } = config;
          asking = askingOf(config, store);
          const options = {
            ...rest,
            ...asking.optionsOf(config),
            freshness: freshnessOf(current),
            ...(qBlock && { qBlock: {} }),
            parameters: config.transmission,
            store,
            profiles,
            emit,
          };
          const rs =
            seal === undefined ? new ResourceServer(options) : await (await import('./seal/servers.ts')).sealServerOf(seal, options, { transports, emit });
          resources = new ServedResources(rs);
          resources.become(config.resources);
          return rs;
        },
        live: ['issuers', 'seal', 'scopes', 'public', 'resources', 'limits', 'introspection', 'freshness', 'qBlock'],
        apply: async (server, next, { started, current }) => {
          if ('check' in server && next.seal !== undefined) server.check(next.seal);
          const changes = changeRs(server, next, { started, before: current, resources: resources!, asking: asking! });
          if ('renew' in server && next.seal !== undefined) server.renew(next.seal);
          return changes;
        },
        restart: fixedRs,
      },
      flags,
    );
  } finally {
    resources?.become([]);
    await asking?.close();
  }
}
