import { allowTargets, formatCode, looseMediaTypes, type ReverseRoute } from '../../coap/index.ts';
import { systemEnv } from '../../core/env.ts';
import { isLoopback } from '../../core/host.ts';
import { sameValue } from '../../core/same-value.ts';
import { Gateway, type GatewayEvent, type GatewayListener, type GatewayOptions } from '../../gateway/index.ts';
import { type ClientConfig, type Logger, loadClientConfig, type OperationsConfig, parseMetrics } from '../../operate/index.ts';
import type { HttpsCredentials } from '../../transport/index.ts';
import { configPath } from '../config-path.ts';
import { UsageError } from '../exit.ts';
import { watchHttp } from '../http-watch.ts';
import { readInput } from '../input.ts';
import { Instruments } from '../instruments.ts';
import { drainWithin, untilStopped } from '../listen.ts';
import { flag, routeOf } from '../proxy.ts';
import { Reload } from '../reload.ts';
import { loggerFor, type ServeFlags } from '../serve.ts';
import { type AuthorizeFlags, authorizeOf, type IssuerFiles, issuerFiles } from './authorize.ts';
import { Upstreams } from './upstreams.ts';

export interface GatewayFlags extends ServeFlags, AuthorizeFlags {
  readonly listen: string;
  readonly allow?: readonly string[];
  readonly reverse?: readonly string[];
  readonly config?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly template: string;
  readonly base: string;
  readonly loose?: boolean;
  readonly coapPayload?: boolean;
  readonly rate?: number;
  readonly timeout?: number;
  readonly host?: readonly string[];
  readonly name?: string;
  readonly cache: boolean;
  readonly metrics?: string;
  readonly metricsPublic?: boolean;
  readonly drain?: number;
}

/** Seconds that requests under way have when the gateway is told to stop. */
const usualDrain = 10;

interface Listen {
  readonly scheme: 'http' | 'https';
  readonly address: string;
  readonly port: number;
}

function listenOf({ listen, cert, key, clientCa }: GatewayFlags): Listen {
  const match = /^(https?):\/\/(\[[0-9a-fA-F:]+\]|[^/:[\]]+)(?::(\d{1,5}))?\/?$/.exec(listen);
  if (match === null) throw new UsageError(`--listen: expected http://127.0.0.1[:port] or https://address[:port], got "${listen}"`);
  const scheme = match[1] as Listen['scheme'];
  const named = match[2]!.replace(/^\[|\]$/g, '');
  const address = named === 'localhost' ? '127.0.0.1' : named;
  if (scheme === 'http' && !isLoopback(address)) throw new UsageError(`--listen: expected https://, or http:// on a loopback address, got "${listen}"`);
  const files = [cert, key, clientCa].filter((file) => file !== undefined).length;
  if (scheme === 'http' && files > 0) throw new UsageError('--cert, --key and --client-ca: expected --listen https://..., got http');
  if (scheme === 'https' && (cert === undefined || key === undefined))
    throw new UsageError('--listen https://...: expected --cert and --key, got one or none of them');
  return { scheme, address, port: Number(match[3] ?? (scheme === 'http' ? 8080 : 8443)) };
}

/** What files say that are read again for each SIGHUP. */
interface GatewayFiles extends IssuerFiles {
  readonly tls?: HttpsCredentials;
  /** Whose tokens requests go out with. */
  readonly client?: ClientConfig;
}

async function filesOf(flags: GatewayFlags): Promise<GatewayFiles> {
  const { cert, key, clientCa, config } = flags;
  const issuer = { ...(await issuerFiles(flags)), ...(config === undefined ? {} : { client: loadClientConfig(configPath(config)) }) };
  if (cert === undefined || key === undefined) return issuer;
  const tls = { cert: await readInput(cert), key: await readInput(key), ...(clientCa === undefined ? {} : { clientCa: await readInput(clientCa) }) };
  return { ...issuer, tls };
}

function operationsOf({ metrics: text, metricsPublic, drain = usualDrain }: GatewayFlags): OperationsConfig {
  if (text === undefined) return { drain };
  const metrics = parseMetrics(text);
  if (metrics === undefined) throw new UsageError(`--metrics: expected an address and a port, such as 127.0.0.1:9464, got "${text}"`);
  if (!isLoopback(metrics.address) && metricsPublic !== true)
    throw new UsageError(`--metrics: expected a loopback address, or --metrics-public beside it, got "${metrics.address}"`);
  return { drain, metrics };
}

/** Paths that requests are counted under. */
function endpointsOf({ base }: GatewayFlags, reverse: readonly ReverseRoute[]): readonly string[] {
  const paths = [base, ...reverse.map(({ path = '' }) => path), '/.well-known/core'];
  return paths.map((path) => path.replace(/\/+$/, '')).filter((path) => path !== '');
}

/** A line of the log for what became of a request. */
function logGateway(logger: Logger, event: GatewayEvent): void {
  const { type, code, duration, ...rest } = event;
  const fields = { ...rest, ...(code === undefined ? {} : { code: formatCode(code) }), ms: Math.round(duration) };
  if (type === 'forwarded' || type === 'served') logger.info(fields, type);
  else logger.warn(fields, type);
}

