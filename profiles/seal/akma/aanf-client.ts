import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { concatAll, fromUtf8, utf8 } from '../../../src/core/bytes.ts';
import { type Env, systemEnv } from '../../../src/core/env.ts';
import { type Aanf, type AnchorKey, type ApplicationKey, aanfPaths, anchorKeyToJson, applicationKeyOfJson, keyRequestToJson, removalToJson } from './aanf.ts';
import type { AfId } from './af-id.ts';
import { AkmaError } from './error.ts';

/** Where an AAnF is reached, and how. */
export interface AanfClientOptions {
  /** The apiRoot: `https://aanf.example`, or `http://127.0.0.1:8080`. Keys go over it, so plain HTTP is for loopback, unless `plain` says otherwise. */
  readonly apiRoot: string;
  /** Use plain HTTP to other hosts too: where the network below protects it (NDS/IP). */
  readonly plain?: boolean;
  /** Certificates in PEM of those who may vouch for the AAnF, and our own with its key. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** Milliseconds that an answer may take; 5,000. */
  readonly timeout?: number;
  /** Requests that may be under way at once; 64. */
  readonly requests?: number;
  readonly env?: Env;
}

/** Bytes of an answer that are read. */
const mostBytes = 16_384;

const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

interface HttpAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: Uint8Array;
}

/** An AAnF that is reached over HTTP. */
export class AanfClient implements Aanf {
  readonly #root: URL;
  readonly #options: AanfClientOptions;
  readonly #env: Env;
  #underWay = 0;

  /** @throws {AkmaError} `ERR_AKMA_CONFIG` */
  constructor(options: AanfClientOptions) {
    this.#root = rootOf(options);
    this.#options = options;
    this.#env = options.env ?? systemEnv;
  }

  async retrieveApplicationKey(aKid: string, afId: AfId): Promise<ApplicationKey | undefined> {
    const answer = await this.#post(aanfPaths.retrieve, keyRequestToJson(aKid, afId));
    if (answer.status === 204) return undefined;
    if (answer.status === 200) return keyOf(answer);
    const problem = problemOf(answer);
    // TS 29.535: an AAnF says it in one way or in the other.
    if (problem.cause === 'K_AKMA_NOT_PRESENT') return undefined;
    throw refused(answer, problem);
  }

  /** @throws {AkmaError} `ERR_AKMA_AANF` when the AAnF refuses, or cannot be reached */
  async registerAnchorKey(key: AnchorKey): Promise<void> {
    const answer = await this.#post(aanfPaths.register, anchorKeyToJson(key));
    if (answer.status !== 200 && answer.status !== 204) throw refused(answer, problemOf(answer));
  }

  async removeContext(supi: string): Promise<void> {
    const answer = await this.#post(aanfPaths.remove, removalToJson(supi));
    if (answer.status !== 200 && answer.status !== 204) throw refused(answer, problemOf(answer));
  }

  /** `underWay`: requests to the AAnF without an answer. */
  stats(): { readonly underWay: number } {
    return { underWay: this.#underWay };
  }

  async #post(path: string, body: object): Promise<HttpAnswer> {
    if (this.#underWay >= (this.#options.requests ?? 64)) throw failed('too many requests are under way');
    this.#underWay++;
    try {
      return await this.#exchange(path, utf8(JSON.stringify(body)));
    } finally {
      this.#underWay--;
    }
  }

  #exchange(path: string, body: Uint8Array): Promise<HttpAnswer> {
    const { timeout = 5000, tls = {} } = this.#options;
    const headers = { 'content-type': 'application/json', accept: 'application/json, application/problem+json', 'content-length': body.length };
    const url = new URL(`${this.#root.pathname.replace(/\/$/, '')}${path}`, this.#root);
    return new Promise((resolve, reject) => {
      const options = { method: 'POST', headers };
      const request = url.protocol === 'https:' ? requestHttps(url, { ...options, ...tls }) : requestHttp(url, options);
      const cancel = this.#env.schedule(timeout, () => request.destroy(failed(`no answer within ${timeout} ms`)));
      const end = (settle: () => void): void => {
        cancel();
        settle();
      };
      request.on('error', (error) => end(() => reject(error instanceof AkmaError ? error : failed('it cannot be reached', error))));
      request.on('response', (response) => {
        bodyOf(response).then(
          (bytes) => end(() => resolve({ status: response.statusCode ?? 0, type: response.headers['content-type'] ?? '', body: bytes })),
          (error) => end(() => reject(error instanceof AkmaError ? error : failed('its answer broke off', error))),
        );
      });
      request.end(body);
    });
  }
}

function rootOf({ apiRoot, plain }: AanfClientOptions): URL {
  const wrong = (expected: string): AkmaError => new AkmaError('ERR_AKMA_CONFIG', `apiRoot: expected ${expected}, got another`);
  if (!URL.canParse(apiRoot)) throw wrong('a URL');
  const root = new URL(apiRoot);
  if (root.protocol !== 'https:' && root.protocol !== 'http:') throw wrong('a URL of http or https');
  if (root.protocol === 'http:' && plain !== true && !loopback.test(root.hostname)) throw wrong('https for a host that is not this one');
  if (root.username !== '' || root.search !== '' || root.hash !== '') throw wrong('a URL of scheme, host and path');
  return root;
}

async function bodyOf(response: IncomingMessage): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > mostBytes) throw failed(`its answer has more than ${mostBytes} bytes`);
    chunks.push(chunk);
  }
  return concatAll(chunks);
}

/** What the text says is left out of the error: it may hold a key. */
function jsonOf({ type, body }: HttpAnswer): unknown {
  if (!/^application\/(?:problem\+)?json\b/i.test(type)) throw failed('its answer is no JSON');
  try {
    return JSON.parse(fromUtf8(body));
  } catch {
    throw failed('its answer is no JSON');
  }
}

/** What is no key is no word of whether there is one. */
function keyOf(answer: HttpAnswer): ApplicationKey {
  const value = jsonOf(answer);
  try {
    return applicationKeyOfJson(value);
  } catch (error) {
    if (!(error instanceof AkmaError)) throw error;
    throw failed(error.message, error);
  }
}

/** What ProblemDetails (RFC 9457, TS 29.571) say for programs; nothing where there are none. */
function problemOf(answer: HttpAnswer): { readonly cause?: string } {
  try {
    const cause = (jsonOf(answer) as { readonly cause?: unknown } | null)?.cause;
    return typeof cause === 'string' && /^[A-Z0-9_]{1,64}$/.test(cause) ? { cause } : {};
  } catch {
    return {};
  }
}

function refused({ status }: HttpAnswer, { cause }: { readonly cause?: string }): AkmaError {
  return failed(`it answers ${status}${cause === undefined ? '' : ` (${cause})`}`);
}

function failed(reason: string, cause?: unknown): AkmaError {
  return new AkmaError('ERR_AKMA_AANF', `the AAnF gives no key: ${reason}`, cause === undefined ? undefined : { cause });
}
