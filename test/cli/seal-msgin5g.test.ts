import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { AanfSimulator, akmaCredentials, Msgin5gClient, serveAanf, uaStarTls12 } from '../../profiles/seal/akma/index.ts';
import { toHex } from '../../src/core/bytes.ts';
import { CoapClient, dtlsSchemes } from '../../src/transport/index.ts';
import { anchorOfSubscriber, anna, kAusf } from '../profiles/seal/akma/lab.ts';
import { aceExits, type Run, Server } from './lab.ts';
import { running } from './running.ts';

const anchor = anchorOfSubscriber(anna);

/** An AAnF that knows the subscriber; its apiRoot. */
async function startAanf(t: TestContext): Promise<string> {
  const aanf = new AanfSimulator();
  await aanf.registerAnchorKey({ ...anchor, supi: anna.supi });
  const server = await serveAanf(aanf);
  t.after(() => server.close());
  return server.apiRoot;
}

/** `ace-coap rs` with registration of MSGin5G clients. */
async function startRs(t: TestContext, listen: string, msgin5g = ''): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), 'ace-coap-msgin5g-'));
  const apiRoot = await startAanf(t);
  const file = join(folder, 'rs.yaml');
  const text = `listen: ["${listen}"]
audience: msgin5g
store: ./state
issuers: [{ uri: "coap://127.0.0.1:5783/token", token_keys: [{ use: encrypt0, alg: AES-CCM-16-64-128, key: "${'00'.repeat(16)}" }] }]
profile: seal
seal:
  val_system: val.example
  services:
    msgin5g: { aanf: "${apiRoot}", fqdn: msgin5g.example, lifetime: 60, associations: { ${anna.supi}: [meter] }${msgin5g} }
`;
  writeFileSync(file, text, { mode: 0o600 });
  const server = new Server('rs', file);
  await server.start();
  t.after(async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  return server;
}

test('ace-coap rs: registration of MSGin5G clients by AKMA, from seal.services.msgin5g', async (t) => {
  const server = await startRs(t, 'coaps://127.0.0.1:0');
  const credentials = akmaCredentials({ anchor: () => anchor, protocol: uaStarTls12(0xd001), fqdn: 'msgin5g.example' });
  const client = new CoapClient({ schemes: dtlsSchemes({ credentials, client: { suites: 'seal-strict' } }) });
  t.after(() => client.close());
  const ue = (ueServiceId: string): Msgin5gClient =>
    new Msgin5gClient({ request: (uri, init) => client.request(uri, init), uri: `${server.urls[0]}/msgin5g`, anchor: () => anchor, ueServiceId });
  assert.equal((await ue('meter').register()).expiresIn, 60);
  await assert.rejects(ue('lamp').register(), { code: 'ERR_AKMA_REFUSED', message: /4\.03/ });
  const told = server.log().filter(({ service }) => service === 'msgin5g');
  assert.deepEqual(
    told.map(({ level, event, reason }) => [level, event, reason]),
    [
      ['info', 'key-fetched', undefined],
      ['info', 'registered', undefined],
      ['warn', 'registration-refused', 'other-service-id'],
    ],
  );
  assert.ok(!server.stderr.includes(anna.supi));
});

const secrets = [toHex(kAusf), toHex(anchor.kAkma)];

/** `ace-coap seal msgin5g register` or another, with a key that stands in the environment. */
async function ue(code: number, ...words: readonly string[]): Promise<Run> {
  const run = await aceExits(code, ['seal', 'msgin5g', ...words, '--fqdn', 'msgin5g.example', '--supi', anna.supi], { env: { ACE_COAP_KAUSF: toHex(kAusf) } });
  for (const secret of secrets) assert.ok(!(run.stdout + run.stderr).includes(secret));
  return run;
}

test('ace-coap seal msgin5g: register and deregister over DTLS and over TLS, by the scheme of the URI', async (t) => {
  const server = await startRs(t, 'coaps://127.0.0.1:0', ', tls: { listen: "127.0.0.1:0" }');
  const [overDtls, overTls] = server.urls.map((url) => `${url}/msgin5g`) as [string, string];
  assert.match(overTls, /^coaps\+tcp:/);
  for (const [transport, uri] of [['DTLS', overDtls] as const, ['TLS', overTls] as const]) {
    const registered = await ue(0, 'register', uri, '--service-id', 'meter', '--json');
    assert.deepEqual(JSON.parse(registered.stdout), { done: 'register', ue_service_id: 'meter', transport, a_kid: anchor.aKid, expires_in: 60 });
    assert.equal((await ue(0, 'deregister', uri, '--service-id', 'meter', '--cbor')).stdout, 'deregistered meter\n');
    assert.match((await ue(1, 'deregister', uri, '--service-id', 'meter')).stderr, /4\.04/);
    assert.match((await ue(1, 'register', uri, '--service-id', 'lamp')).stderr, /4\.03.*ERR_AKMA_REFUSED/);
  }
  // TLS with K_AF is for MSGin5G alone, and with another K_AF for nobody.
  assert.match((await ue(1, 'register', overTls.replace('/msgin5g', '/km'), '--service-id', 'meter')).stderr, /4\.04/);
  assert.match((await ue(3, 'register', overTls, '--service-id', 'meter', '--suite', 'TLS_DHE_PSK_WITH_AES_128_GCM_SHA256')).stderr, /error: /);
  assert.match((await ue(2, 'register', 'coap://127.0.0.1/msgin5g', '--service-id', 'meter')).stderr, /uri: expected coaps/);
  for (const secret of [...secrets, anna.supi]) assert.ok(!server.stderr.includes(secret));
});

test('ace-coap rs: MSGin5G over TLS alone, with a suite of TLS 1.2', async (t) => {
  const suite = 'TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256';
  const server = await startRs(t, 'coap://127.0.0.1:0', `, tls: { listen: "127.0.0.1:0", suite: ${suite} }`);
  assert.equal((await ue(0, 'register', `${server.urls[1]}/msgin5g`, '--service-id', 'meter', '--suite', suite)).stdout, 'registered meter for 60 s\n');
});

test('ace-coap seal msgin5g serve: a server for tests, over DTLS and TLS', async (t) => {
  const known = ['seal', 'msgin5g', 'serve', '--aanf', await startAanf(t), '--fqdn', 'msgin5g.example', '--ue', `${anna.supi}=meter`];
  const server = await running([...known, '--listen', 'coaps://127.0.0.1:0', '--listen', 'coaps+tcp://127.0.0.1:0', '--json'], /coaps\+tcp:.*\n/);
  t.after(async () => assert.equal(await server.stop(), 0));
  for (const [, url] of server.stdout.matchAll(/listens on (\S+) /g))
    assert.match((await ue(0, 'register', `${url}/msgin5g`, '--service-id', 'meter')).stdout, /^registered meter for \d+ s\n$/);
  assert.match(server.stderr, /"msg":"registered"/);
  for (const secret of [...secrets, anna.supi]) assert.ok(!server.stderr.includes(secret));
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['--listen', 'coap://127.0.0.1:1'], /--listen: expected coaps:/],
    [['--listen', 'coaps://127.0.0.1:1', '--listen', 'coaps://127.0.0.1:2'], /expected one address for each scheme/],
    [['--ue', 'meter'], /--ue: expected a UE ID/],
    [['--path', 'm'], /--path: expected/],
    [['--aanf', 'http://aanf.example'], /apiRoot: expected https/],
  ];
  for (const [words, expected] of cases) assert.match((await aceExits(2, [...known, ...words], { process: false })).stderr, expected);
});
