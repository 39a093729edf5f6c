import type { AceRequestInit, MethodName } from '../client/index.ts';
import {
  attributeOf,
  type CoapUri,
  Code,
  ContentFormat,
  contentFormatOf,
  decodeLinkFormat,
  Endpoint,
  emptyOption,
  type Link,
  Method,
  type Option,
  OptionNumber,
  opaqueOption,
  parseUri,
  type Request,
  sortOptions,
  uintOption,
  uriOptions,
} from '../coap/index.ts';
import { fromHex, fromUtf8, utf8 } from '../core/bytes.ts';
import { encode } from '../core/cbor.ts';
import { ProtocolError } from '../core/errors.ts';
import { parseDiagnostic } from '../core/parse-diagnostic.ts';
import { printableJson } from '../core/printable.ts';
import { type Answer, printAnswer } from './answer.ts';
import { expectSession } from './credentials.ts';
import { UsageError } from './exit.ts';
import { readInput } from './input.ts';
import type { ClientProtection } from './oscore/client.ts';
import { checkOutput } from './output-file.ts';
import { securityOf, type TlsFlags, transportsFor } from './socket.ts';
import { table, waiting } from './terminal.ts';
import { Tracer } from './trace.ts';

export interface RequestFlags extends TlsFlags {
  readonly config?: string;
  /** File of an OSCORE context. */
  readonly oscore?: string;
  readonly accept?: string;
  readonly contentFormat?: string;
  readonly data?: string;
  readonly payloadFile?: string;
  /** A payload of CBOR in diagnostic notation. */
  readonly cbor?: string;
  /** An ETag in hexadecimal; empty for any. */
  readonly ifMatch?: string;
  readonly ifNoneMatch?: boolean;
  readonly proxy?: string;
  readonly non?: boolean;
  readonly qBlock?: boolean;
  readonly timeout?: number;
  readonly output?: string;
  readonly json?: boolean;
  readonly verbose?: boolean;
  readonly scope?: string;
  readonly audience?: string;
  readonly plain?: boolean;
  readonly upgrade?: boolean;
}

/** A request as the command line says it, checked before anything is sent. */
export interface Wanted {
  readonly text: string;
  readonly uri: CoapUri;
  readonly method: MethodName;
  readonly payload: Uint8Array;
  readonly contentFormat: number | undefined;
  readonly accept: number | undefined;
  readonly ifMatch: Uint8Array | undefined;
  readonly flags: RequestFlags;
}

/** The number of a Content-Format that is given as a number or a media type. */
function contentFormat(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const number = contentFormatOf(text);
  if (number !== undefined) return number;
  throw new UsageError(`${flag}: expected a number from 0 to 65535 or a name such as text/plain or application/cbor, got "${text}"`);
}

async function payloadOf({ data, payloadFile, cbor }: RequestFlags): Promise<Uint8Array> {
  if ([data, payloadFile, cbor].filter((given) => given !== undefined).length > 1)
    throw new UsageError('expected one of --data, --payload-file and --cbor, got more');
  if (payloadFile !== undefined) return readInput(payloadFile);
  return cbor === undefined ? utf8(data ?? '') : cborOf(cbor);
}

function cborOf(text: string): Uint8Array {
  try {
    return encode(parseDiagnostic(text));
  } catch (cause) {
    if (cause instanceof ProtocolError) throw new UsageError(`--cbor: ${cause.message}`, { cause });
    throw cause;
  }
}

function etagOf(text: string | undefined): Uint8Array | undefined {
  if (text === undefined) return undefined;
  if (!/^([0-9a-fA-F]{2}){0,8}$/.test(text)) throw new UsageError(`--if-match: expected an ETag of at most 8 bytes in hexadecimal, got "${text}"`);
  return fromHex(text);
}

/** The flag --proxy, checked, and what is reached with it. */
export function proxyOf(flags: { readonly proxy?: string }): { readonly proxy?: string; readonly uri?: CoapUri } {
  if (flags.proxy === undefined) return {};
  const uri = parseUri(flags.proxy);
  if (!['coap', 'coaps'].includes(uri.scheme) || uri.path.length + uri.query.length > 0)
    throw new UsageError(`--proxy: expected coap://host[:port] or coaps://host[:port], got "${flags.proxy}"`);
  return { proxy: flags.proxy, uri };
}

