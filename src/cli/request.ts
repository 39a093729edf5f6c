import { readFileSync, writeFileSync } from 'node:fs';
import type { AceResponse, MethodName } from '../client/index.ts';
import {
  attributeOf,
  Code,
  codeName,
  contentFormatName,
  contentFormatOf,
  decodeLinkFormat,
  Endpoint,
  formatCode,
  type Link,
  Method,
  type Option,
  OptionNumber,
  type OutgoingRequest,
  parseUri,
  type Response,
  uintOf,
  uintOption,
  uriOptions,
} from '../coap/index.ts';
import { emptyBytes, fromUtf8, toHex, utf8 } from '../core/bytes.ts';
import { udp } from '../transport/index.ts';
import { ExitCode, UsageError } from './exit.ts';
import { openClient } from './session.ts';
import { err, table, waiting } from './terminal.ts';
import { traced } from './trace.ts';

export interface RequestFlags {
  readonly config?: string;
  readonly accept?: string;
  readonly contentFormat?: string;
  readonly data?: string;
  readonly payloadFile?: string;
  readonly non?: boolean;
  readonly timeout?: number;
  readonly output?: string;
  readonly json?: boolean;
  readonly verbose?: boolean;
  readonly scope?: string;
  readonly audience?: string;
  readonly plain?: boolean;
  readonly upgrade?: boolean;
  readonly count?: number;
}

/** The number of a Content-Format that is given as a number or a media type. */
function contentFormat(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const number = contentFormatOf(text);
  if (number !== undefined) return number;
  throw new UsageError(`Content-Format: expected a number from 0 to 65535 or a name such as text/plain or application/cbor, got "${text}"`);
}

/** The bytes of a file, or of standard input for `-`. */
export function readInput(file: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(file === '-' ? 0 : file));
  } catch (cause) {
    throw new UsageError(`${file}: cannot be read (${(cause as NodeJS.ErrnoException).code})`, { cause });
  }
}

function payloadOf(flags: RequestFlags): Uint8Array {
  if (flags.data !== undefined && flags.payloadFile !== undefined) throw new UsageError('--data and --payload-file exclude each other');
  if (flags.payloadFile !== undefined) return readInput(flags.payloadFile);
  return flags.data === undefined ? emptyBytes : utf8(flags.data);
}

/** What both kinds of answer have in common, for printing. */
interface Answer {
  readonly code: number;
  readonly options: readonly Option[];
  readonly payload: Uint8Array;
  readonly protected: boolean;
}

