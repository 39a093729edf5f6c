import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { Endpoint, Router } from '../../src/coap/index.ts';
import { systemEnv } from '../../src/core/env.ts';
import { type IssuedCertificate, LabAuthority } from '../../src/pki/index.ts';
import { fetchHttps, udp } from '../../src/transport/index.ts';
import { sendHttp } from '../gateway/support.ts';
import { audience, claims, issuer, TokenLab } from '../profiles/seal/https/guard/token-lab.ts';
import { HttpWire } from '../support/http-wire.ts';
import { freePort } from '../support/ports.ts';
import { until } from '../support/wait.ts';
import { GatewayProcess } from './gateway-process.ts';
import { aceExits, edit, Server } from './lab.ts';
import { sample, scrape } from './metrics-port.ts';
import { T8Folder } from './t8-folder.ts';

/** A certificate for 127.0.0.1, and its authority. */
async function fresh(): Promise<IssuedCertificate & { readonly ca: string }> {
  const authority = await LabAuthority.make('gateway test', systemEnv);
  const own = await authority.issue({ commonName: 'gw', names: [{ type: 'ip', value: '127.0.0.1' }], usage: ['server'] });
  return { ...own, ca: authority.cert };
}

const shown = (wire: HttpWire): string => (wire.socket as TLSSocket).getPeerCertificate().fingerprint256;
const now = (): number => Math.floor(systemEnv.epoch());

describe('ace-coap gateway that is watched', () => {
  let device: Endpoint;
  let folder: string;
  let release: () => void = () => {};
  before(async () => {
    const router = new Router();
    router.resource('/light', { get: () => 'on' });
    router.resource('/slow', { get: () => new Promise((resolve) => (release = () => resolve('at last'))) });
    device = new Endpoint({ transport: await udp({ address: '127.0.0.1' }), handler: router.handler });
    folder = mkdtempSync(join(tmpdir(), 'ace-gateway-'));
  });
  after(async () => {
    rmSync(folder, { recursive: true, force: true });
    await device.close();
  });
  const target = (): string => `coap://127.0.0.1:${device.local.port}`;
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };

  test('--metrics: requests by endpoint and status, refusals by reason, and health', async () => {
    const metrics = await freePort();
    const gateway = await GatewayProcess.start('http', ...['--allow', target(), '--reverse', `/things=${target()}`, '--metrics', `127.0.0.1:${metrics}`]);
    for (const path of [`/hc/${target()}/light`, '/things/light', '/things/light', '/hc/coap://127.0.0.1:1/secret', '/other'])
      await sendHttp(gateway.port, path);
    const { text } = await scrape(metrics);
    for (const [endpoint, status, count] of [
      ['/hc', 200, 1],
      ['/things', 200, 2],
      ['/hc', 403, 1],
      ['other', 404, 1],
    ] as const)
      assert.match(text, new RegExp(`^ace_http_requests_total\\{face="gateway",endpoint="${endpoint}",method="GET",status="${status}"\\} ${count}$`, 'm'));
    assert.match(text, /^ace_refusals_total\{event="request-refused",reason="policy"\} 2$/m);
    assert.doesNotMatch(text, /secret|light/);
    assert.deepEqual(await scrape(metrics, '/healthz'), { status: 200, text: 'ok\n' });
    await gateway.stop();
    await assert.rejects(scrape(metrics));
  });

  test('SIGHUP: new connections see the new certificate and tokens the new keys, old connections go on, and a wrong one keeps all', async () => {
    const [first, second] = [await fresh(), await fresh()];
    const [oldKeys, newKeys] = [await TokenLab.make(), await TokenLab.make('ES256', 'k2')];
    const files = [write('cert', first.cert), write('key', first.key), write('jwks', JSON.stringify(oldKeys.keys))] as const;
    const [cert, key, jwks] = files;
    const gateway = await GatewayProcess.start(
      'https',
      ...['--cert', cert, '--key', key, '--issuer', issuer, '--audience', audience, '--jwks', jwks, '--reverse', `/things=${target()}`],
    );
    const get = async (ca: string, lab: TokenLab): Promise<number> => {
      const headers = { authorization: `Bearer ${await lab.token(claims(now()))}` };
      return (await fetchHttps(`https://127.0.0.1:${gateway.port}/things/light`, { ca, headers })).status;
    };
    assert.deepEqual([await get(first.ca, oldKeys), await get(first.ca, newKeys)], [200, 401]);
    const old = await HttpWire.open(gateway.port, first.ca);
    write('cert', second.cert);
    write('key', second.key);
    write('jwks', JSON.stringify({ keys: [...oldKeys.keys.keys, ...newKeys.keys.keys] }));
    await gateway.hangup('reloaded');
    const later = await HttpWire.open(gateway.port, second.ca);
    assert.notEqual(shown(later), shown(old));
    write('key', first.key);
    await gateway.hangup('the configuration stays as it was');
    write('key', second.key);
    write('jwks', 'none');
    await gateway.hangup('the configuration stays as it was');
    assert.equal(await get(second.ca, oldKeys), 200);
    old.request('/things/light');
    assert.match(await old.until(/\r\n\r\n/), /^HTTP\/1\.1 401 /);
    for (const wire of [old, later]) wire.close();
    await gateway.stop();
  });

  test('SIGTERM: what is under way is answered, idle connections end, and it ends with 0 within --drain', async () => {
    const gateway = await GatewayProcess.start('http', '--reverse', `/things=${target()}`, '--drain', '3');
    const [idle, busy] = [await HttpWire.open(gateway.port), await HttpWire.open(gateway.port)];
    idle.request('/things/light', { Host: `127.0.0.1:${gateway.port}` });
    await idle.until(/\r\n\r\n/);
    release = () => {};
    const before = release;
    busy.request('/things/slow', { Host: `127.0.0.1:${gateway.port}` });
    await until(() => release !== before);
    const stopping = gateway.stop('SIGTERM');
    await idle.ended;
    await HttpWire.refused(gateway.port);
    release();
    assert.match(await busy.rest(), /^HTTP\/1\.1 200 .*at last$/is);
    await stopping;

    const again = await GatewayProcess.start('http', '--reverse', `/things=${target()}`, '--drain', '1');
    const stuck = await HttpWire.open(again.port);
    const held = release;
    stuck.request('/things/slow', { Host: `127.0.0.1:${again.port}` });
    await until(() => release !== held);
    const since = performance.now();
    await again.stop('SIGTERM');
    assert.ok(performance.now() - since < 4_000);
    assert.ok(again.log().some(({ msg }) => msg === 'ends although not all was answered and acknowledged'));
  });

  for (const [words, said] of [
    [['--metrics', 'nowhere'], /--metrics: expected an address and a port/],
    [['--metrics', '0.0.0.0:9464'], /--metrics: expected a loopback address, or --metrics-public/],
  ] as const) {
    test(`wrong use: gateway ${words.join(' ')}`, async () => {
      assert.match((await aceExits(2, ['gateway', '--allow', 'a', ...words])).stderr, said);
    });
  }
});

