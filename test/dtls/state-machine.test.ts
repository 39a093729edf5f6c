import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BytesError } from '../../src/core/bytes.ts';
import { type CurveKeyPair, cryptoInUse } from '../../src/core/crypto/index.ts';
import { HandshakeFailure } from '../../src/dtls/alert.ts';
import type { ClientConfig, ServerConfig } from '../../src/dtls/config.ts';
import { type HandshakeMessage, HandshakeType, handshakeName } from '../../src/dtls/handshake.ts';
import { pairOf } from '../core/provider-support.ts';
import { SeededRandom } from '../support/random.ts';
import { oneIn } from '../support/scale.ts';
import { certificate, own } from './certificates.ts';
import { identity, psk } from './parties.ts';
import { clientSide, give, type Side, serverSide } from './sides.ts';

// EdDSA signs the same message the same way, so that the messages of one handshake fit another.
const serverKey = pairOf(6, new SeededRandom(1)) as CurveKeyPair;
const clientKey = pairOf(6, new SeededRandom(2)) as CurveKeyPair;

interface Case {
  readonly name: string;
  readonly client: ClientConfig;
  readonly server: ServerConfig;
  /** One in so many of the changed messages is tried in `npm test`. */
  readonly thin?: number;
}

const cases: Case[] = [
  { name: 'PSK', client: { suites: ['TLS_PSK_WITH_AES_128_CCM_8'], psk: { identity, key: psk } }, server: { suites: ['TLS_PSK_WITH_AES_128_CCM_8'], psk: {} } },
  {
    name: 'PSK with a hint',
    client: { suites: ['TLS_PSK_WITH_AES_128_CCM'], psk: { identity, key: psk } },
    server: { suites: ['TLS_PSK_WITH_AES_128_CCM'], psk: { hint: identity } },
  },
  {
    name: 'ECDHE_PSK',
    client: { suites: ['TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256'], psk: { identity, key: psk } },
    server: { suites: ['TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256'], psk: {} },
  },
  {
    name: 'ECDHE_ECDSA',
    client: { suites: ['TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'], rawPublicKey: {} },
    server: { suites: ['TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'], rawPublicKey: { own: serverKey } },
  },
  {
    name: 'ECDHE_ECDSA, both with keys',
    client: { suites: ['TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'], rawPublicKey: { own: clientKey } },
    server: { suites: ['TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'], rawPublicKey: { own: serverKey, client: 'require' } },
  },
  {
    name: 'ECDHE_ECDSA, a client that is asked and has no key',
    client: { suites: ['TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'], rawPublicKey: {} },
    server: { suites: ['TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'], rawPublicKey: { own: serverKey, client: 'request' } },
  },
];

// The portable provider reads no certificates.
if (cryptoInUse() === 'node') {
  const trusted = { roots: [certificate('ed-root')], host: 'server.example' };
  cases.push({
    name: 'ECDHE_ECDSA, both with certificates',
    client: { suites: ['TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'], certificate: { ...trusted, own: own('ed-client') } },
    server: { suites: ['TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8'], certificate: { own: own('ed-server'), client: 'require', roots: trusted.roots } },
    thin: 8,
  });
}

const newClient = ({ client }: Case): Side => clientSide(client);
const newServer = ({ server }: Case, hello: HandshakeMessage): Side => serverSide(server, hello);

interface Flow {
  readonly hello: HandshakeMessage;
  readonly toClient: readonly HandshakeMessage[];
  readonly toServer: readonly HandshakeMessage[];
}

/** A whole handshake. Randomness is the same in each. */
function flowOf(one: Case): Flow {
  const client = newClient(one);
  client.handshake.start();
  const hello = client.sent[0]!;
  const server = newServer(one, hello);
  server.handshake.start();
  for (let i = 0; i < server.sent.length; i++) give(client, server.sent[i]!);
  for (const message of client.sent.slice(1)) give(server, message);
  give(client, server.sent.at(-1)!);
  assert.ok(client.outcome !== undefined && server.outcome !== undefined);
  return { hello, toClient: server.sent, toServer: client.sent.slice(1) };
}

const bodies = new Map<number, Uint8Array>();
for (const one of cases) {
  const { hello, toClient, toServer } = flowOf(one);
  for (const { type, body } of [hello, ...toClient, ...toServer]) bodies.set(type, body);
}

