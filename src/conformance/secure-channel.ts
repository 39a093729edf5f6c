import { type Body, CoapError, Endpoint, type Peer, parseUri } from '../coap/index.ts';
import { DtlsError } from '../dtls/index.ts';
import { dtlsOver, tap } from '../transport/index.ts';
import type { Bench, RequestInit } from './bench.ts';
import type { Channel } from './channel.ts';
import { ConformanceError, Nonconformity } from './errors.ts';
import type { DtlsTarget } from './target.ts';

/** A DTLS session with the target. */
export class SecureChannel implements Channel {
  readonly #bench: Bench;
  readonly #endpoint: Endpoint;
  readonly #peer: Peer;

  constructor(bench: Bench, endpoint: Endpoint, peer: Peer) {
    this.#bench = bench;
    this.#endpoint = endpoint;
    this.#peer = peer;
  }

  async ask(path: string, init: RequestInit = {}): Promise<Body> {
    const { code, options, payload } = this.#bench.request(path, init);
    try {
      return await this.#endpoint.request({ peer: this.#peer, code, options, payload }, { timeout: this.#bench.patience.answer });
    } catch (error) {
      if (error instanceof CoapError || error instanceof DtlsError) throw new Nonconformity('an answer in the session', error.message);
      throw error;
    }
  }
}

/** Shake hands with the target, or with another address. @throws {DtlsError} the target refuses, or does not answer in time */
export async function openSecure(bench: Bench, credentials: DtlsTarget, uri: string | undefined = bench.target.coaps): Promise<SecureChannel> {
  if (uri === undefined) throw new ConformanceError('ERR_CONFORMANCE_TARGET', 'expected an address over DTLS, got none');
  const below = tap(await bench.socket(), ({ direction, datagram }) => bench.transcript.note('dtls', direction, datagram));
  const { psk, rawPublicKey, certificate } = credentials;
  const offered = psk ? { psk } : rawPublicKey ? { rawPublicKey } : certificate ? { certificate } : undefined;
  if (offered === undefined) throw new ConformanceError('ERR_CONFORMANCE_TARGET', 'expected credentials for a DTLS handshake, got none');
  const client = { handshakeTimeout: bench.patience.handshake };
  const endpoint = await bench.keep(new Endpoint({ transport: dtlsOver(below, { credentials: offered, client, env: bench.env }), env: bench.env }));
  const { host, port } = parseUri(uri);
  return new SecureChannel(bench, endpoint, await endpoint.resolve(host, port, { scheme: 'coaps' }));
}

/** @throws {Nonconformity} the handshake, which has to fail, comes to its end. What made it fail is the result. */
export async function expectNoSession(bench: Bench, credentials: DtlsTarget, wanted: string): Promise<DtlsError> {
  try {
    await openSecure(bench, credentials);
  } catch (error) {
    if (error instanceof DtlsError) return error;
    throw error;
  }
  throw new Nonconformity(wanted, 'a session');
}

/** As `openSecure`, for a session that has to be. @throws {Nonconformity} */
export async function expectSession(bench: Bench, credentials: DtlsTarget, wanted: string): Promise<SecureChannel> {
  try {
    return await openSecure(bench, credentials);
  } catch (error) {
    if (error instanceof DtlsError) throw new Nonconformity(wanted, error.message);
    throw error;
  }
}
