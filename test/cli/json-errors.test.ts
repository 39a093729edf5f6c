import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { systemEnv } from '../../src/core/env.ts';
import { writeLab } from '../../src/operate/index.ts';
import { freePort } from '../support/ports.ts';
import { ace } from './lab.ts';

describe('--json: what goes wrong is one JSON object on standard error', () => {
  const parent = mkdtempSync(join(tmpdir(), 'ace-coap-json-errors-'));
  const lab = join(parent, 'lab');
  // Whoever sends there gets no answer.
  const taken = createSocket('udp4');
  let port: number;
  before(async () => {
    taken.bind(0, '127.0.0.1');
    await once(taken, 'listening');
    ({ port } = taken.address());
    await writeLab(lab, { random: systemEnv.random, asPort: await freePort(), rsPort: await freePort() });
    writeFileSync(join(parent, 'as.yaml'), 'listen: [1]\n');
  });
  after(() => {
    taken.close();
    rmSync(parent, { recursive: true, force: true });
  });

  const cases: readonly (readonly [what: string, words: () => readonly string[], exitCode: number, code: string, error: RegExp])[] = [
    ['an unknown option', () => ['get', 'coap://h/', '--frob', '--json'], 2, 'ERR_CLI_USAGE', /^unknown option '--frob'/],
    ['an unknown command', () => ['gte', '--json'], 2, 'ERR_CLI_USAGE', /^unknown command 'gte'[\s\S]*Did you mean get\?/],
    ['an option whose value is none', () => ['ping', 'coap://h', '--timeout', '0', '--json'], 2, 'ERR_CLI_USAGE', /expected a number of seconds above 0/],
    ['a URI that is none', () => ['get', 'temperature', '--json'], 2, 'ERR_COAP_URI', /^expected an absolute URI/],
    ['a lab that is not there', () => ['admin', 'client', 'list', '--config', join(parent, 'none'), '--json'], 2, 'ERR_CLI_USAGE', /no such folder/],
    ['a configuration that is wrong', () => ['as', join(parent, 'as.yaml'), '--json'], 2, 'ERR_CONFIG_VALUE', /as\.yaml:1:10: listen\[0\]: expected/],
    ['a store that is not there', () => ['store', 'info', join(parent, 'none'), '--json'], 2, 'ERR_STORE_OPEN', /none/],
    ['a port that is taken', () => ['serve', '--listen', `coap://127.0.0.1:${port}`, '--json'], 2, 'ERR_TRANSPORT_BIND', /EADDRINUSE/],
    ['no answer', () => ['get', `coap://127.0.0.1:${port}/`, '--timeout', '0.2', '--json'], 3, 'ERR_COAP_TIMEOUT', /^expected .* got none/],
    ['no AS', () => ['token', '--audience', 'rs1', '--config', lab, '--timeout', '0.2', '--json'], 3, 'ERR_COAP_TIMEOUT', /^expected .* got none/],
  ];
  for (const [what, words, exitCode, code, error] of cases) {
    test(`${what}: ${code}, exit code ${exitCode}`, async () => {
      const run = await ace(words());
      assert.equal(run.stdout, '');
      const last = run.stderr.trimEnd().split('\n').at(-1)!;
      const said = JSON.parse(last) as Record<string, unknown>;
      assert.match(said['error'] as string, error);
      assert.deepEqual([said['code'], said['exit_code'], run.code], [code, exitCode, exitCode]);
      assert.equal('stack' in said, false);
    });
  }

  test('--json as the value of another option is none', async () => {
    const { stderr, code } = await ace(['put', 'coap://127.0.0.1:1/#a', '-d', '--json']);
    assert.match(stderr, /^error: .*without a fragment.* \(ERR_COAP_URI\)\n$/);
    assert.equal(code, 2);
  });

  test('help that is asked for is no error', async () => {
    const { stdout, stderr, code } = await ace(['get', '--json', '--help']);
    assert.match(stdout, /^Usage: ace-coap get/);
    assert.deepEqual([stderr, code], ['', 0]);
  });
});
