import { CapifInvoker, type ServiceSecurity } from '../../../../profiles/seal/https/index.ts';
import { fromBase64Url, fromUtf8, toBase64Url, utf8 } from '../../../core/bytes.ts';
import { printable, printableDocument, printableJson } from '../../../core/printable.ts';
import { type CapifInvokerConfig, loadClientConfig } from '../../../operate/index.ts';
import type { HttpsResponse } from '../../../transport/index.ts';
import { configPath } from '../../config-path.ts';
import { ExitCode, UsageError } from '../../exit.ts';
import { readInput } from '../../input.ts';
import { milliseconds } from '../../request.ts';
import { err, waiting } from '../../terminal.ts';

export interface CapifInvokeFlags {
  readonly config: string;
  readonly aef: string;
  readonly api: readonly string[];
  readonly security: string;
  readonly owner?: string;
  readonly method: string;
  readonly data?: string;
  readonly payloadFile?: string;
  readonly contentType: string;
  readonly timeout?: number;
  readonly json?: boolean;
}

type Method = 'PKI' | 'OAUTH';

/** A call, and what went before it. */
interface Invocation {
  readonly context: ServiceSecurity;
  readonly method: Method;
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly response: HttpsResponse;
}

/** `ace-coap seal capif invoke` */
export async function capifInvokeCommand(uri: string, flags: CapifInvokeFlags): Promise<void> {
  if (!/^https:\/\/[^\s#@]+$/.test(uri) || !URL.canParse(uri)) throw new UsageError(`uri: expected a URI of https, got ${JSON.stringify(uri)}`);
  const preferred = methodsOf(flags.security);
  if (!/^(?:GET|POST|PUT|PATCH|DELETE)$/.test(flags.method))
    throw new UsageError(`--method: expected GET, POST, PUT, PATCH or DELETE, got ${JSON.stringify(flags.method)}`);
  const body = await bodyOf(flags);
  const { seal, file } = loadClientConfig(configPath(flags.config));
  if (seal?.capif === undefined) throw new UsageError(`${file}: expected a section seal.capif, got none`);
  const { capif } = seal;
  const invocation = await waiting(`${flags.method} ${uri}`, flags.json, (note) => invoke(uri, capif, preferred, body, flags, note));
  const { status } = invocation.response;
  if (status < 200 || status > 299) process.exitCode = ExitCode.refused;
  if (flags.json === true) console.log(printableJson(fieldsOf(capif, invocation)));
  else print(invocation);
}

async function invoke(
  uri: string,
  { apiInvokerId, apiRoot, tls }: CapifInvokerConfig,
  prefSecurityMethods: readonly Method[],
  body: Uint8Array | undefined,
  { aef: aefId, api: apis, owner, method, contentType, timeout }: CapifInvokeFlags,
  note: (text: string) => void,
): Promise<Invocation> {
  const invoker = new CapifInvoker({ apiInvokerId, apiRoot, tls, ...milliseconds(timeout) });
  note(`asking ${apiRoot} for a security method`);
  const context = await invoker.negotiate([{ aefId, prefSecurityMethods }]);
  const selected = invoker.methodOf(aefId);
  const call = { aefId, apis, ...(owner === undefined ? {} : { resOwnerId: owner }) };
  let claims: Invocation['claims'];
  if (selected === 'OAUTH') {
    note(`asking ${apiRoot} for a token`);
    claims = claimsOf(await invoker.token(call));
  }
  note(`${method} ${uri}`);
  const headers = body === undefined ? {} : { headers: { 'content-type': contentType }, body };
  const response = await invoker.fetch(uri, { ...call, method, ...headers, ...milliseconds(timeout) });
  return { context, method: selected as Method, ...(claims === undefined ? {} : { claims }), response };
}

function methodsOf(text: string): readonly Method[] {
  const words = text.toUpperCase().split(',');
  if (new Set(words).size !== words.length || !words.every((word) => word === 'PKI' || word === 'OAUTH'))
    throw new UsageError(`--security: expected PKI, OAUTH or both with a comma between them, got ${JSON.stringify(text)}`);
  return words as readonly Method[];
}

async function bodyOf({ data, payloadFile }: CapifInvokeFlags): Promise<Uint8Array | undefined> {
  if (data !== undefined && payloadFile !== undefined) throw new UsageError('expected one of --data and --payload-file, got both');
  if (payloadFile !== undefined) return readInput(payloadFile);
  return data === undefined ? undefined : utf8(data);
}

/** What a token says, for people: nobody here takes its word for anything. */
function claimsOf(token: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(fromUtf8(fromBase64Url(token.split('.')[1] ?? ''))) as Readonly<Record<string, unknown>>;
  } catch {
    return {};
  }
}

function fieldsOf({ apiInvokerId, apiRoot }: CapifInvokerConfig, { context, method, claims, response }: Invocation): object {
  const { status, headers, body } = response;
  return {
    core: apiRoot,
    api_invoker_id: apiInvokerId,
    security_method: method,
    security_info: context.securityInfo,
    ...(claims === undefined ? {} : { token_claims: claims }),
    status,
    headers,
    ...contentOf(body),
  };
}

function contentOf(body: Uint8Array): { readonly body?: unknown; readonly body_base64url?: string } {
  if (body.length === 0) return {};
  let text: string;
  try {
    text = fromUtf8(body);
  } catch {
    return { body_base64url: toBase64Url(body) };
  }
  try {
    return { body: JSON.parse(text) as unknown };
  } catch {
    return { body: text };
  }
}

function print({ method, claims, response: { status, headers, body } }: Invocation): void {
  const how = method === 'PKI' ? 'method 2 (PKI): by certificate' : `method 3 (OAUTH): by certificate and token, scope ${printable(String(claims?.['scope']))}`;
  console.error(err('dim', `CAPIF ${how}`));
  console.error(err(status < 300 ? 'green' : 'red', `${status}${headers.location === undefined ? '' : ` ${printable(headers.location)}`}`));
  const content = contentOf(body);
  const text = typeof content.body === 'string' ? content.body : JSON.stringify(content.body, null, 2);
  // A program gets what came.
  if (content.body !== undefined) console.log(process.stdout.isTTY ? printableDocument(text) : text);
  else if (content.body_base64url !== undefined) console.log(content.body_base64url);
}
