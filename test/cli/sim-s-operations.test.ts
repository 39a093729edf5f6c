import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { systemEnv } from '../../src/core/env.ts';
import { LabAuthority } from '../../src/pki/index.ts';
import { fetchHttps } from '../../src/transport/index.ts';
import { HttpWire, head } from '../support/http-wire.ts';
import { freePort } from '../support/ports.ts';
import { aceExits, Server } from './lab.ts';
import { sample, scrape } from './metrics-port.ts';
import { SimSLab } from './sim-s-lab.ts';

let lab: SimSLab;
let rs: Server;
let [asMetrics, rsMetrics] = [0, 0];

before(async () => {
  lab = await SimSLab.make();
  [asMetrics, rsMetrics] = [await freePort(), await freePort()];
  appendFileSync(lab.asYaml, `metrics: 127.0.0.1:${asMetrics}\naudit: ./audit\ndrain: 5\n`);
  appendFileSync(join(lab.folder, 'rs.yaml'), `metrics: 127.0.0.1:${rsMetrics}\n`);
  rs = new Server('rs', lab.folder);
  await Promise.all([lab.as.start(), rs.start()]);
});
after(async () => {
  await rs.stop();
  await lab.end();
});

const rsUri = (): string => rs.urls.find((url) => url.startsWith('https:'))!;

/** The certificate that is shown to a connection. */
const shown = (wire: HttpWire): string => (wire.socket as TLSSocket).getPeerCertificate().fingerprint256;

/** Another certificate and key for one of the servers, which another authority has signed. */
async function replaceCertificate(name: string): Promise<{ readonly ca: string; undo(): void }> {
  const files = [join(lab.folder, 'tls', `${name}.pem`), join(lab.folder, 'tls', `${name}.key`)] as const;
  const texts = files.map((file) => readFileSync(file, 'utf8'));
  const authority = await LabAuthority.make('another', systemEnv);
  const { cert, key } = await authority.issue({ commonName: name, names: [{ type: 'ip', value: '127.0.0.1' }], usage: ['server'] });
  writeFileSync(files[0], cert);
  writeFileSync(files[1], key);
  return { ca: authority.cert, undo: () => files.forEach((file, index) => void writeFileSync(file, texts[index]!)) };
}

describe('a SIM-S over HTTPS that is watched', () => {
  test('requests by endpoint and status, logins by outcome, refusals by reason, and health, on the port of all metrics', async () => {
    await assert.rejects(lab.codeWith('not the right one'));
    const { access_token: token } = await lab.tokens();
    assert.equal((await lab.post('/introspect', { token: String(token) })).status, 200);
    assert.equal((await lab.post('/introspect', { token: String(token) }, 'app', 'wrong')).status, 401);
    assert.equal((await lab.fetch(`${lab.issuer}/nowhere/anna?code=1`)).status, 404);
    const { text } = await scrape(asMetrics);
    const has = (line: RegExp): void => assert.match(text, line);
    has(/^ace_http_requests_total\{face="sim-s",endpoint="\/token",method="POST",status="200"\} 1$/m);
    has(/^ace_http_requests_total\{face="sim-s",endpoint="\/introspect",method="POST",status="401"\} 1$/m);
    has(/^ace_http_requests_total\{face="sim-s",endpoint="\/interaction",method="POST",status="403"\} 1$/m);
    has(/^ace_http_requests_total\{face="sim-s",endpoint="other",method="GET",status="404"\} 1$/m);
    has(/^ace_http_request_seconds_count\{face="sim-s",endpoint="\/token"\} 1$/m);
    has(/^ace_logins_total\{outcome="success"\} 1$/m);
    has(/^ace_logins_total\{outcome="credentials"\} 1$/m);
    has(/^ace_refusals_total\{event="refused",reason="introspection"\} 1$/m);
    has(/^ace_tokens_issued_total\{profile="none",scope="km"\} 1$/m);
    has(/^ace_entries\{kind="https.connections"\} \d+$/m);
    assert.doesNotMatch(text, /anna|"app"|127\.0\.0\.1/);
    assert.deepEqual(await scrape(asMetrics, '/healthz'), { status: 200, text: 'ok\n' });
  });

  test('ace-coap audit show and verify have what was done over HTTPS', async () => {
    const folder = join(lab.folder, 'audit');
    const { stdout } = await aceExits(0, ['audit', 'show', folder, '--client', 'app', '--json']);
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { readonly type: string }).type);
    assert.deepEqual(events, ['login-refused', 'login', 'code-issued', 'token-issued', 'introspected', 'refused'], stdout);
    await aceExits(0, ['audit', 'verify', folder]);
  });
});

describe('a SEAL server over HTTPS that is watched', () => {
  test('requests by endpoint and status, and refusals by reason', async () => {
    const { access_token: token } = await lab.tokens();
    const get = (path: string, headers = {}): ReturnType<typeof fetchHttps> => fetchHttps(rsUri() + path, { ca: lab.ca, headers });
    assert.equal((await get('/km')).status, 401);
    assert.equal((await get('/km', { authorization: `Bearer ${token}` })).status, 405);
    assert.equal(await sample(rsMetrics, 'ace_http_requests_total{face="seal-server",endpoint="/km",method="GET",status="401"}'), 1);
    assert.equal(await sample(rsMetrics, 'ace_http_requests_total{face="seal-server",endpoint="/km",method="GET",status="405"}'), 1);
    assert.equal(await sample(rsMetrics, 'ace_refusals_total{event="caller-refused",reason="no-token"}'), 1);
    assert.equal(await sample(rsMetrics, 'ace_refusals_total{event="request-refused",reason="method"}'), 1);
    assert.deepEqual(await scrape(rsMetrics, '/healthz'), { status: 200, text: 'ok\n' });
  });
});