function optionsOf(flags: GatewayFlags, { scheme, address }: Listen): Omit<GatewayOptions, 'authorize' | 'upstreams' | 'allow' | 'reverse'> {
  const own = scheme === 'http' ? ['localhost', '127.0.0.1', '[::1]', address] : undefined;
  const hosts = own === undefined && flags.host === undefined ? undefined : [...(own ?? []), ...(flags.host ?? [])];
  return {
    mapping: { base: flags.base, template: flags.template },
    mediaTypes: { ...(flags.loose ? { loose: looseMediaTypes } : {}), coapPayload: flags.coapPayload === true },
    ...(hosts === undefined ? {} : { hosts }),
    ...(flags.name === undefined ? {} : { name: flags.name }),
    ...(flags.cache ? {} : { cache: false as const }),
    ...(flags.timeout === undefined ? {} : { timeout: flags.timeout * 1000 }),
    ...(flags.rate === undefined ? {} : { limits: { rate: { burst: Math.max(1, flags.rate), rate: flags.rate } } }),
  };
}

function refuseHandshake(logger: Logger, refused: (type: string, reason: string) => void, peer: string, detail: string): void {
  logger.warn({ reason: 'handshake', detail, peer }, 'handshake-refused');
  refused('handshake-refused', 'handshake');
}

/** `ace-coap gateway` */
export async function gatewayCommand(flags: GatewayFlags): Promise<void> {
  const listen = listenOf(flags);
  const allow = flags.allow === undefined ? undefined : flag('--allow', () => allowTargets(...flags.allow!));
  const reverse = (flags.reverse ?? []).map(routeOf);
  if (reverse.some(({ path }) => path === undefined)) throw new UsageError('--reverse: expected /path=coap://host[:port][/path], got the name of a host');
  if (allow === undefined && reverse.length === 0)
    throw new UsageError('expected --allow or --reverse, got none of them: nothing is forwarded that is not permitted');
  const operations = operationsOf(flags);
  const logger = loggerFor('gateway', flags);
  const instruments = await Instruments.open(operations, logger, []);
  const refused = (type: string, reason: string): void => instruments.count({ type: 'service', service: 'gateway', event: { type, reason } });
  let listener: GatewayListener | undefined;
  let reload: Reload<GatewayFiles> | undefined;
  const authorize = await authorizeOf(flags, listen.scheme, {
    files: () => reload?.current ?? {},
    emit: ({ type, ...fields }) => {
      logger.warn(fields, type);
      refused(type, fields.reason);
    },
  });
  const emit = (event: GatewayEvent): void => {
    logGateway(logger, event);
    if (event.type === 'refused' || event.type === 'failed') refused(`request-${event.type}`, event.reason ?? event.error ?? 'unknown');
  };
  const make = (upstreams: Upstreams['upstreams'], timeout?: number): Gateway => {
    const options = optionsOf({ ...(timeout === undefined ? {} : { timeout }), ...flags }, listen);
    return flag('gateway', () => new Gateway({ ...options, authorize, reverse, upstreams, emit, ...(allow === undefined ? {} : { allow }) }));
  };
  // Before a socket is bound, so that what is wrong with the flags is heard first.
  make({}).close();
  const { scheme: _, ...at } = listen;
  const files = await filesOf(flags);
  const upstream = await Upstreams.open(files.client, flags.allow ?? [], reverse);
  reload = new Reload(files, {
    logger,
    load: () => filesOf(flags),
    live: ['tls', 'keySet', 'ca', 'client'],
    restart: ({ client }, next) => (client?.timeout === next.client?.timeout ? [] : ['defaults.timeout']),
    apply: async ({ tls, client }) => {
      const isOther = client !== undefined && !sameValue(client, reload!.current.client);
      if (isOther) await upstream.become(client);
      if (tls !== undefined) listener?.renew?.(tls);
      return isOther ? { client: client.file } : {};
    },
  });
  try {
    const gateway = make(upstream.upstreams, files.client?.timeout);
    const { tls } = reload.current;
    const handshakes = { refused: (peer: string, reason: string): void => refuseHandshake(logger, refused, peer, reason) };
    const paths = endpointsOf(flags, reverse);
    listener = await gateway.listen({
      ...at,
      ...watchHttp('gateway', () => paths, instruments.emit),
      ...(tls === undefined ? {} : { tls: { ...tls, ...handshakes } }),
    });
    const { stats, fault, scheme, address, port } = listener;
    try {
      await instruments.watch({ stats: () => ({ ...gateway.stats(), connections: stats()['connections'] ?? 0 }), fault: () => fault(systemEnv.epoch()) });
      instruments.ready();
      await untilStopped('gateway', logger, [{ scheme, local: { address, port } }], () => reload?.run());
      instruments.ending('draining');
      await drainWithin(operations.drain, listener.drain, logger);
    } finally {
      await listener.close();
      gateway.close();
    }
  } finally {
    await upstream.close();
    await instruments.close();
  }
  logger.info({}, 'stopped');
}
