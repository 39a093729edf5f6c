import { type AnswerFields, Code, Endpoint, OptionNumber, opaqueOption, Router } from '../../src/coap/index.ts';
import type { Target } from '../../src/conformance/index.ts';
import { utf8 } from '../../src/core/bytes.ts';
import { Curve } from '../../src/core/cose/index.ts';
import { digest, keyPair } from '../../src/core/crypto/index.ts';
import { systemEnv } from '../../src/core/env.ts';
import { authenticatorOf, dtlsOver, tcpServer, udp } from '../../src/transport/index.ts';
import { type Sabotage, sabotaged } from './saboteur.ts';

/** Short on loopback; a retransmission of the target below comes after 40 ms. */
export const patience = { answer: 5000, silence: 60, retransmission: 300, change: 500, handshake: 5000 };

/** A representation with the entity-tag that its bytes give. */
function tagged(text: string): AnswerFields {
  const payload = utf8(text);
  return { code: Code.Content, payload, contentFormat: 0, options: [opaqueOption(OptionNumber.ETag, digest('sha256', payload).subarray(0, 8))] };
}

/** What of the server breaks a rule, over UDP, and below DTLS. */
export interface OwnTargetOptions {
  readonly udp?: Sabotage;
  readonly dtls?: Sabotage;
}

/** Our own endpoint with a resource of each kind, over UDP, TCP and DTLS, and what the checker is told of it. */
export async function ownTarget({ udp: plain = {}, dtls: below = {} }: OwnTargetOptions = {}): Promise<{ readonly target: Target; close(): Promise<void> }> {
  const router = new Router();
  let led = 'off';
  let body = 'x'.repeat(1500);
  router.resource('/hello', { get: () => tagged('Hello World!'), attributes: { ct: 0 } });
  const handle = router.resource('/led', {
    observable: true,
    get: () => tagged(led),
    put: (request) => {
      led = request.text();
      handle.changed();
    },
    accepts: [0],
    attributes: { ct: 0 },
  });
  router.resource('/large', {
    get: () => tagged(body),
    put: (request) => {
      body = request.text();
    },
    accepts: [0],
    attributes: { ct: 0 },
  });
  router.resource('/separate', { get: () => new Promise((resolve) => setTimeout(() => resolve('late'), 30)) });
  const document = { fetch: (): string => 'a', patch: () => undefined, ipatch: () => undefined, accepts: [50] };
  router.resource('/document', document);
  const own = keyPair(Curve.P256, systemEnv.random);
  const client = keyPair(Curve.P256, systemEnv.random);
  const psk = { identity: utf8('checker'), key: systemEnv.random(16) };
  const sessions = dtlsOver(sabotaged(await udp(), below), {
    server: { psk: {}, rawPublicKey: { own, client: 'require' }, connectionIdLength: 4 },
    authenticator: authenticatorOf({
      psk: [{ ...psk, credential: 'psk' }],
      rawPublicKeys: [{ key: { crv: Curve.P256, x: client.x, y: client.y! }, credential: 'rpk' }],
    }),
  });
  const transport = [sabotaged(await udp(), plain), await tcpServer(), sessions] as const;
  const endpoint = new Endpoint({
    transport,
    handler: router.handler,
    parameters: { ackTimeout: 40, ackRandomFactor: 1, ackDelay: 10 },
    extendedTokens: {},
  });
  const offered = { path: '/document', payload: utf8('{}'), contentFormat: 50 };
  return {
    target: {
      coap: `coap://127.0.0.1:${transport[0].local.port}`,
      tcp: `coap+tcp://127.0.0.1:${transport[1].local.port}`,
      coaps: `coaps://127.0.0.1:${transport[2].local.port}`,
      dtls: { psk, rawPublicKey: { server: { crv: Curve.P256, x: own.x, y: own.y! }, own: client } },
      resources: {
        get: '/hello',
        put: '/led',
        observe: '/led',
        change: '/led',
        large: '/large',
        largePut: '/large',
        separate: '/separate',
        etag: '/hello',
        fetch: offered,
        patch: offered,
        ipatch: offered,
      },
      features: ['requestTag', 'noResponse'],
    },
    close: () => endpoint.close(),
  };
}