export async function wantedOf(method: MethodName, text: string, flags: RequestFlags): Promise<Wanted> {
  if (flags.config === undefined && (flags.scope !== undefined || flags.audience !== undefined)) {
    throw new UsageError('--scope and --audience: expected --config with them, got none');
  }
  if (flags.config !== undefined && flags.oscore !== undefined) throw new UsageError('expected either --config or --oscore, got both');
  proxyOf(flags);
  checkOutput(flags.output);
  return {
    text,
    uri: parseUri(text),
    method,
    payload: await payloadOf(flags),
    contentFormat: contentFormat('--content-format', flags.contentFormat) ?? (flags.cbor === undefined ? undefined : ContentFormat.Cbor),
    accept: contentFormat('--accept', flags.accept),
    ifMatch: etagOf(flags.ifMatch),
    flags,
  };
}

export const milliseconds = (seconds: number | undefined): { timeout?: number } => (seconds === undefined ? {} : { timeout: seconds * 1000 });

/** An endpoint that reaches what a URI names, for the length of one command, and with `--oscore` what protects its requests. */
export async function withEndpoint<T>(
  uri: CoapUri,
  flags: RequestFlags,
  use: (endpoint: Endpoint, protection: ClientProtection | undefined) => Promise<T>,
): Promise<T> {
  const tracer = flags.verbose ? new Tracer() : undefined;
  const protection = flags.oscore === undefined ? undefined : await (await import('./oscore/client.ts')).openForClient(flags.oscore, tracer);
  try {
    // What OSCORE protects may go by whatever scheme.
    if (protection === undefined) expectSession(uri, flags);
    const security = await securityOf(flags, [uri]);
    if (uri.scheme === 'coaps' && security.credentials === undefined)
      throw new UsageError(
        'coaps: expected --psk-identity and --psk, --peer-key (and --rpk), or --ca (and --cert and --key), or for a token --config, got none',
      );
    const transports = await transportsFor([uri], security);
    const endpoint = new Endpoint({
      transport: tracer === undefined ? transports : transports.map((transport) => tracer.wrap(transport)),
      // Under protection every server answers for the option, so nobody need be asked before.
      ...(flags.qBlock ? { qBlock: protection === undefined ? {} : { discovery: 'assume' } } : {}),
      ...(protection === undefined ? {} : { layers: protection.layers }),
    });
    try {
      return await use(endpoint, protection);
    } finally {
      await endpoint.close();
    }
  } finally {
    await protection?.close();
  }
}

/** The request itself. */
export async function requestOf(
  { uri, method, payload, contentFormat, accept, ifMatch, flags }: Wanted,
  endpoint: Endpoint,
  protection: ClientProtection | undefined,
): Promise<Request> {
  const peer = await endpoint.resolve(uri.host, uri.port, flags.proxy === undefined ? { scheme: uri.scheme } : { proxy: flags.proxy });
  const more: readonly Option[] = [
    ...(ifMatch === undefined ? [] : [opaqueOption(OptionNumber.IfMatch, ifMatch)]),
    ...(flags.ifNoneMatch ? [emptyOption(OptionNumber.IfNoneMatch)] : []),
    ...(contentFormat === undefined ? [] : [uintOption(OptionNumber.ContentFormat, contentFormat)]),
    ...(accept === undefined ? [] : [uintOption(OptionNumber.Accept, accept)]),
  ];
  const options = sortOptions([...uriOptions(uri, peer), ...more]);
  return {
    code: Method[method],
    peer,
    options,
    payload,
    ...(flags.non ? { nonConfirmable: true } : {}),
    ...(protection === undefined ? {} : { association: protection.association }),
  };
}

/** What AceClient.fetch and .observe take; what the flags leave open, the configuration says. */
export function aceInit(
  { method, payload, contentFormat, accept, ifMatch, flags }: Wanted,
  defaults: { readonly timeout?: number; readonly confirmable: boolean },
): AceRequestInit {
  return {
    method,
    payload,
    ...milliseconds(flags.timeout ?? defaults.timeout),
    ...(contentFormat === undefined ? {} : { contentFormat }),
    ...(accept === undefined ? {} : { accept }),
    ...(ifMatch === undefined ? {} : { ifMatch }),
    ...(flags.ifNoneMatch ? { ifNoneMatch: true } : {}),
    ...(flags.non || !defaults.confirmable ? { confirmable: false } : {}),
    ...(flags.scope === undefined ? {} : { scope: flags.scope }),
    ...(flags.audience === undefined ? {} : { audience: flags.audience }),
    ...(flags.plain ? { allowUnprotected: true } : {}),
    ...(flags.upgrade === false ? { upgrade: false } : {}),
  };
}

