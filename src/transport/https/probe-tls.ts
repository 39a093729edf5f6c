import { connect as connectTcp, isIP } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { BytesError, concat } from '../../core/bytes.ts';
import { systemEnv } from '../../core/env.ts';
import { TransportError } from '../errors.ts';
import { clientContext, type TlsClientOptions } from '../tls.ts';
import { encodeClientHello, readTlsAnswer, type TlsAnswer, type TlsOffer } from './client-hello.ts';
import { offerChecks } from './tls-checks.ts';
import { tlsSettings } from './tls-settings.ts';

/** How a TLS server is probed. */
export interface ProbeOptions extends TlsClientOptions {
  /** The name that is indicated, and that the certificate is to be for; the host when absent. */
  readonly serverName?: string;
  /** Milliseconds for each connection; 5,000 when absent. */
  readonly timeout?: number;
}

/** What one offer has shown. */
export interface TlsCheck {
  readonly name: string;
  readonly clause: string;
  /** `advice` for what should be otherwise, `not-tried` for what nothing can be said of; `detail` tells why. */
  readonly outcome: 'pass' | 'fail' | 'advice' | 'not-tried';
  readonly detail?: string;
}

interface Place {
  readonly host: string;
  readonly port: number;
  readonly timeout: number;
  readonly serverName: string | undefined;
}

/** Bytes of the flight of a server that are read. */
const longestFlight = 65_536;

/**
 * Probe a TLS server for what TS 33.210, Section 6.2, has it accept and refuse: one connection for each offer, made here byte by byte, so that also what no TLS
 * library offers any more is offered. Then two whole handshakes, for the certificate and for renegotiation.
 *
 * @throws {TransportError} `ERR_TRANSPORT_HTTPS`: nobody listens there
 */
export async function probeTls(host: string, port: number, options: ProbeOptions = {}): Promise<readonly TlsCheck[]> {
  const { timeout = 5000, serverName = isIP(host) === 0 ? host : undefined } = options;
  const place: Place = { host, port, timeout, serverName };
  const checks: TlsCheck[] = [];
  for (const { name, clause, strength, offer, wrong } of offerChecks) {
    const answer = await answerTo(place, serverName === undefined ? offer : { ...offer, serverName });
    if (typeof answer === 'string') {
      checks.push({ name, clause, outcome: 'not-tried', detail: answer });
      continue;
    }
    const detail = wrong(answer);
    checks.push(detail === undefined ? { name, clause, outcome: 'pass' } : { name, clause, outcome: strength === 'shall' ? 'fail' : 'advice', detail });
  }
  for (const version of ['TLSv1.3', 'TLSv1.2'] as const) checks.push(await wholeHandshake(place, version, options));
  checks.push(await renegotiation(place, options));
  return checks;
}

/** A text: why there is none. */
function answerTo({ host, port, timeout }: Place, offer: TlsOffer): Promise<TlsAnswer | string> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ host, port, timeout });
    let connected = false;
    let bytes: Uint8Array = new Uint8Array(0);
    const end = (answer: TlsAnswer | string): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.on('connect', () => {
      connected = true;
      socket.write(encodeClientHello(offer, systemEnv.random(32)));
    });
    socket.on('data', (part: Uint8Array) => {
      bytes = concat(bytes, part);
      try {
        const answer = readTlsAnswer(bytes);
        if (answer !== undefined) end(answer);
        else if (bytes.length > longestFlight) end('the server sends more than a flight');
      } catch (error) {
        if (!(error instanceof BytesError)) throw error;
        end('the server answers with something else than TLS');
      }
    });
    socket.on('timeout', () => end(`no answer within ${timeout} ms`));
    socket.on('close', () => end({ refused: true }));
    socket.on('error', (cause) => {
      if (connected) end({ refused: true });
      else reject(new TransportError('ERR_TRANSPORT_HTTPS', `https://${host}:${port}: ${cause.message}`, { cause }));
    });
  });
}

/** With our settings, one version, and the certificate of the client if there is one. */
function opened(
  place: Place,
  version: 'TLSv1.2' | 'TLSv1.3',
  options: ProbeOptions,
  then: (socket: TLSSocket, end: (result: string) => void) => void,
): Promise<string> {
  const { host, port, timeout, serverName } = place;
  return new Promise((resolve) => {
    const socket = connectTls({
      ...tlsSettings,
      ...clientContext(options),
      minVersion: version,
      maxVersion: version,
      host,
      port,
      timeout,
      servername: serverName ?? '',
      rejectUnauthorized: false,
    });
    const end = (result: string): void => {
      socket.destroy();
      resolve(result);
    };
    socket.on('secureConnect', () => then(socket, end));
    socket.on('timeout', () => end(`no answer within ${timeout} ms`));
    socket.on('error', ({ code, message }: NodeJS.ErrnoException) => end(`the handshake comes to no end: ${code ?? message}`));
    socket.on('close', () => end('the server ended the connection'));
  });
}

const good = 'good';

async function wholeHandshake(place: Place, version: 'TLSv1.2' | 'TLSv1.3', options: ProbeOptions): Promise<TlsCheck> {
  const check = { name: `${version.replace('v', ' ')}: a handshake, and a certificate that is trusted for this host`, clause: 'TS 33.310, 6.1' };
  let done = false;
  const result = await opened(place, version, options, (socket, end) => {
    done = true;
    end(socket.authorized ? good : String(socket.authorizationError));
  });
  if (result === good) return { ...check, outcome: 'pass' };
  // In TLS 1.2 a server that asks for a certificate ends the handshake of whoever has none.
  const isOurs = !done && options.cert === undefined;
  return isOurs ? { ...check, outcome: 'not-tried', detail: `without a certificate, ${result}` } : { ...check, outcome: 'fail', detail: result };
}

/** RFC 5246, Section 7.2.2: a server that does not want it says so by a warning, or ends the connection. */
async function renegotiation(place: Place, options: ProbeOptions): Promise<TlsCheck> {
  const check = { name: 'no renegotiation', clause: 'TS 33.210, 6.2' };
  let asked = false;
  const result = await opened(place, 'TLSv1.2', options, (socket, end) => {
    asked = true;
    socket.renegotiate({}, (error) => end(error === null ? good : 'refused'));
  });
  if (!asked) return { ...check, outcome: 'not-tried', detail: result };
  return result === good ? { ...check, outcome: 'fail', detail: 'the server renegotiates when a client asks' } : { ...check, outcome: 'pass' };
}