function asText(payload: Uint8Array): string | undefined {
  try {
    const text = fromUtf8(payload);
    // Control characters other than white space would play with the terminal.
    return /(?!\s)\p{Cc}/u.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

function describe(answer: Answer): Record<string, unknown> {
  const format = uintOf(answer.options, OptionNumber.ContentFormat);
  const text = asText(answer.payload);
  const observe = uintOf(answer.options, OptionNumber.Observe);
  return {
    code: formatCode(answer.code),
    name: codeName(answer.code),
    protected: answer.protected,
    ...(format === undefined ? {} : { content_format: format }),
    ...(observe === undefined ? {} : { observe }),
    payload_bytes: answer.payload.length,
    ...(text === undefined ? { payload_hex: toHex(answer.payload) } : { payload: text }),
  };
}

/** Payload to standard output, everything about it to standard error, so that a pipe sees the payload alone. */
function print(answer: Answer, flags: RequestFlags): void {
  if (flags.json) {
    console.log(JSON.stringify(describe(answer)));
  } else {
    const format = uintOf(answer.options, OptionNumber.ContentFormat);
    const ok = answer.code < 128;
    const facts = [
      ...(format === undefined ? [] : [contentFormatName(format)]),
      `${answer.payload.length} bytes`,
      answer.protected ? 'protected by OSCORE' : 'not protected',
    ];
    console.error(`${err(ok ? 'green' : 'red', `${formatCode(answer.code)} ${codeName(answer.code)}`)}  ${err('dim', facts.join(', '))}`);
  }
  if (flags.output !== undefined) {
    try {
      writeFileSync(flags.output, answer.payload);
    } catch (cause) {
      throw new UsageError(`${flags.output}: cannot be written (${(cause as NodeJS.ErrnoException).code})`, { cause });
    }
  } else if (!flags.json && answer.payload.length > 0) {
    const text = asText(answer.payload);
    console.log(text ?? toHex(answer.payload));
  }
}

/** A plain CoAP endpoint for the length of one command. */
async function withPlain<T>(uri: string, flags: RequestFlags, use: (endpoint: Endpoint, request: OutgoingRequest) => Promise<T>): Promise<T> {
  const parsed = parseUri(uri);
  const transport = await udp({ address: parsed.host.includes(':') ? '::' : '0.0.0.0' });
  const endpoint = new Endpoint({ transport: flags.verbose ? traced(transport) : transport });
  try {
    const peer = await transport.resolve(parsed.host, parsed.port);
    return await use(endpoint, { code: Method.GET, peer, options: uriOptions(parsed, peer) });
  } finally {
    await endpoint.close();
  }
}

const toAnswer = (response: Response): Answer => ({ ...response, protected: response.association !== undefined });
const fromAce = (response: AceResponse): Answer => response;

function withPayload(request: OutgoingRequest, method: string, flags: RequestFlags): OutgoingRequest {
  const format = contentFormat(flags.contentFormat);
  const accept = contentFormat(flags.accept);
  const extra: Option[] = [];
  if (format !== undefined) extra.push(uintOption(OptionNumber.ContentFormat, format));
  if (accept !== undefined) extra.push(uintOption(OptionNumber.Accept, accept));
  return {
    ...request,
    code: Method[methodName(method)],
    options: [...(request.options ?? []), ...extra].sort((a, b) => a.number - b.number),
    payload: payloadOf(flags),
    ...(flags.non ? { nonConfirmable: true } : {}),
  };
}

/** The method of a command: `ipatch` is iPATCH. */
function methodName(command: string): MethodName {
  return (Object.keys(Method) as MethodName[]).find((name) => name.toLowerCase() === command)!;
}

const timeoutOf = (flags: RequestFlags): { timeout?: number } => (flags.timeout === undefined ? {} : { timeout: flags.timeout * 1000 });

/** What AceClient.fetch and .observe take of the flags. */
function aceInit(flags: RequestFlags): Record<string, unknown> {
  const format = contentFormat(flags.contentFormat);
  const accept = contentFormat(flags.accept);
  return {
    ...timeoutOf(flags),
    ...(format === undefined ? {} : { contentFormat: format }),
    ...(accept === undefined ? {} : { accept }),
    ...(flags.non ? { confirmable: false } : {}),
    ...(flags.scope === undefined ? {} : { scope: flags.scope }),
    ...(flags.audience === undefined ? {} : { audience: flags.audience }),
    ...(flags.plain ? { allowUnprotected: true } : {}),
    ...(flags.upgrade === false ? { upgrade: false } : {}),
  };
}

/** `ace-coap get|put|post|delete|fetch|patch|ipatch` */
export async function requestCommand(method: string, uri: string, flags: RequestFlags): Promise<void> {
  parseUri(uri);
  const payload = payloadOf(flags);
  const answer = await waiting(`${method.toUpperCase()} ${uri}`, async (note) => {
    if (flags.config === undefined) {
      return withPlain(uri, flags, async (endpoint, request) => toAnswer(await endpoint.request(withPayload(request, method, flags), timeoutOf(flags))));
    }
    const client = await openClient(flags.config, { verbose: flags.verbose === true, note });
    try {
      return fromAce(await client.fetch(uri, { ...aceInit(flags), method: methodName(method), payload }));
    } finally {
      await client.close();
    }
  });
  print(answer, flags);
  if (answer.code >= 128) process.exitCode = ExitCode.refused;
}

/** `ace-coap observe` */
export async function observeCommand(uri: string, flags: RequestFlags): Promise<void> {
  parseUri(uri);
  const stop = new AbortController();
  const end = (): void => stop.abort();
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
  const show = async (answers: AsyncIterable<Answer>): Promise<void> => {
    let seen = 0;
    for await (const answer of answers) {
      print(answer, flags);
      if (answer.code >= 128) process.exitCode = ExitCode.refused;
      if (++seen === flags.count) break;
    }
    if (seen === 0 && !stop.signal.aborted) process.exitCode = ExitCode.noAnswer;
  };
  try {
    if (flags.config === undefined) {
      await withPlain(uri, flags, async (endpoint, request) => {
        const answers = endpoint.observe(withPayload(request, 'get', flags), { ...timeoutOf(flags), signal: stop.signal });
        await show(mapped(answers, toAnswer));
      });
      return;
    }
    const client = await openClient(flags.config, { verbose: flags.verbose === true });
    try {
      await show(mapped(client.observe(uri, { ...aceInit(flags), signal: stop.signal }), fromAce));
    } finally {
      await client.close();
    }
  } finally {
    process.off('SIGINT', end);
    process.off('SIGTERM', end);
  }
}

async function* mapped<T>(items: AsyncIterable<T>, map: (item: T) => Answer): AsyncIterable<Answer> {
  for await (const item of items) yield map(item);
}

/** `ace-coap discover`: links as a table; a list of resources is no secret here, so it is read unprotected. */
export async function discoverCommand(uri: string, flags: RequestFlags): Promise<void> {
  const parsed = parseUri(uri);
  const answer = await waiting(`discover ${uri}`, () =>
    withPlain(uri, flags, async (endpoint, request) => {
      const options = uriOptions({ ...parsed, path: ['.well-known', 'core'] }, request.peer);
      return toAnswer(await endpoint.request(withPayload({ ...request, options }, 'get', flags), timeoutOf(flags)));
    }),
  );
  if (answer.code !== Code.Content) {
    print(answer, flags);
    process.exitCode = ExitCode.refused;
    return;
  }
  const links = decodeLinkFormat(fromUtf8(answer.payload));
  if (flags.json) {
    for (const { target, attributes } of links)
      console.log(JSON.stringify({ target, ...Object.fromEntries(attributes.map(([name, value]) => [name, value ?? true])) }));
    return;
  }
  const columns = ['rt', 'if', 'ct', 'sz', 'title'];
  const observable = (link: Link): string => (link.attributes.some(([name]) => name === 'obs') ? 'yes' : '');
  const rows = links.map((link) => [link.target, observable(link), ...columns.map((name) => attributeOf(link, name) ?? '')]);
  console.log(table(['path', 'observe', ...columns], rows));
}

/** `ace-coap ping` */
export async function pingCommand(uri: string, flags: RequestFlags): Promise<void> {
  const started = performance.now();
  await waiting(`ping ${uri}`, () => withPlain(uri, flags, (endpoint, request) => endpoint.ping(request.peer, timeoutOf(flags))));
  const milliseconds = Math.round((performance.now() - started) * 10) / 10;
  console.log(flags.json ? JSON.stringify({ alive: true, milliseconds }) : `alive, answered in ${milliseconds} ms`);
}