/** What a configuration takes, a store among it, is loaded only where there is one. */
export const sessions = (): Promise<typeof import('./session.ts')> => import('./session.ts');

/** Send it, wait, and give the answer. */
function ask(wanted: Wanted): Promise<Answer> {
  const { uri, method, text, flags } = wanted;
  return waiting(`${method} ${text}`, flags.verbose, async (note) => {
    if (flags.config === undefined) {
      return withEndpoint(proxyOf(flags).uri ?? uri, flags, async (endpoint, protection) => {
        const response = await endpoint.request(await requestOf(wanted, endpoint, protection), milliseconds(flags.timeout));
        return { ...response, protected: response.association !== undefined };
      });
    }
    const { openConfigured } = await sessions();
    const { client, config } = await openConfigured(flags.config, {
      verbose: flags.verbose === true,
      qBlock: flags.qBlock === true,
      note,
      uri,
      tls: flags,
      ...proxyOf(flags),
    });
    try {
      return await client.fetch(text, aceInit(wanted, config));
    } finally {
      await client.close();
    }
  });
}

/** `ace-coap get|put|post|delete|fetch|patch|ipatch` */
export async function requestCommand(command: string, uri: string, flags: RequestFlags): Promise<void> {
  const method = (Object.keys(Method) as MethodName[]).find((name) => name.toLowerCase() === command)!;
  printAnswer(await ask(await wantedOf(method, uri, flags)), flags);
}

/** The URI of `/.well-known/core` at a server, with the filter of the given URI. */
function discoveryUri(text: string): string {
  const { scheme, host, port, path } = parseUri(text);
  if (path.length > 0 && path.join('/') !== '.well-known/core')
    throw new UsageError(`uri: expected coap://host[:port][?filter], got the path "/${path.join('/')}"`);
  const at = text.indexOf('?');
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}/.well-known/core${at < 0 ? '' : text.slice(at)}`;
}

/** `ace-coap discover`: links as a table. A list of resources is no secret as a rule, so an answer without protection is taken. */
export async function discoverCommand(uri: string, flags: RequestFlags): Promise<void> {
  const answer = await ask(await wantedOf('GET', discoveryUri(uri), { ...flags, plain: true }));
  if (answer.code !== Code.Content || flags.output !== undefined) {
    printAnswer(answer, flags);
    return;
  }
  const links = decodeLinkFormat(fromUtf8(answer.payload));
  if (flags.json) {
    for (const { target, attributes } of links)
      console.log(printableJson({ target, ...Object.fromEntries(attributes.map(([name, value]) => [name, value ?? true])) }));
    return;
  }
  console.log(linkTable(links));
}

/** Columns that no link has a value for are left out. */
function linkTable(links: readonly Link[]): string {
  const names = ['rt', 'if', 'ct', 'sz', 'title'].filter((name) => links.some((link) => attributeOf(link, name) !== undefined));
  const observable = (link: Link): string => (link.attributes.some(([name]) => name === 'obs') ? 'yes' : '');
  return table(
    ['path', 'observe', ...names],
    links.map((link) => [link.target, observable(link), ...names.map((name) => attributeOf(link, name) ?? '')]),
  );
}

/** `ace-coap ping` */
export async function pingCommand(text: string, flags: RequestFlags): Promise<void> {
  const uri = parseUri(text);
  const elapsed = await waiting(`ping ${text}`, flags.verbose, () =>
    withEndpoint(uri, flags, async (endpoint) => {
      const peer = await endpoint.resolve(uri.host, uri.port, { scheme: uri.scheme });
      const started = performance.now();
      await endpoint.ping(peer, milliseconds(flags.timeout));
      return performance.now() - started;
    }),
  );
  const rounded = Math.round(elapsed * 10) / 10;
  console.log(flags.json ? JSON.stringify({ alive: true, milliseconds: rounded }) : `alive, answered in ${rounded} ms`);
}
