import { networkInterfaces } from 'node:os';
import {
  allowTargets,
  codeName,
  Endpoint,
  formatCode,
  openRelay,
  type ProxyEvent,
  type ProxyPolicy,
  ProxyServer,
  parseUri,
  type ReverseRoute,
} from '../coap/index.ts';
import { ProtocolError } from '../core/errors.ts';
import type { Logger } from '../operate/index.ts';
import { udp } from '../transport/index.ts';
import { UsageError } from './exit.ts';
import { nothingToReload, untilStopped, withAddress } from './listen.ts';
import { loggerFor, type ServeFlags } from './serve.ts';
import { addressFor } from './socket.ts';

export interface ProxyFlags extends ServeFlags {
  readonly listen: string;
  readonly allow?: readonly string[];
  readonly openRelay?: boolean;
  readonly reverse?: readonly string[];
  readonly alias?: readonly string[];
  readonly via?: string;
  readonly name?: string;
  readonly source?: string;
  readonly cache: boolean;
}

/** What the flags say that is wrong is told with the name of the flag. */
export function flag<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new UsageError(`${name}: ${error.message}`, { code: error.code, cause: error });
  }
}

export function routeOf(text: string): ReverseRoute {
  const at = text.indexOf('=');
  const [prefix, target] = [text.slice(0, Math.max(0, at)), text.slice(at + 1)];
  if (at < 1) throw new UsageError(`--reverse: expected /path=coap://host[:port][/path] or //name=coap://..., got "${text}"`);
  return prefix.startsWith('//') ? { host: prefix.slice(2), target } : { path: prefix, target };
}

function policyOf({ allow, openRelay: anything }: ProxyFlags): ProxyPolicy | undefined {
  if (anything) return openRelay;
  return allow === undefined ? undefined : flag('--allow', () => allowTargets(...allow));
}

/** The hosts that requests go on to, as far as they are known. */
export function hostsOf({ allow = [], openRelay: anything, via }: Pick<ProxyFlags, 'allow' | 'openRelay' | 'via'>, routes: readonly ReverseRoute[]): string[] {
  const uris = [...routes.map(({ target }) => target), ...(via === undefined ? [] : [via])];
  const patterns =
    via === undefined
      ? allow.map((pattern) =>
          pattern
            .replace(/^[a-z+]+:\/\//i, '')
            .replace(/:(?:\*|\d+)$/, '')
            .replace(/^\[|\]$/g, ''),
        )
      : [];
  return [...uris.map((uri) => parseUri(uri).host), ...patterns, ...(anything && via === undefined ? ['*'] : [])];
}

/** Bound to all addresses, the proxy goes by each of them (RFC 7252, Section 5.10.2). */
function ownAddresses(address: string): string[] {
  if (address !== '0.0.0.0' && address !== '::') return [];
  return Object.values(networkInterfaces()).flatMap((addresses = []) => addresses.map((one) => one.address));
}

/** A line of the log for what became of a request. */
export function logProxied(logger: Logger, event: ProxyEvent): void {
  const { type, client, method, code, target, ...rest } = event;
  const fields = { client: client.key, method: codeName(method), target, code: formatCode(code), ...rest };
  if (event.type === 'forwarded') logger.info(fields, type);
  else logger.warn(event.type === 'failed' ? { ...fields, error: event.error.code } : fields, type);
}

/** `ace-coap proxy` */
export async function proxyCommand(flags: ProxyFlags): Promise<void> {
  const listen = flag('--listen', () => parseUri(`coap://${withAddress(flags.listen)}`));
  const allow = policyOf(flags);
  const reverse = (flags.reverse ?? []).map(routeOf);
  if (allow === undefined && reverse.length === 0) {
    throw new UsageError('expected --allow, --open-relay or --reverse, got none of them: nothing is forwarded that is not permitted');
  }
  const address = listen.host === 'localhost' ? '127.0.0.1' : listen.host;
  const logger = loggerFor('proxy', flags);
  // Before a socket is bound, so that what is wrong with the flags is heard first.
  const make = (upstream?: Endpoint): ProxyServer =>
    flag('proxy', () => {
      const names = [...(flags.alias ?? []), ...ownAddresses(address)];
      return new ProxyServer({
        ...(allow === undefined ? {} : { forward: { allow, names, ...(flags.via === undefined ? {} : { via: flags.via }) } }),
        reverse,
        ...(flags.name === undefined ? {} : { name: flags.name }),
        ...(flags.cache ? {} : { cache: false as const }),
        ...(upstream === undefined ? {} : { upstreams: { coap: upstream } }),
        emit: (event) => logProxied(logger, event),
      });
    });
  make().close();
  const upstream = new Endpoint({
    transport: await udp({ address: flags.source ?? addressFor(flag('--via', () => hostsOf(flags, reverse))) }),
  });
  let front: Endpoint | undefined;
  try {
    front = new Endpoint({ transport: await udp({ address, port: listen.port }), proxying: make(upstream) });
    await untilStopped('proxy', logger, [front], nothingToReload(logger));
  } finally {
    await front?.close();
    await upstream.close();
  }
  logger.info({}, 'stopped');
}
