import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { concatAll, fromUtf8 } from '../../../src/core/bytes.ts';
import { type Env, systemEnv } from '../../../src/core/env.ts';
import { ProtocolError } from '../../../src/core/errors.ts';
import { parseAKid } from './a-kid.ts';
import { type Aanf, type AnchorKey, type ApplicationKey, aanfPaths, anchorKeyOfJson, applicationKeyToJson, keyRequestOfJson, removalOfJson } from './aanf.ts';
import type { AfId } from './af-id.ts';
import { AkmaError } from './error.ts';
import { checkedKey, deriveApplicationKey } from './kdf.ts';

/** What a simulated AAnF holds, for how long, and whom it tells. */
export interface AanfSimulatorOptions {
  /** Seconds for which a K_AF may be used; 3,600. */
  readonly lifetime?: number;
  /** Tell AFs the GPSI alone, as those outside the operator's domain are told (through a NEF). Default false. */
  readonly hidesSupi?: boolean;
  /** UEs whose anchor keys are held; 10,000. One more, and the oldest goes. */
  readonly contexts?: number;
  readonly env?: Env;
}

/**
 * An AAnF for tests and demonstrations: it does what TS 33.535, Section 6, asks of one, without the network around it.
 *
 * ```ts
 * const aanf = new AanfSimulator();
 * await aanf.registerAnchorKey({ aKid, kAkma, supi });
 * const server = await serveAanf(aanf, { address: '127.0.0.1', port: 0 });
 * ```
 */
export class AanfSimulator implements Aanf {
  /** One anchor key for each UE, the newest (TS 33.535, 6.1); by SUPI, the oldest first. */
  readonly #contexts = new Map<string, AnchorKey>();
  readonly #bySupi = new Map<string, string>();
  readonly #options: AanfSimulatorOptions;
  readonly #env: Env;

  constructor(options: AanfSimulatorOptions = {}) {
    this.#options = options;
    this.#env = options.env ?? systemEnv;
  }

  /** UEs whose anchor keys are held. */
  get size(): number {
    return this.#contexts.size;
  }

  /** A new key of a UE replaces the one before. @throws {AkmaError} `ERR_AKMA_A_KID`, `ERR_AKMA_KEY` */
  async registerAnchorKey(key: AnchorKey): Promise<void> {
    parseAKid(key.aKid);
    checkedKey('K_AKMA', key.kAkma);
    await this.removeContext(key.supi);
    this.#contexts.set(key.aKid, { ...key, kAkma: key.kAkma.slice() });
    this.#bySupi.set(key.supi, key.aKid);
    const [oldest] = this.#contexts.values();
    if (this.#contexts.size > (this.#options.contexts ?? 10_000) && oldest !== undefined) await this.removeContext(oldest.supi);
  }

  async retrieveApplicationKey(aKid: string, afId: AfId): Promise<ApplicationKey | undefined> {
    const context = this.#contexts.get(aKid);
    if (context === undefined) return undefined;
    const { kAkma, supi, gpsi } = context;
    return {
      kAf: deriveApplicationKey(kAkma, afId),
      // Whole seconds, as the interface writes them.
      expiresAt: Math.floor(this.#env.epoch()) + (this.#options.lifetime ?? 3600),
      ...(this.#options.hidesSupi === true ? {} : { supi }),
      ...(gpsi === undefined ? {} : { gpsi }),
    };
  }

  async removeContext(supi: string): Promise<void> {
    const aKid = this.#bySupi.get(supi);
    this.#bySupi.delete(supi);
    if (aKid !== undefined) this.#contexts.delete(aKid);
  }
}

/** A simulated AAnF that is reached over HTTP. */
export interface AanfServer {
  /** `http://127.0.0.1:8080` */
  readonly apiRoot: string;
  /** Take no more requests, and let go of the port. */
  close(): Promise<void>;
}

const mostBytes = 4096;

/**
 * Serve an AAnF over plain HTTP, which is for loopback: keys go over it.
 *
 * @throws {AkmaError} `ERR_AKMA_BIND`
 */
export async function serveAanf(
  aanf: Aanf,
  { address = '127.0.0.1', port = 0 }: { readonly address?: string; readonly port?: number } = {},
): Promise<AanfServer> {
  const server = createServer({ headersTimeout: 5000, requestTimeout: 5000, keepAliveTimeout: 1000 }, (request, response) => {
    answer(aanf, request).then(
      ([status, body]) => send(response, status, body),
      (error) => send(response, ...problemOf(error)),
    );
  });
  server.maxConnections = 64;
  try {
    server.listen(port, address);
    await once(server, 'listening');
  } catch (cause) {
    throw new AkmaError('ERR_AKMA_BIND', `cannot listen on ${address}:${port}: ${(cause as Error).message}`, { cause });
  }
  const bound = server.address() as AddressInfo;
  return {
    apiRoot: `http://${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Status and JSON of the answer; no JSON: no body. */
type HttpAnswer = readonly [status: number, body?: object];

async function answer(aanf: Aanf, request: IncomingMessage): Promise<HttpAnswer> {
  const paths: readonly string[] = Object.values(aanfPaths);
  const path = request.url ?? '';
  if (!paths.includes(path)) return problem(404, 'no such operation', 'RESOURCE_URI_STRUCTURE_NOT_FOUND');
  if (request.method !== 'POST') return problem(405, 'expected POST');
  const value = await jsonOf(request);
  if (path === aanfPaths.retrieve) {
    const { aKid, afId } = keyRequestOfJson(value);
    const key = await aanf.retrieveApplicationKey(aKid, afId);
    return key === undefined ? [204] : [200, applicationKeyToJson(key)];
  }
  if (path === aanfPaths.register) {
    const key = anchorKeyOfJson(value);
    await aanf.registerAnchorKey(key);
    // AkmaKeyInfo comes back; without the key, which the AUSF has.
    return [200, { aKId: key.aKid, supi: key.supi }];
  }
  await aanf.removeContext(removalOfJson(value));
  return [204];
}

async function jsonOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > mostBytes) throw new AkmaError('ERR_AKMA_JSON', `expected at most ${mostBytes} bytes, got more`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(fromUtf8(concatAll(chunks)));
  } catch {
    throw new AkmaError('ERR_AKMA_JSON', 'expected JSON, got something else');
  }
}

function problem(status: number, detail: string, cause?: string): HttpAnswer {
  return [status, { status, detail, ...(cause === undefined ? {} : { cause }) }];
}

function problemOf(error: unknown): HttpAnswer {
  if (error instanceof ProtocolError) return problem(400, error.message, 'MANDATORY_IE_INCORRECT');
  return problem(500, 'a fault of this server', 'SYSTEM_FAILURE');
}

function send(response: ServerResponse, status: number, body?: object): void {
  if (body === undefined) {
    response.writeHead(status, { 'cache-control': 'no-store' }).end();
    return;
  }
  const type = status < 400 ? 'application/json' : 'application/problem+json';
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(JSON.stringify(body));
}
