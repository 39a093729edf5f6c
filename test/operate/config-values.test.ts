import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { loadAsConfig, loadClientConfig, loadRsConfig } from '../../src/operate/index.ts';
import { changedLab, freshLab, refusal } from './lab-with.ts';

describe('values of a configuration', () => {
  it('scopes as a map from path to methods are the entries of an AIF (RFC 9237 Section 3)', async () => {
    const folder = await changedLab(
      'as.yaml',
      'scope: "r_temp r_led w_led", default: "r_temp"',
      'scope: { /temperature: [GET], /led: [GET, PUT, iPATCH] }, default: { /temperature: [GET] }',
    );
    assert.deepEqual(loadAsConfig(folder).clients[0]?.grants, [
      {
        audience: 'rs1',
        scope: [
          ['/temperature', 1],
          ['/led', 69],
        ],
        default: [['/temperature', 1]],
      },
    ]);
  });

  it('transmission parameters, limits and defaults come out in the units of the roles', async () => {
    const folder = await freshLab();
    for (const [name, more] of [
      ['as.yaml', 'issuer: coap://as.example\namplification: unlimited\nlimits: { payload: 2048, pending: 8, tokens_per_client: 9 }'],
      [
        'rs.yaml',
        'limits: { tokens: 7, payload: 1000, upload: 1001, pending: 8, upload_burst: 9, upload_rate: 0.5 }\namplification: unlimited\naif: true\nprotect_discovery: true',
      ],
      ['client.yaml', 'defaults: { timeout: 2.5, confirmable: false }\nhide_path: true\nq_block: true\nrenewal: 5'],
    ] as const) {
      const file = join(folder, name);
      writeFileSync(
        file,
        `${readFileSync(file, 'utf8')}${more}\ntransmission: { ack_timeout: 0.5, ack_random_factor: 1.2, max_retransmit: 8, nstart: 2, nstart_limit: 16, probing_rate: 10, ack_delay: 0.2, notification_interval: 4, non_confirmable_notifications: 3 }\n`,
      );
    }
    const transmission = {
      ...{ ackTimeout: 500, ackRandomFactor: 1.2, maxRetransmit: 8, nstart: 2, nstartLimit: 16, probingRate: 10 },
      ...{ ackDelay: 200, notificationInterval: 4000, nonConfirmableNotifications: 3 },
    };
    const as = loadAsConfig(folder);
    assert.equal(as.issuer, 'coap://as.example');
    assert.deepEqual(as.limits, { payload: 2048, pending: 8, tokensPerClient: 9 });
    assert.deepEqual(as.transmission, transmission);
    const rs = loadRsConfig(folder);
    assert.deepEqual(rs.limits, { tokens: 7, payload: 1000, upload: 1001, pending: 8, uploadBurst: 9, uploadRate: 0.5 });
    assert.deepEqual([as.amplification, rs.amplification], ['unlimited', 'unlimited']);
    assert.equal(rs.protectDiscovery, true);
    assert.equal(rs.aif, true);
    assert.deepEqual(rs.transmission, transmission);
    const client = loadClientConfig(folder);
    assert.equal(client.timeout, 2.5);
    assert.equal(client.confirmable, false);
    assert.deepEqual([client.hidePath, client.qBlock, client.renewal], [true, true, 5]);
    assert.deepEqual(client.transmission, transmission);
  });

  it('IPv6 addresses stand in brackets', async () => {
    const folder = await changedLab('rs.yaml', '127.0.0.1:5683', '"[::1]:5683"');
    assert.deepEqual(loadRsConfig(folder).listen, [{ scheme: 'coap', address: '::1', port: 5683 }]);
    for (const wrong of ['"::1:5683"', '"[127.0.0.1]:5683"', '"300.0.0.1:1"', '127.0.0.1:70000']) {
      const other = await changedLab('rs.yaml', '127.0.0.1:5683', wrong);
      assert.match(refusal(() => loadRsConfig(other)).message, /listen: expected an address and a port/);
    }
  });

  it('a store outside the folder is found from the folder', async () => {
    const folder = await changedLab('client.yaml', './state/client', '/var/lib/ace-coap/client');
    assert.equal(loadClientConfig(folder).store, '/var/lib/ace-coap/client');
  });
});
