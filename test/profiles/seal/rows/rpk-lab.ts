import { dtlsProfileWith } from '../../../../profiles/dtls/index.ts';
import { oscoreProfile } from '../../../../profiles/oscore/index.ts';
import { encodeValClaims, SealServer, type SealService } from '../../../../profiles/seal/index.ts';
import { AuthorizationServer } from '../../../../src/as/index.ts';
import { AceClient } from '../../../../src/client/index.ts';
import type { DatagramTransport } from '../../../../src/coap/index.ts';
import { utf8 } from '../../../../src/core/bytes.ts';
import { type CoseKey, Curve, KeyType } from '../../../../src/core/cose/index.ts';
import { publicKeyFrom } from '../../../../src/core/crypto/index.ts';
import type { TokenKey } from '../../../../src/core/cwt.ts';
import type { Env } from '../../../../src/core/env.ts';
import type { DtlsServerConfig } from '../../../../src/dtls/index.ts';
import type { ResourceServerEvent } from '../../../../src/rs/index.ts';
import { memoryStore } from '../../../../src/store/index.ts';
import { type DtlsTransport, dtlsOver } from '../../../../src/transport/index.ts';
import { Simulator } from '../../../support/simulator.ts';
import { audience, tokenKey, valSystem } from './lab.ts';

type KeyPair = CoseKey & { readonly crv: number; readonly x: Uint8Array; readonly y: Uint8Array; readonly d: Uint8Array };

function keyPair(number: number): KeyPair {
  return { kty: KeyType.EC2, ...publicKeyFrom(Curve.P256, new Uint8Array(32).fill(number)) } as KeyPair;
}

/** With what a SIM-S signs, and by what a SEAL server knows it. */
export function signatureKeys(number: number): { readonly own: TokenKey; readonly known: TokenKey } {
  const { d: _, ...known } = keyPair(number);
  return { own: { use: 'sign1', algorithm: -7, key: keyPair(number) }, known: { use: 'sign1', algorithm: -7, key: known } };
}

const simSUri = 'coaps://10.0.0.1/token';
const [clientKey, serverKey] = [keyPair(1), keyPair(2)];
const channel = { identity: utf8('ue1'), key: new Uint8Array(16).fill(0x21) };

export interface RpkLabOptions {
  /** With what the SIM-S protects tokens, and what the SEAL server holds for it. */
  readonly keys: { readonly own: TokenKey; readonly known: TokenKey };
  readonly services: (env: Env) => readonly SealService[];
  readonly valServiceIds: readonly string[];
}

/** A SIM-S, a SEAL server and a SIM-C whose proof-of-possession key is a raw public key: the token holds no secret, and so it is signed and no more. */
export class RpkLab {
  readonly simulator: Simulator = new Simulator();
  readonly serverEvents: ResourceServerEvent[] = [];
  readonly simS: AuthorizationServer;
  readonly server: SealServer;
  readonly simC: AceClient;
  readonly #transports: { readonly simS: DatagramTransport; readonly server: readonly DatagramTransport[] };

  constructor({ keys, services, valServiceIds }: RpkLabOptions) {
    const grants = [
      {
        audience,
        scope: services(this.simulator.env())
          .flatMap(({ scopes }) => Object.keys(scopes))
          .join(' '),
      },
    ];
    const simS = this.#sessions('10.0.0.1', 5684, { psk: {} });
    this.simS = new AuthorizationServer({
      issuer: simSUri,
      store: memoryStore(),
      profiles: [dtlsProfileWith({ sessions: simS.sessions, as: { clientKeys: { ue1: [clientKey] }, serverKeys: { [audience]: serverKey } } })],
      env: simS.env,
      clients: [{ id: 'ue1', credentials: { psk: channel }, grants }],
      resourceServers: [{ id: audience, audiences: [audience], tokenKeys: [keys.own, tokenKey], iss: true }],
      tokenRules: {
        nameProfile: true,
        claims: async () => ({ sub: 'ue1', unknown: encodeValClaims({ valSystemId: valSystem, valUeId: 'ue1', valServiceIds }) }),
      },
    });
    const server = this.#sessions('10.0.0.2', 5684, { psk: {}, rawPublicKey: { own: serverKey, client: 'require' } });
    this.server = new SealServer({
      audience,
      simS: { uri: simSUri, issuer: simSUri, tokenKeys: [keys.known] },
      valSystem,
      store: memoryStore(),
      profiles: [oscoreProfile, dtlsProfileWith({ sessions: server.sessions })],
      services: services(server.env),
      env: server.env,
      emit: (event) => this.serverEvents.push(event),
    });
    const simC = this.#sessions('10.0.0.3', 40_001);
    this.simC = new AceClient({
      transport: [this.simulator.transport('10.0.0.3', 40_000), simC.sessions],
      store: memoryStore(),
      profiles: [dtlsProfileWith({ sessions: simC.sessions, client: { ownKey: clientKey } })],
      env: simC.env,
      authorizationServers: [{ uri: simSUri, credentials: { psk: channel } }],
    });
    this.#transports = { simS: simS.sessions, server: [this.simulator.transport('10.0.0.2', 5683), server.sessions] };
  }

  async start(): Promise<this> {
    await this.simS.listen(this.#transports.simS);
    await this.server.listen([...this.#transports.server]);
    return this;
  }

  finish<T>(promise: Promise<T>): Promise<T> {
    return this.simulator.finish(promise);
  }

  async close(): Promise<void> {
    await this.simC.close();
    await this.server.close();
    await this.simS.close();
  }

  #sessions(address: string, port: number, server?: DtlsServerConfig): { readonly env: Env; readonly sessions: DtlsTransport } {
    const env = this.simulator.env(address);
    return { env, sessions: dtlsOver(this.simulator.transport(address, port), { env, ...(server === undefined ? {} : { server }) }) };
  }
}
