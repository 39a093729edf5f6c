import { constants, getDiffieHellman } from 'node:crypto';
import { createServer, isIP, type Server, Socket } from 'node:net';
import { connect, createSecureContext, type SecureContext, type SecureContextOptions, TLSSocket, type TLSSocketOptions } from 'node:tls';
import type { Peer, SecurityAssociation, StreamTransport, WireListener } from '../coap/index.ts';
import { concat, fromUtf8 } from '../core/bytes.ts';
import { type Env, systemEnv } from '../core/env.ts';
import type { Admitted } from '../dtls/index.ts';
import { TransportError } from './errors.ts';
import { tlsSettings } from './https/tls-settings.ts';
import { PskGate } from './psk-gate.ts';
import { type Accepted, type StreamOptions, type StreamServerOptions, TcpTransport } from './tcp.ts';
import { alpnProtocol } from './tls.ts';

/** Forward secret AEAD suites with a PSK: that of TLS 1.3 with psk_dhe_ke, and those of TLS 1.2 that OpenSSL has. */
export type TlsPskSuite = 'TLS_AES_128_GCM_SHA256' | 'TLS_DHE_PSK_WITH_AES_128_GCM_SHA256' | 'TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256';

/** What a PSK identity stands for. */
export interface TlsPsk extends Admitted {
  readonly key: Uint8Array;
  /** Seconds since 1970: connections end then. */
  readonly expiresAt?: number;
}

/** Whom a server lets in. */
export interface TlsPskServerOptions {
  /** The key that an identity names. `undefined`: the handshake ends as one with a wrong key does. A promise that fails ends it at once. */
  readonly psk: (identity: string) => Promise<TlsPsk | undefined>;
  /** psk_identity_hint of TLS 1.2 (RFC 4279, Section 2). */
  readonly hint?: string;
  /** One for each listener: a key is for one security protocol. TLS 1.3 when absent. */
  readonly suite?: TlsPskSuite;
  readonly env?: Env;
}

/** How a client proves itself. */
export interface TlsPskClientOptions {
  /** Asked for at each handshake. What it throws, a request fails with before anything is sent. */
  readonly credentials: (host: string) => { readonly identity: Uint8Array; readonly key: Uint8Array };
  readonly suite?: TlsPskSuite;
  /** server_name, in the place of the host that is connected to. */
  readonly serverName?: string;
}

const ciphers: Readonly<Record<TlsPskSuite, { readonly version: 'TLSv1.2' | 'TLSv1.3'; readonly name: string }>> = {
  TLS_AES_128_GCM_SHA256: { version: 'TLSv1.3', name: 'TLS_AES_128_GCM_SHA256' },
  TLS_DHE_PSK_WITH_AES_128_GCM_SHA256: { version: 'TLSv1.2', name: 'DHE-PSK-AES128-GCM-SHA256' },
  TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256: { version: 'TLSv1.2', name: 'ECDHE-PSK-CHACHA20-POLY1305' },
};
const usualSuite: TlsPskSuite = 'TLS_AES_128_GCM_SHA256';
/** RFC 8323, Section 8.2: only on this port may peers do without ALPN. */
const portWithoutAlpn = 5684;
/** Milliseconds. */
const handshakeTimeout = 10_000;
/** Bits of the group of DHE. */
const groupSize = 2048;

function settingsOf(suite: TlsPskSuite = usualSuite): SecureContextOptions {
  const { version, name } = ciphers[suite];
  // A ticket would bring back a peer without its PSK.
  const secureOptions = tlsSettings.secureOptions! | constants.SSL_OP_NO_TICKET;
  return { ...tlsSettings, minVersion: version, maxVersion: version, ciphers: name, secureOptions };
}

/** The group of 2,048 bits of RFC 3526 as PKCS #3 has it: of itself OpenSSL takes one of 1,024 for a PSK. */
function groupPem(): string {
  const prime = getDiffieHellman('modp14').getPrime();
  const length = (bytes: number): Uint8Array => Uint8Array.of(0x82, bytes >> 8, bytes & 0xff);
  const numbers = concat(Uint8Array.of(0x02), length(prime.length + 1), Uint8Array.of(0), prime, Uint8Array.of(0x02, 1, 2));
  const text = Buffer.from(concat(Uint8Array.of(0x30), length(numbers.length), numbers)).toString('base64');
  return `-----BEGIN DH PARAMETERS-----\n${text.replace(/.{64}/g, '$&\n')}\n-----END DH PARAMETERS-----\n`;
}

/**
 * CoAP over TLS with pre-shared keys, to connect with.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8323#section-9.2
 */
export async function tlsPsk(options: StreamOptions & TlsPskClientOptions): Promise<StreamTransport> {
  return new TlsPskTransport(options, options);
}

/**
 * CoAP over TLS with pre-shared keys, listening when the promise is fulfilled. The handshake of a client waits while its key is looked up.
 *
 * A key that the transport has never heard of ends like a wrong one, so that nobody learns who is known.
 *
 * @throws {TransportError} `ERR_TRANSPORT_BIND`
 */
export async function tlsPskServer(options: StreamServerOptions & TlsPskServerOptions): Promise<StreamTransport> {
  const transport = new TlsPskTransport(options, undefined);
  const server = createServer();
  const handshakes = new Handshakes(options, (socket, peer) => {
    transport.accepted.set(socket, peer);
    server.emit('ready', socket);
  });
  server.on('connection', (socket) => handshakes.begin(socket, server));
  await transport.listen(server, 'ready', options);
  return transport;
}