/** The messages that one side may get next, when it has got this many. */
function allowed(role: 'client' | 'server', flow: readonly HandshakeMessage[], got: number): ReadonlySet<number> {
  const next = new Set<number>(flow[got] === undefined ? [] : [flow[got].type]);
  if (role === 'server') return next;
  const types = flow.slice(0, got).map(({ type }) => type);
  const last = types.at(-1);
  if (last === undefined) next.add(HandshakeType.hello_verify_request);
  // What a server may leave out, and this one does, or may send, and this one does not.
  const isPsk = !flow.some(({ type }) => type === HandshakeType.certificate);
  const alwaysExchange = !isPsk || flow.some(({ type, body }) => type === HandshakeType.server_key_exchange && body.length > 30);
  if (last === HandshakeType.server_hello && isPsk) {
    next.add(HandshakeType.server_key_exchange);
    if (!alwaysExchange) next.add(HandshakeType.server_hello_done);
  }
  if (last === HandshakeType.server_key_exchange && !isPsk) {
    next.add(HandshakeType.certificate_request);
    next.add(HandshakeType.server_hello_done);
  }
  return next;
}

for (const one of cases) {
  const flow = flowOf(one);
  for (const role of ['client', 'server'] as const) {
    test(`RFC 5246 7.4: ${one.name}: every handshake message in every state of the ${role}; only what is allowed advances`, () => {
      const incoming = role === 'client' ? flow.toClient : flow.toServer;
      let refused = 0;
      for (let got = 0; got < incoming.length; got++) {
        for (const type of Object.values(HandshakeType)) {
          const subject = role === 'client' ? newClient(one) : newServer(one, flow.hello);
          subject.handshake.start();
          for (const message of incoming.slice(0, got)) give(subject, message);
          const body = incoming[got]!.type === type ? incoming[got]!.body : (bodies.get(type) ?? new Uint8Array(0));
          const isAllowed = allowed(role, incoming, got).has(type);
          const what = `${handshakeName(type)} after ${got} messages`;
          let failure: unknown;
          try {
            give(subject, { type, sequence: 9, body });
          } catch (error) {
            failure = error;
          }
          if (isAllowed) {
            assert.ok(!(failure instanceof HandshakeFailure && failure.alert === 'unexpected_message'), what);
            if (incoming[got]!.type === type) assert.equal(failure, undefined, what);
          } else {
            assert.ok(failure instanceof HandshakeFailure, what);
            assert.equal(failure.alert, 'unexpected_message', what);
            refused++;
          }
          assert.equal(subject.outcome !== undefined, isAllowed && type === HandshakeType.finished && failure === undefined, what);
        }
      }
      assert.ok(refused > 10);
    });
  }

  test(`${one.name}: every message cut short, prolonged, and with each bit turned over, throws what ends a handshake, or changes nothing but the keys`, () => {
    for (const role of ['client', 'server'] as const) {
      const incoming = role === 'client' ? flow.toClient : flow.toServer;
      incoming.forEach((original, got) => {
        const variants: Uint8Array[] = [Uint8Array.from([...original.body, 0])];
        const thin = oneIn(20 * (one.thin ?? 1), `changed messages of ${one.name}`, one.thin);
        for (let length = 0; length < original.body.length; length += thin * (original.body.length > 60 ? 3 : 1))
          variants.push(original.body.subarray(0, length));
        for (let bit = 0; bit < 8 * original.body.length; bit += thin * (original.body.length > 60 ? 29 : 3)) {
          const body = original.body.slice();
          body[bit >> 3]! ^= 1 << (bit & 7);
          variants.push(body);
        }
        for (const body of variants) {
          const subject = role === 'client' ? newClient(one) : newServer(one, flow.hello);
          subject.handshake.start();
          for (const message of incoming.slice(0, got)) give(subject, message);
          try {
            give(subject, { ...original, body });
            for (const message of incoming.slice(got + 1)) give(subject, message);
          } catch (error) {
            assert.ok(error instanceof HandshakeFailure || error instanceof BytesError, `${handshakeName(original.type)}: ${error}`);
          }
          assert.equal(subject.outcome, undefined, `${role}: ${handshakeName(original.type)} was ${original.body.length} bytes, is ${body.length}`);
        }
      });
    }
  });
}