describe('SIGHUP', () => {
  test('new connections see the new certificate, old ones go on; a wrong one keeps the old, and what else the file says', async () => {
    for (const [server, name, port, path] of [
      [lab.as, 'sims', lab.port, '/jwks'],
      [rs, 'seal1', Number(new URL(rsUri()).port), '/km'],
    ] as const) {
      const old = await HttpWire.open(port, lab.ca);
      const { ca, undo } = await replaceCertificate(name);
      await server.hangup('reloaded');
      const fresh = await HttpWire.open(port, ca);
      assert.notEqual(shown(fresh), shown(old));
      const key = join(lab.folder, 'tls', `${name}.key`);
      const right = readFileSync(key, 'utf8');
      writeFileSync(key, readFileSync(join(lab.folder, 'tls', 'val1.key')));
      await server.hangup('the configuration stays as it was');
      assert.equal(server.log().findLast(({ msg }) => msg === 'configuration refused')?.['reason'], 'ERR_TRANSPORT_TLS');
      writeFileSync(key, right);
      const later = await HttpWire.open(port, ca);
      assert.equal(shown(later), shown(fresh));
      for (const wire of [old, fresh, later]) {
        wire.request(path);
        assert.match(await wire.until(/\r\n\r\n/), /^HTTP\/1\.1 (?:200|401) /);
        wire.close();
      }
      undo();
      await server.hangup('reloaded');
    }
  });

  test('a certificate that does not fit leaves users and clients as they were', async () => {
    const text = readFileSync(lab.asYaml, 'utf8');
    lab.edit('    anna@val.example: { services: [v2x] }\n', '');
    lab.edit('key_file: tls/sims.key', 'key_file: tls/val1.key');
    await lab.as.hangup('the configuration stays as it was');
    await lab.tokens();
    writeFileSync(lab.asYaml, text);
    await lab.as.hangup('reloaded');
  });
});

describe('SIGTERM', () => {
  test('a login and a token that are under way are answered, idle connections end, new ones are refused, and it ends with 0 in time', async () => {
    const { headers } = await lab.fetch(lab.authorizationUri());
    const cookie = headers['set-cookie']!.map((line) => line.split(';')[0]).join('; ');
    const page = await lab.fetch(new URL(headers.location!, lab.issuer).href, { headers: { Cookie: cookie } });
    const token = /name="token" value="([^"]+)"/.exec(Buffer.from(page.body).toString())![1]!;
    const form = new URLSearchParams({ token, username: 'anna@val.example', password: lab.password, answer: 'sign-in' }).toString();
    const code = await lab.code();
    const [idle, login] = await Promise.all([HttpWire.open(lab.port, lab.ca), HttpWire.open(lab.port, lab.ca)]);
    idle.request('/jwks');
    await idle.until(/\r\n\r\n/);
    const type = { 'Content-Type': 'application/x-www-form-urlencoded', 'Content-Length': String(form.length), Cookie: cookie };
    login.write(head('POST', new URL(headers.location!, lab.issuer).pathname, type) + form.slice(0, 20));
    const pending = (): Promise<number> => sample(asMetrics, 'ace_entries{kind="https.pending"}');
    while ((await pending()) < 1);
    const since = performance.now();
    const exchange = lab.exchange(code).catch((error: Error) => error);
    const stopping = lab.as.stop('SIGTERM');
    await idle.ended;
    assert.equal((await scrape(asMetrics, '/healthz')).text, 'draining\n');
    await HttpWire.refused(lab.port, lab.ca);
    login.write(form.slice(20));
    assert.match(await login.rest(), /^HTTP\/1\.1 303 .*connection: close/is);
    await stopping;
    assert.ok(performance.now() - since < 5_000);
    // It came before the signal, or was refused as a whole.
    const exchanged = await exchange;
    assert.ok(exchanged instanceof Error || exchanged.status === 200 || exchanged.status === 503);
    await lab.as.start();
    const { valid } = JSON.parse((await aceExits(0, ['audit', 'verify', join(lab.folder, 'audit'), '--json'])).stdout) as { readonly valid: boolean };
    assert.equal(valid, true);
  });

  test('a request that does not end keeps it no longer than drain says', async () => {
    lab.edit('drain: 5', 'drain: 1');
    await lab.as.hangup('reloaded');
    const half = await HttpWire.open(lab.port, lab.ca);
    const credentials = Buffer.from(`app:${lab.secret}`).toString('base64');
    half.write(
      head('POST', '/introspect', { 'Content-Type': 'application/x-www-form-urlencoded', 'Content-Length': '100', Authorization: `Basic ${credentials}` }),
    );
    while ((await sample(asMetrics, 'ace_entries{kind="https.pending"}')) < 1);
    const since = performance.now();
    await lab.as.stop('SIGTERM');
    assert.ok(performance.now() - since < 4_000);
    assert.ok(lab.as.log().some(({ msg }) => msg === 'ends although not all was answered and acknowledged'));
    await half.ended;
    await lab.as.start();
  });
});