/** The handshakes of a server. */
class Handshakes {
  readonly #options: StreamServerOptions & TlsPskServerOptions;
  readonly #env: Env;
  readonly #context: SecureContext;
  readonly #ready: (socket: TLSSocket, peer: Accepted) => void;
  #serial = 0;

  constructor(options: StreamServerOptions & TlsPskServerOptions, ready: (socket: TLSSocket, peer: Accepted) => void) {
    this.#options = options;
    this.#env = options.env ?? systemEnv;
    const isDhe = options.suite === 'TLS_DHE_PSK_WITH_AES_128_GCM_SHA256';
    this.#context = createSecureContext({ ...settingsOf(options.suite), ...(isDhe ? { dhparam: groupPem() } : {}) });
    this.#ready = ready;
  }

  begin(socket: Socket, server: Server): void {
    const { remoteAddress: address, remotePort: port } = socket;
    if (socket.destroyed || address === undefined || port === undefined) return;
    const known = new Map<string, TlsPsk>();
    let admitted: TlsPsk | undefined;
    const gate = new PskGate(socket, async (identities) => {
      for (const identity of identities) {
        const psk = await this.#options.psk(identity);
        if (psk !== undefined) known.set(identity, psk);
      }
    });
    // TLSSocket takes these as servers do; its types do not say so.
    const options: TLSSocketOptions & { readonly pskIdentityHint?: string; readonly pskCallback: (socket: TLSSocket, identity: string) => Uint8Array } = {
      isServer: true,
      server,
      secureContext: this.#context,
      ALPNProtocols: [alpnProtocol],
      ...(this.#options.hint === undefined ? {} : { pskIdentityHint: this.#options.hint }),
      pskCallback: (_socket, identity) => {
        admitted = known.get(identity);
        return Buffer.from(admitted?.key ?? this.#env.random(32));
      },
    };
    const secured = new TLSSocket(gate, options);
    gate.on('error', () => secured.destroy());
    const cancel = this.#env.schedule(handshakeTimeout, () => secured.destroy());
    // A handshake that fails concerns nobody else.
    secured.on('error', () => secured.destroy());
    secured.once('close', () => {
      cancel();
      gate.destroy();
    });
    secured.once('secure', () => {
      cancel();
      const { alpnProtocol: chosen } = secured;
      if (admitted === undefined || (chosen !== alpnProtocol && this.#options.port !== portWithoutAlpn)) secured.destroy();
      else this.#admit(secured, admitted, { address, port });
    });
  }

  #admit(socket: TLSSocket, { credential, expiresAt }: TlsPsk, at: { readonly address: string; readonly port: number }): void {
    if (expiresAt !== undefined) {
      const cancel = this.#env.schedule((expiresAt - this.#env.epoch()) * 1000, () => socket.destroy());
      socket.once('close', cancel);
    }
    const association: SecurityAssociation = { kind: 'tls', id: `tls ${++this.#serial} of ${at.address}:${at.port}`, credential };
    this.#ready(socket, { ...at, association });
  }
}

class TlsPskTransport extends TcpTransport {
  readonly accepted = new WeakMap<Socket, Accepted>();
  readonly #client: TlsPskClientOptions | undefined;

  constructor(options: StreamOptions, client: TlsPskClientOptions | undefined) {
    super(options, 'coaps+tcp');
    this.#client = client;
  }

  /** The name is what credentials are asked for. */
  protected override named(host: string): { readonly host?: string } {
    return { host };
  }

  protected override peerOf(socket: Socket): Accepted | undefined {
    return this.accepted.get(socket);
  }

  protected override dial(peer: Peer): Socket {
    try {
      return this.#dial(peer);
    } catch (error) {
      return new Socket().destroy(error as Error);
    }
  }

  #dial({ address, port, host = address }: Peer): Socket {
    if (this.#client === undefined)
      throw new TransportError('ERR_TRANSPORT_CREDENTIALS', 'expected a transport with credentials to connect with, got that of a server');
    const { credentials, suite, serverName = host } = this.#client;
    const { identity, key } = credentials(host);
    const psk = { identity: fromUtf8(identity), psk: Buffer.from(key) };
    const { localAddress } = this.origin;
    return connect({
      host: address,
      port,
      servername: isIP(serverName) === 0 ? serverName : '',
      ALPNProtocols: [alpnProtocol],
      ...settingsOf(suite),
      minDHSize: groupSize,
      pskCallback: () => psk,
      // Who has the key is the server; a certificate would be another one, and `ready` takes none.
      checkServerIdentity: () => undefined,
      ...(localAddress === undefined ? {} : { localAddress }),
    });
  }

  protected override ready(socket: Socket, peer: Peer, opened: WireListener['opened']): void {
    socket.once('secureConnect', () => {
      const { alpnProtocol: chosen } = socket as TLSSocket;
      const certificate = (socket as TLSSocket).getPeerX509Certificate();
      if (certificate !== undefined) socket.destroy(new TransportError('ERR_TRANSPORT_TLS', 'expected a server with the key, got one with a certificate'));
      else if (chosen === alpnProtocol || (chosen === false && peer.port === portWithoutAlpn)) opened();
      else socket.destroy(new TransportError('ERR_TRANSPORT_ALPN', `expected the server to choose the protocol ${alpnProtocol}, got ${chosen || 'none'}`));
    });
  }
}
