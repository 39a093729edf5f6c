import {
  accessTokenVerifier,
  Guard,
  type KeySource,
  keyRecordsEndpoint,
  type OpenIdFace,
  openIdFace,
  SealHttpsServer,
} from '../../../../profiles/seal/https/index.ts';
import { KeyManagementServer, type SealedRecords, type SimS } from '../../../../profiles/seal/index.ts';
import { type ClientRegistration, hashSecret, setPassword, type TimedTokenKey } from '../../../as/index.ts';
import { utf8 } from '../../../core/bytes.ts';
import { keyPair } from '../../../core/crypto/index.ts';
import { systemEnv } from '../../../core/env.ts';
import { type CertificateInit, type IssuedCertificate, LabAuthority } from '../../../pki/index.ts';
import type { Store } from '../../../store/index.ts';
import { serveHttps } from '../../../transport/index.ts';
import { freePort } from '../ports.ts';
import type { HttpsKeysParties } from './https-keys.ts';
import type { HttpsLoginParties } from './https-login.ts';

const host = '127.0.0.1';
const app = { id: 'car-app', secret: 'the secret of an application', redirectUri: `http://${host}/callback` } as const;
const valServer = { id: 'val1', secret: 'the secret of a VAL server' } as const;

/** What signs the tokens for an audience that is reached over HTTPS. */
export function freshSigningKey(): TimedTokenKey {
  const { x, y, d } = keyPair(1, systemEnv.random);
  return { use: 'sign1', algorithm: -7, key: { kty: 2, crv: 1, x, y: y!, d } };
}

/** An application of VAL users, and a VAL server: clients of a SIM-S that know it over HTTPS alone. */
export async function httpsClients(audience: string, scope: string): Promise<readonly ClientRegistration[]> {
  // What stands here is no secret: that guesses are slow helps nobody.
  const hash = (secret: string): Promise<string> => hashSecret(utf8(secret), systemEnv.random, { N: 2, r: 1, p: 1 });
  const grants = [{ audience, scope }];
  return [
    { id: app.id, https: { secret: await hash(app.secret), redirectUris: [app.redirectUri] }, grants },
    { id: valServer.id, https: { secret: await hash(valServer.secret) }, grants },
  ];
}

/** What the faces stand on: what the same system has over CoAP. */
export interface CoapFaces {
  readonly simS: SimS;
  readonly store: Store;
  readonly audience: string;
  readonly valSystem: string;
  readonly skmsUri: string;
  readonly records: SealedRecords;
}

/** The SIM-S and the SKM-S over HTTPS: with the users, clients, tokens and key records that they have over CoAP. */
export class HttpsFaces {
  readonly issuer: string;
  readonly apiRoot: string;
  readonly #store: Store;
  readonly #simS: SimS;
  readonly #authority: LabAuthority;
  readonly #certificates: Readonly<Record<'own' | 'others', IssuedCertificate>>;
  readonly #closing: readonly (() => Promise<void>)[];

  static async start(coap: CoapFaces): Promise<HttpsFaces> {
    const authority = await LabAuthority.make('VAL system', systemEnv);
    const server: CertificateInit = { commonName: host, names: [{ type: 'ip', value: host }], usage: ['server'] };
    const clientNamed = (name: string): Promise<IssuedCertificate> =>
      authority.issue({ commonName: name, names: [{ type: 'dns', value: name }], usage: ['client'] });
    const port = await freePort();
    const issuer = `https://${host}:${port}`;
    const face = await openIdFace({ simS: coap.simS, store: coap.store, issuer });
    const simS = await serveHttps({ ...(await authority.issue(server)), port }, face.handler);
    const skms = await skmsOver(coap, issuer, face, { ...(await authority.issue(server)), clientCa: authority.cert });
    const certificates = { own: await clientNamed(valServer.id), others: await clientNamed('val2') };
    return new HttpsFaces(coap, authority, certificates, { issuer, apiRoot: `https://${host}:${skms.port}` }, [() => skms.server.close(), () => simS.close()]);
  }

  private constructor(
    { store, simS }: CoapFaces,
    authority: LabAuthority,
    certificates: Readonly<Record<'own' | 'others', IssuedCertificate>>,
    { issuer, apiRoot }: Pick<HttpsFaces, 'issuer' | 'apiRoot'>,
    closing: readonly (() => Promise<void>)[],
  ) {
    this.issuer = issuer;
    this.apiRoot = apiRoot;
    this.#store = store;
    this.#simS = simS;
    this.#authority = authority;
    this.#certificates = certificates;
    this.#closing = closing;
  }

  /** An application, with a VAL user who is provisioned and gets a password now. */
  async login(username: string): Promise<HttpsLoginParties> {
    const password = 'correct horse battery staple';
    await setPassword(this.#store, systemEnv.random, username, password);
    const { issuer } = this;
    return { issuer, ca: this.#authority.cert, clientId: app.id, clientSecret: app.secret, redirectUri: app.redirectUri, username, password };
  }

  /** A VAL server that is provisioned now for a service, of which a VAL UE has keys of its own. */
  async keys(of: Pick<HttpsKeysParties, 'serviceId' | 'ueId' | 'keys' | 'otherScope'>): Promise<HttpsKeysParties> {
    await this.#simS.identities.put({ kind: 'server', id: valServer.id, valServiceIds: [of.serviceId] });
    const { issuer, apiRoot } = this;
    return { ...of, issuer, apiRoot, ca: this.#authority.cert, clientId: valServer.id, clientSecret: valServer.secret, ...this.#certificates };
  }

  async close(): Promise<void> {
    for (const close of this.#closing) await close();
  }
}

type KeySet = Exclude<KeySource, () => unknown>;

async function skmsOver(
  { audience, valSystem, skmsUri, records }: CoapFaces,
  issuer: string,
  face: OpenIdFace,
  tls: IssuedCertificate & { readonly clientCa: string },
): Promise<{ readonly server: SealHttpsServer; readonly port: number }> {
  const verifier = accessTokenVerifier({ issuer, audience, valSystem, keys: async () => ({ keys: [...(await face.jwks()).keys] }) as KeySet, env: systemEnv });
  const guard = new Guard({ verifier, certificates: 'required', emit: () => undefined });
  const endpoints = [keyRecordsEndpoint({ server: new KeyManagementServer({ sKmsUri: skmsUri, records }), guard })];
  const server = new SealHttpsServer({ listen: { ...tls, clientCertificate: 'wanted' }, guard, endpoints });
  const { port } = await server.listen();
  return { server, port };
}
