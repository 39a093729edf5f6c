import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { failureOf, sayFailure } from '../../src/cli/failure.ts';
import { loggerFor } from '../../src/cli/serve.ts';
import { Endpoint, Router } from '../../src/coap/index.ts';
import { ProtocolError } from '../../src/core/errors.ts';
import { AuditLog } from '../../src/operate/audit/index.ts';
import { udp } from '../../src/transport/index.ts';
import { aceExits } from './lab.ts';

/** Clears the screen, forges a line, and turns the direction of writing. */
const hostile = 'anna\u001b[2J\n2026-01-01T00:00:00.000Z login  user=bob\u009b1m\u202e';
// biome-ignore lint/suspicious/noControlCharactersInRegex: these must not be there
const controls = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/;

test('audit show: what a stranger called itself plays with no terminal and makes no line of its own', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ace-coap-hostile-'));
  try {
    const log = await AuditLog.open({ folder, version: '1.0.0' });
    for (const user of [hostile, [hostile]]) await log.append({ type: 'login-refused', user, client: 'app' } as { readonly type: string });
    await log.close();
    const { stdout } = await aceExits(0, ['audit', 'show', folder, '--event', 'login-refused']);
    assert.doesNotMatch(stdout, controls);
    assert.equal(stdout.trimEnd().split('\n').length, 2);
    assert.match(stdout, /user=anna\\u\{1b\}\[2J/);
    const { stdout: json } = await aceExits(0, ['audit', 'show', folder, '--event', 'login-refused', '--json']);
    assert.equal((JSON.parse(json.split('\n')[0]!) as { readonly user: string }).user, hostile);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('an error with the words of a peer keeps its lines and plays with no terminal', (t) => {
  const said: string[] = [];
  t.mock.method(console, 'error', (text: string) => said.push(text));
  sayFailure(failureOf(new ProtocolError('ERR_ACE_REFUSED', `the AS refused: ${hostile}`))!);
  assert.doesNotMatch(said.join('\n'), controls);
  assert.match(said[0]!, /anna\\u\{1b\}\[2J\n2026/);
});

test('discover: what a server calls its resources plays with no terminal and makes no line of its own', async () => {
  const router = new Router();
  router.resource('/a', { get: () => '', attributes: { title: hostile } });
  const server = new Endpoint({ transport: await udp(), handler: router.handler });
  try {
    const { stdout } = await aceExits(0, ['discover', `coap://127.0.0.1:${server.local.port}`]);
    assert.doesNotMatch(stdout, controls);
    assert.equal(stdout.split('\n').filter((line) => line.startsWith('2026')).length, 0);
    assert.match(stdout, /anna\\u\{1b\}\[2J/);
  } finally {
    await server.close();
  }
});

test('the log of a server on a terminal: what a stranger called itself plays with none', (t) => {
  const lines: string[] = [];
  const { isTTY } = process.stderr;
  t.mock.method(process.stderr, 'write', (line: string) => lines.push(line) > 0);
  process.stderr.isTTY = true;
  try {
    loggerFor('as', {}).warn({ reason: 'credentials', user: hostile }, 'login-refused');
  } finally {
    process.stderr.isTTY = isTTY;
  }
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /login-refused {2}reason=credentials user=anna\\u\{1b\}\[2J\\u\{a\}2026.*\n$/);
});
