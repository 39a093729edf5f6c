import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { systemEnv } from '../../src/core/env.ts';
import { ConfigError, loadAsConfig, loadRsConfig, writeLab } from '../../src/operate/index.ts';

const base = mkdtempSync(join(tmpdir(), 'ace-coap-operations-'));
after(() => rmSync(base, { recursive: true, force: true }));
let labs = 0;

/** A lab with more in one of its files. */
async function lab(name: string, more: string): Promise<string> {
  const folder = join(base, `lab${labs++}`);
  await writeLab(folder, { random: systemEnv.random });
  appendFileSync(join(folder, name), `${more}\n`);
  return folder;
}

async function refusal(more: string): Promise<string> {
  const folder = await lab('as.yaml', more);
  try {
    loadAsConfig(folder);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.problems.map(({ path, message }) => `${path}: ${message}`).join('\n');
  }
  return assert.fail('it was loaded');
}

describe('the configuration of operations', () => {
  it('defaults: no metrics, no audit log, ten seconds to end', async () => {
    const { metrics, audit, drain, logLevel, limits } = loadAsConfig(await lab('as.yaml', ''));
    assert.deepEqual(
      { metrics, audit, drain, logLevel, rate: limits.rate },
      { metrics: undefined, audit: undefined, drain: 10, logLevel: undefined, rate: undefined },
    );
  });

  it('all of it, for an AS', async () => {
    const folder = await lab(
      'as.yaml',
      'metrics: "[::1]:9464"\naudit: ./audit\naudit_file_size: 1000000\naudit_file_age: 3600\ndrain: 30\nlog_level: debug\nlimits: { rate: { per_client: { burst: 10, rate: 0.5 }, per_address: { burst: 100, rate: 20 } } }',
    );
    const { metrics, audit, drain, logLevel, limits } = loadAsConfig(folder);
    assert.deepEqual(metrics, { address: '::1', port: 9464 });
    assert.deepEqual(audit, { folder: join(folder, 'audit'), fileSize: 1_000_000, fileAge: 3_600 });
    assert.deepEqual([drain, logLevel], [30, 'debug']);
    assert.deepEqual(limits.rate, { client: { burst: 10, rate: 0.5 }, address: { burst: 100, rate: 20 } });
  });

  it('for an RS: metrics, drain and log level', async () => {
    const { metrics, drain, logLevel } = loadRsConfig(await lab('rs.yaml', 'metrics: localhost:9465\ndrain: 0\nlog_level: warn'));
    assert.deepEqual({ metrics, drain, logLevel }, { metrics: { address: '127.0.0.1', port: 9465 }, drain: 0, logLevel: 'warn' });
  });

  it('metrics for others only where the file says so', async () => {
    assert.equal(await refusal('metrics: 192.0.2.1:9464'), 'metrics: expected a loopback address, or metrics_public: true beside it, got "192.0.2.1"');
    assert.equal(
      await refusal('metrics: 0.0.0.0:9464\nmetrics_public: false'),
      'metrics: expected a loopback address, or metrics_public: true beside it, got "0.0.0.0"',
    );
    const folder = await lab('as.yaml', 'metrics: 0.0.0.0:9464\nmetrics_public: true');
    assert.equal(loadAsConfig(folder).metrics?.address, '0.0.0.0');
  });

  it('what is wrong is named', async () => {
    assert.equal(
      await refusal('metrics: coap://127.0.0.1:9464'),
      'metrics: expected an address and a port, such as 127.0.0.1:9464, got "coap://127.0.0.1:9464"',
    );
    assert.equal(await refusal('drain: -1'), 'drain: expected a whole number of seconds from 0 to 3600, got the number -1');
    assert.equal(await refusal('log_level: loud'), 'log_level: expected one of debug, info, warn, error, silent, got "loud"');
    assert.equal(await refusal('audit_file_size: 100000'), 'audit_file_size: expected audit beside it, got none');
    assert.equal(await refusal('audit_file_age: 3600'), 'audit_file_age: expected audit beside it, got none');
    assert.equal(
      await refusal('limits: { rate: { per_client: { burst: 0, rate: 1 } } }'),
      'limits.rate.per_client.burst: expected a whole number of requests from 1 to 1000000, got the number 0',
    );
    assert.match(
      await refusal('limits: { rate: { client: { burst: 1, rate: 1 } } }'),
      /^limits\.rate\.client: unknown key; known here: per_client, per_address$/,
    );
  });
});
