import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Endpoint } from '../../src/coap/index.ts';
import { utf8 } from '../../src/core/bytes.ts';
import { systemEnv } from '../../src/core/env.ts';
import { LabAuthority } from '../../src/pki/index.ts';
import { fetchHttps, udp } from '../../src/transport/index.ts';
import { deviceRouter, sendHttp } from '../gateway/support.ts';
import { GatewayProcess, refusedHere } from './gateway-process.ts';

describe('ace-coap gateway', () => {
  let device: Endpoint;
  let folder: string;
  before(async () => {
    device = new Endpoint({ transport: await udp({ address: '127.0.0.1' }), handler: deviceRouter().handler });
    folder = mkdtempSync(join(tmpdir(), 'ace-gateway-'));
  });
  after(async () => {
    rmSync(folder, { recursive: true, force: true });
    await device.close();
  });
  const target = (): string => `coap://127.0.0.1:${device.local.port}`;

  test('http on loopback: --allow, --reverse, and a line of the log for each request', async () => {
    const gateway = await GatewayProcess.start('http', '--allow', target(), '--reverse', `/things=${target()}`);
    assert.equal((await sendHttp(gateway.port, `/hc/${target()}/light`)).text, 'on');
    assert.equal((await sendHttp(gateway.port, '/things/light')).text, 'on');
    assert.equal((await sendHttp(gateway.port, '/hc/coap://127.0.0.1:1/light')).status, 403);
    assert.equal((await sendHttp(gateway.port, '/things/light', { headers: { host: 'rebound.example' } })).status, 421);
    await gateway.stop();
    const lines = gateway.log().filter(({ msg }) => ['forwarded', 'refused'].includes(String(msg)));
    assert.deepEqual(
      lines.map(({ msg, status, reason, from }) => [msg, status, reason ?? from]),
      [
        ['forwarded', 200, 'origin'],
        ['forwarded', 200, 'cache'],
        ['refused', 403, 'policy'],
        ['refused', 421, 'host'],
      ],
    );
    assert.ok(!JSON.stringify(lines).includes('light'));
  });

  test('https with --client-ca: who has no certificate gets no answer', async () => {
    const authority = await LabAuthority.make('gateway test', systemEnv);
    const own = await authority.issue({ commonName: 'gw', names: [{ type: 'dns', value: 'localhost' }], usage: ['server'] });
    const client = await authority.issue({ commonName: 'client', names: [{ type: 'dns', value: 'client.example' }], usage: ['client'] });
    const files = { ca: authority.cert, cert: own.cert, key: own.key };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const tls = ['--cert', join(folder, 'cert'), '--key', join(folder, 'key'), '--client-ca', join(folder, 'ca')];
    const gateway = await GatewayProcess.start('https', ...tls, '--reverse', `/things=${target()}`);
    const uri = `https://localhost:${gateway.port}/things/light`;
    const answer = await fetchHttps(uri, { ca: utf8(authority.cert), cert: client.cert, key: client.key });
    assert.deepEqual([answer.status, answer.headers['cache-control']?.split(',')[0]], [200, 'private']);
    await assert.rejects(fetchHttps(uri, { ca: utf8(authority.cert) }), { code: 'ERR_TRANSPORT_HTTPS' });
    await gateway.stop();
  });

  const wrong: readonly (readonly [args: readonly string[], said: RegExp])[] = [
    [[], /--allow or --reverse/],
    [['--listen', 'http://0.0.0.0:1', '--allow', 'a'], /loopback/],
    [['--listen', 'ftp://a', '--allow', 'a'], /--listen/],
    [['--listen', 'https://127.0.0.1', '--allow', 'a'], /--cert and --key/],
    [['--listen', 'https://127.0.0.1', '--cert', 'c', '--key', 'k', '--allow', 'a'], /authenticated/],
    [['--cert', 'c', '--allow', 'a'], /got http/],
    [['--allow', 'a', '--issuer', 'https://i'], /--issuer, --audience and --jwks/],
    [['--allow', 'a b'], /--allow/],
    [['--reverse', '//name=coap://a'], /--reverse/],
    [['--allow', 'a', '--template', '{+x}'], /gateway: expected/],
  ];
  for (const [args, said] of wrong) {
    test(`wrong use: gateway ${args.join(' ')}`, async () => {
      assert.match(await refusedHere(...args), said);
    });
  }
});
