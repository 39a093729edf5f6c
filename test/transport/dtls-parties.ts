import type { TestContext } from 'node:test';
import { Code, Endpoint, type EndpointOptions, type Handler } from '../../src/coap/index.ts';
import { utf8 } from '../../src/core/bytes.ts';
import { type CurveKeyPair, keyPair } from '../../src/core/crypto/index.ts';
import type { DtlsAssociation, SessionCredentials } from '../../src/dtls/index.ts';
import { authenticatorOf, type DtlsTransport, type DtlsTransportOptions, dtls } from '../../src/transport/index.ts';
import { SeededRandom } from '../support/random.ts';

const random = new SeededRandom('dtls transports');
const bytes = (length: number): Uint8Array => random.bytes(length);

export const serverKey: CurveKeyPair = keyPair(1, bytes);
export const clientKey: CurveKeyPair = keyPair(1, bytes);

export const identity: Uint8Array = Uint8Array.of(0x00, 0xff, 0x0a, 0x80, 0x31);
const key = utf8('sixteen bytes ok');
/** Two clients with keys of their own, by PSK, and one by its raw public key. */
export const alice: SessionCredentials = { psk: { identity, key } };
export const bob: SessionCredentials = { psk: { identity: utf8('bob'), key: utf8('sixteen bytes no') } };
export const carol: SessionCredentials = { rawPublicKey: { server: serverKey, own: clientKey } };

/** A server that knows the three. */
export const serverOptions: DtlsTransportOptions = {
  server: { psk: {}, rawPublicKey: { own: serverKey, client: 'require' } },
  authenticator: authenticatorOf({
    psk: [
      { identity, key, credential: 'alice' },
      { identity: utf8('bob'), key: utf8('sixteen bytes no'), credential: 'bob' },
    ],
    rawPublicKeys: [{ key: clientKey, credential: 'carol' }],
  }),
};

/** Says who asks. */
export const whoami: Handler = ({ association }, reply) =>
  reply.respond({ code: Code.Content, options: [], payload: utf8(`${association?.kind} ${(association as DtlsAssociation)?.credential}`) });

export interface Party {
  readonly endpoint: Endpoint;
  readonly transport: DtlsTransport;
}

/** An endpoint on a socket of its own, until the test ends. */
export async function party(t: TestContext, options: Parameters<typeof dtls>[0], endpoint: Partial<EndpointOptions> = {}): Promise<Party> {
  const transport = await dtls(options);
  const made = new Endpoint({ transport, ...endpoint });
  t.after(() => made.close());
  return { endpoint: made, transport };
}