test('ace-coap seal t8 serve: metrics, health, SIGHUP with new rules and certificates, and an end in order', async () => {
  const folder = await T8Folder.make();
  const metrics = await freePort();
  const yaml = join(folder.path, 't8.yaml');
  appendFileSync(yaml, `metrics: 127.0.0.1:${metrics}\ndrain: 2\n`);
  await aceExits(0, ['seal', 't8', 'device', 'add', 'pump1@op.example', 'coap://127.0.0.1:1', '--supi', 'imsi-001010000000001', '--config', folder.path]);
  const server = new Server('seal', 't8', 'serve', folder.path, '--json');
  await server.start();
  try {
    const uri = (): string => server.urls.at(-1)!;
    const ask = async (ca: string): Promise<number> => {
      const headers = {
        authorization: `Bearer ${await folder.tokens.token({ ...claims(now()), client_id: 'app1', sub: 'app1' })}`,
        'content-type': 'application/json',
      };
      const body = JSON.stringify({ externalId: 'pump1@op.example', notificationDestination: 'https://127.0.0.1:1/told' });
      const { cert, key } = folder.tls;
      return (await fetchHttps(`${uri()}/3gpp-nidd/v1/app1/configurations`, { method: 'POST', ca, cert, key, headers, body })).status;
    };
    const { ca } = folder.tls;
    assert.equal(await ask(ca), 201);
    const series = (status: number): string => `ace_http_requests_total{face="t8",endpoint="/3gpp-nidd/v1",method="POST",status="${status}"}`;
    assert.equal(await sample(metrics, series(201)), 1);
    assert.deepEqual(await scrape(metrics, '/healthz'), { status: 200, text: 'ok\n' });
    edit(yaml, 'api: nidd }', 'api: nidd, effect: deny }');
    const other = await fresh();
    const before = readFileSync(join(folder.path, 'scef.key'), 'utf8');
    writeFileSync(join(folder.path, 'scef.pem'), other.cert);
    await server.hangup('the configuration stays as it was');
    writeFileSync(join(folder.path, 'scef.key'), other.key);
    await server.hangup('reloaded');
    assert.notEqual(before, other.key);
    assert.equal(await ask(other.ca), 403);
    assert.equal(await sample(metrics, series(403)), 1);
    appendFileSync(yaml, 'limits: { rate: { per_scs_as: { burst: 1, rate: 0.001 } } }\n');
    await server.hangup('reloaded');
    assert.ok(!server.log().some(({ msg }) => msg === 'needs a restart'));
    assert.deepEqual([await ask(other.ca), await ask(other.ca)], [403, 429]);
    edit(yaml, 'per_scs_as: { burst: 1,', 'per_scs_as: { burst: 0,');
    await server.hangup('the configuration stays as it was');
    assert.equal(await ask(other.ca), 429);
    assert.ok((await sample(metrics, 'ace_refusals_total{event="decision",reason="decision"}')) >= 1);
    const { text } = await scrape(metrics);
    assert.doesNotMatch(text, /001010000000001/);
    // What is measured may have any digits: 0.0010189 seconds.
    assert.doesNotMatch(text.replace(/ [\d.e+-]+$/gm, ''), /00101|pump1|app1/);
  } finally {
    await server.stop('SIGTERM');
    folder.remove();
  }
});
