import { Code, codeName, type Layer, parseUri, type Request, type Response, Router, requestPath } from '../coap/index.ts';
import { utf8 } from '../core/bytes.ts';
import type { Logger, ResourceConfig } from '../operate/index.ts';
import type { OscoreEvent } from '../oscore/index.ts';
import { type DtlsTransportEvent, dtlsSchemes, type ServeEvent, schemes, serve, type TlsSchemeOptions, tlsSchemes } from '../transport/index.ts';
import { serverCredentials } from './credentials.ts';
import { UsageError } from './exit.ts';
import { readInput } from './input.ts';
import { nothingToReload, untilStopped, withAddress } from './listen.ts';
import type { OpenContexts } from './oscore/contexts.ts';
import { ServedResources } from './resources.ts';
import { loggerFor, type ServeFlags } from './serve.ts';
import { tlsFiles } from './socket.ts';

export interface ServeResourcesFlags extends ServeFlags {
  readonly listen?: readonly string[];
  readonly value?: readonly string[];
  readonly sensor?: readonly string[];
  readonly oscore?: readonly string[];
  readonly allowUnprotected?: boolean;
  readonly cert?: string;
  readonly key?: string;
  readonly clientCa?: string;
  readonly pskIdentity?: readonly string[];
  readonly psk?: readonly string[];
  readonly rpk?: string;
  readonly peerKey?: readonly string[];
  readonly suites?: string;
  readonly mtu?: number;
  readonly connectionId?: number;
  readonly crl?: string;
  readonly qBlock?: boolean;
}

/** What is served when nothing is asked for. */
const samples: readonly ResourceConfig[] = [
  { path: '/temperature', kind: 'sensor', unit: 'C' },
  { path: '/led', kind: 'value', initial: 'off' },
];

function resourceOf(kind: ResourceConfig['kind'], text: string): ResourceConfig {
  const at = text.indexOf('=');
  const [path, initial] = [at < 0 ? text : text.slice(0, at), at < 0 ? '' : text.slice(at + 1)];
  if (!/^\/[^\s?#]*$/.test(path)) throw new UsageError(`--${kind}: expected /path=${kind === 'sensor' ? 'number' : 'text'}, got ${JSON.stringify(text)}`);
  if (kind === 'sensor' && at >= 0 && !/^-?\d+(?:\.\d+)?$/.test(initial))
    throw new UsageError(`--sensor: expected a number after "=", got ${JSON.stringify(text)}`);
  return { path, kind, ...(initial === '' ? {} : { initial }) };
}

function resourcesOf({ value = [], sensor = [] }: ServeResourcesFlags): readonly ResourceConfig[] {
  const asked = [...sensor.map((text) => resourceOf('sensor', text)), ...value.map((text) => resourceOf('value', text))];
  return asked.length === 0 ? samples : asked;
}

const refusal: Response = { code: Code.Unauthorized, options: [], payload: utf8('this server takes requests under OSCORE only') };

/** Lets in what OSCORE protects, or everything, and logs it. */
function door(logger: Logger, open: boolean): Layer {
  return {
    name: 'door',
    outbound: (next) => next,
    inbound: (next) => (request, reply) => {
      const fields = fieldsOf(request);
      if (open || request.association !== undefined) {
        logger.info(fields, 'request');
        next(request, reply);
      } else {
        logger.warn(fields, 'request-refused');
        reply.respond(refusal);
      }
    },
  };
}

function fieldsOf({ code, options, peer, association }: Request): Record<string, unknown> {
  return {
    client: peer.key,
    method: codeName(code),
    path: requestPath(options),
    ...(association === undefined ? {} : { [association.kind]: association.credential }),
  };
}

function logEvent(logger: Logger, event: ServeEvent): void {
  const { type, ...fields } = event;
  if (type === 'failed') logger.warn(fields, type);
  else logger.debug(fields, type);
}

function logOscore(logger: Logger, event: OscoreEvent): void {
  const fields = { ...('context' in event && event.context !== undefined ? { oscore: event.context.credential } : {}) };
  // The first request after a start is challenged, and comes again.
  if (event.type === 'discarded')
    logger[event.reason === 'unverified' ? 'info' : 'warn']({ ...fields, reason: event.reason, detail: event.detail }, 'oscore-discarded');
  else if (event.type === 'sequence') logger.warn({ reason: event.code, detail: event.detail }, 'oscore-sequence');
  else if (event.type === 'running-out') logger.warn({ remaining: event.remaining }, 'oscore-running-out');
  else if (event.type === 'restored') logger.info(fields, 'oscore-restored');
}

function logSession(logger: Logger, { peer, error, ...event }: DtlsTransportEvent): void {
  const fields = { ...event, client: peer.key, ...(error === undefined ? {} : { reason: error.message }) };
  if (event.type === 'handshake-failed') logger.warn(fields, event.type);
  else logger.debug(fields, event.type);
}

async function tlsOf({ cert, key, clientCa }: ServeResourcesFlags): Promise<TlsSchemeOptions> {
  const own = await tlsFiles({ ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }) });
  return clientCa === undefined ? own : { ...own, clientCa: await readInput(clientCa) };
}

/** What contexts take, a store among it, is loaded only where there are some. */
async function contextsOf({ oscore }: ServeResourcesFlags, logger: Logger): Promise<OpenContexts | undefined> {
  if (oscore === undefined) return undefined;
  const { OpenContexts } = await import('./oscore/contexts.ts');
  return OpenContexts.open(oscore, { block: 64, emit: (event) => logOscore(logger, event) });
}

/** `ace-coap serve` */
export async function serveResources(flags: ServeResourcesFlags): Promise<void> {
  const listen = (flags.listen ?? ['127.0.0.1:5683']).map(withAddress).map((uri) => (uri.includes('://') ? uri : `coap://${uri}`));
  const resources = resourcesOf(flags);
  const tls = await tlsOf(flags);
  const sessions = listen.some((uri) => uri.startsWith('coaps://')) ? await serverCredentials(flags) : {};
  const logger = loggerFor('serve', flags);
  const contexts = await contextsOf(flags, logger);
  const router = new Router({ emit: (event) => logEvent(logger, event) });
  const served = new ServedResources(router);
  try {
    served.become(resources);
    const open = contexts === undefined || flags.allowUnprotected === true;
    const server = await serve({
      listen,
      resources: router,
      schemes: [...schemes, ...tlsSchemes(tls), ...dtlsSchemes({ ...sessions, emit: (event) => logSession(logger, event) })],
      drain: 1000,
      ...(flags.qBlock && { qBlock: {} }),
      layers: () => [door(logger, open), ...(contexts === undefined ? [] : [contexts.layer()])],
      emit: (event) => logEvent(logger, event),
    });
    try {
      await untilStopped(
        'server',
        logger,
        server.urls.map((url) => {
          const { scheme, host, port } = parseUri(url);
          return { scheme, local: { address: host, port } };
        }),
        nothingToReload(logger),
      );
    } finally {
      await server.close();
    }
  } finally {
    served.become([]);
    await contexts?.close();
  }
  logger.info({}, 'stopped');
}
