import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { CoapResponse, Code, Method, pathOptions, Router } from '../../src/coap/index.ts';
import { utf8 } from '../../src/core/bytes.ts';
import type { CurveKeyPair } from '../../src/core/crypto/index.ts';
import type { CipherSuiteName, SessionCredentials } from '../../src/dtls/index.ts';
import {
  authenticatorOf,
  CoapClient,
  type DtlsTransportEvent,
  type DtlsTransportOptions,
  dtlsSchemes,
  type Server,
  schemes,
  serve,
} from '../../src/transport/index.ts';
import { Simulator } from '../support/simulator.ts';
import { until } from '../support/wait.ts';
import { clientAddress, clientKey, port, serverAddress, serverKey, simulated } from '../transport/dtls-parties.ts';

const pskSuite: CipherSuiteName = 'TLS_PSK_WITH_AES_128_CCM_8';
const rpkSuite: CipherSuiteName = 'TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8';
const identity = utf8('password');
const psk = (key: string): SessionCredentials => ({ psk: { identity, key: utf8(key) } });
const rpk = (server: CurveKeyPair): SessionCredentials => ({ rawPublicKey: { server, own: clientKey } });

const withPsk: DtlsTransportOptions = {
  server: { suites: [pskSuite], psk: {} },
  authenticator: authenticatorOf({ psk: [{ identity, key: utf8('sesame') }] }),
};
const withRpk = (client: CurveKeyPair): DtlsTransportOptions => ({
  server: { suites: [rpkSuite], rawPublicKey: { own: serverKey, client: 'require' } },
  authenticator: authenticatorOf({ rawPublicKeys: [{ key: client }] }),
});

/** /secure is there in a session only; on plain CoAP it is 4.01. */
const site = new Router();
site.resource('/secure', { get: ({ association }) => (association === undefined ? { code: Code.Unauthorized } : `secret for ${association.kind}`) });

interface Sides {
  readonly server: Server;
  readonly client: CoapClient;
  readonly events: DtlsTransportEvent[];
}

/** The server, with plain CoAP beside DTLS, and the client. */
async function sides(t: TestContext, options: DtlsTransportOptions, credentials: SessionCredentials, suite: CipherSuiteName): Promise<Sides> {
  const events: DtlsTransportEvent[] = [];
  const rows = (own: DtlsTransportOptions): typeof schemes => [...schemes, ...dtlsSchemes({ ...own, emit: (event) => events.push(event) })];
  const server = await serve({ listen: ['coaps://127.0.0.1:0', 'coap://127.0.0.1:0'], resources: site, schemes: rows(options), drain: 0 });
  const client = new CoapClient({ schemes: rows({ credentials, client: { suites: [suite] } }) });
  t.after(() => client.close().then(() => server.close()));
  return { server, client, events };
}

const failures = (events: readonly DtlsTransportEvent[]): string[] =>
  events.flatMap((event) => (event.type === 'handshake-failed' ? [`${event.role} ${event.error.code} ${event.error.message}`] : [])).sort();

async function succeeds({ server, client, events }: Sides, suite: CipherSuiteName): Promise<void> {
  const response = await client.request(`${server.url}/secure`);
  assert.equal(response.codeText, '2.05');
  assert.equal(response.text(), 'secret for dtls');
  const agreed = events.map((event) => (event.type === 'session' ? event.peer.association : undefined));
  assert.deepEqual(
    agreed.map((association) => (association as { suite?: string } | undefined)?.suite),
    [suite, suite],
  );
  assert.equal((await client.request(`${server.urls[1]}/secure`)).codeText, '4.01', 'not on plain CoAP');
}

test('TD_COAP_DTLS_01: Basic DTLS PSK (success case)', async (t) => {
  await succeeds(await sides(t, withPsk, psk('sesame'), pskSuite), pskSuite);
});

test('TD_COAP_DTLS_02: Basic DTLS PSK (failure case — wrong PSK)', async (t) => {
  const { server, client, events } = await sides(t, withPsk, psk('wrong'), pskSuite);
  await assert.rejects(client.request(`${server.url}/secure`), { code: 'ERR_DTLS_ALERT', message: /decrypt_error/ });
  assert.match(failures(events).join('\n'), /server ERR_DTLS_HANDSHAKE decrypt_error/);
});

test('TD_COAP_DTLS_04: Basic DTLS RPK (success case)', async (t) => {
  await succeeds(await sides(t, withRpk(clientKey), rpk(serverKey), rpkSuite), rpkSuite);
});

// RFC 7925 §6 takes from raw public keys the alerts that are for certificates, certificate_unknown among them: it is handshake_failure.
test('TD_COAP_DTLS_05: Basic DTLS RPK (client failure case)', async (t) => {
  const { server, client, events } = await sides(t, withRpk(clientKey), rpk(clientKey), rpkSuite);
  await assert.rejects(client.request(`${server.url}/secure`), { code: 'ERR_DTLS_HANDSHAKE', message: /handshake_failure/ });
  await until(() => failures(events).length === 2);
  assert.match(failures(events)[1]!, /server ERR_DTLS_ALERT .*handshake_failure/);
});

test('TD_COAP_DTLS_06: Basic DTLS RPK (server failure case)', async (t) => {
  const { server, client, events } = await sides(t, withRpk(serverKey), rpk(serverKey), rpkSuite);
  await assert.rejects(client.request(`${server.url}/secure`), { code: 'ERR_DTLS_ALERT', message: /handshake_failure/ });
  assert.match(failures(events)[1]!, /server ERR_DTLS_HANDSHAKE handshake_failure/);
});

/** The request with the datagram of this number lost; how many there were until it was answered. */
async function lossy(lost: number, suite: CipherSuiteName, server: DtlsTransportOptions, credentials: SessionCredentials): Promise<number> {
  const sim = new Simulator();
  simulated(sim, serverAddress, server, { handler: site.handler });
  const { endpoint } = simulated(sim, clientAddress, { credentials, client: { suites: [suite] } });
  let sent = 0;
  sim.filter = () => sent++ !== lost;
  const ask = async (): Promise<CoapResponse> => {
    const peer = await endpoint.resolve(serverAddress, port);
    return new CoapResponse(await endpoint.request({ code: Method.GET, options: pathOptions(['secure']), peer }));
  };
  const response = await sim.finish(ask());
  assert.equal(`${response.codeText} ${response.text()}`, '2.05 secret for dtls', `datagram ${lost} is lost`);
  return sent;
}

for (const [id, suite, server, credentials] of [
  ['TD_COAP_DTLS_03: Lossy DTLS PSK (success case)', pskSuite, withPsk, psk('sesame')],
  ['TD_COAP_DTLS_07: Lossy DTLS RPK (success case)', rpkSuite, withRpk(clientKey), rpk(serverKey)],
] as const)
  test(id, async () => {
    const usual = await lossy(-1, suite, server, credentials);
    assert.ok(usual >= 8, `six flights, a request and a response, got ${usual} datagrams`);
    for (let lost = 0; lost < usual; lost++) assert.ok((await lossy(lost, suite, server, credentials)) > usual, `datagram ${lost} is sent again`);
  });
