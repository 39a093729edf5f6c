import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { failureOf, sayFailure } from '../../src/cli/failure.ts';
import { loggerFor } from '../../src/cli/serve.ts';
import { table } from '../../src/cli/terminal.ts';
import { Code, Endpoint, Router } from '../../src/coap/index.ts';
import { utf8 } from '../../src/core/bytes.ts';
import { ProtocolError } from '../../src/core/errors.ts';
import { AuditLog } from '../../src/operate/audit/index.ts';
import { udp } from '../../src/transport/index.ts';
import { anna, ProviderLab, password } from '../profiles/seal/https/login/provider-lab.ts';
import { freePort } from '../support/ports.ts';
import { aceExits } from './lab.ts';
import { writeLoginClient } from './login-client.ts';
import { runHere } from './run-here.ts';

/** Clears the screen, forges a line, and turns the direction of writing. */
const hostile = 'anna\u001b[2J\n2026-01-01T00:00:00.000Z login  user=bob\u009b1m\u202e';
// biome-ignore lint/suspicious/noControlCharactersInRegex: these must not be there
const controls = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/;

/** What turns the direction of writing may stand in names that have no control characters. */
const turned = 'anna\u202e';

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
    assert.doesNotMatch(json, controls);
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

test('get and observe: text plays with no terminal, and reaches a pipe or a file as it came', async () => {
  const text = 'eins\tzwei\r\npaid\rnot paid \u202e\u2066drei\u2028';
  const router = new Router();
  router.resource('/text', { get: () => text });
  router.resource('/controls', { get: () => hostile });
  router.resource('/refused', { get: () => ({ code: Code.Forbidden, contentFormat: 0, payload: utf8(turned) }) });
  const server = new Endpoint({ transport: await udp(), handler: router.handler });
  const at = `coap://127.0.0.1:${server.local.port}`;
  const folder = mkdtempSync(join(tmpdir(), 'ace-coap-hostile-'));
  const { isTTY } = process.stdout;
  try {
    assert.deepEqual((await runHere(['get', `${at}/text`])).stdout, `${text}\n`, 'a pipe');
    assert.deepEqual((await runHere(['get', `${at}/controls`])).stdout, hostile);
    await runHere(['get', `${at}/text`, '--output', join(folder, 'text')]);
    assert.equal(readFileSync(join(folder, 'text'), 'utf8'), text);
    process.stdout.isTTY = true;
    const shown = 'eins\tzwei\npaid\\u{d}not paid \\u{202e}\\u{2066}drei\\u{2028}\n';
    for (const words of [['get'], ['observe', '--count', '1']]) assert.equal((await runHere([...words, `${at}/text`])).stdout, shown, words[0]);
    const { stdout: bytes } = await runHere(['get', `${at}/controls`]);
    assert.doesNotMatch(bytes, controls);
    const { stdout: json } = await runHere(['get', `${at}/text`, '--json']);
    assert.doesNotMatch(json, /[\u202e\u2066\u2028]/);
    assert.equal((JSON.parse(json) as { readonly payload: string }).payload, text);
    assert.match((await runHere(['get', `${at}/refused`])).stderr, /"anna\\u202e"/);
    for (const words of [['get', '-v'], ['get']]) assert.doesNotMatch((await runHere([...words, `${at}/refused`])).stderr, controls);
  } finally {
    process.stdout.isTTY = isTTY;
    await server.close();
    rmSync(folder, { recursive: true, force: true });
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

test('a table: what strangers put into its cells plays with no terminal and makes no row of its own', () => {
  const text = table(['name', 'bytes'], [[hostile, 1]]);
  assert.doesNotMatch(text, controls);
  assert.equal(text.split('\n').length, 3);
});

test('seal provision: names of VAL users and services play with no terminal', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ace-coap-hostile-'));
  try {
    const at = ['--store', join(folder, 'state')];
    const said = [
      await aceExits(0, ['seal', 'provision', 'add', 'user', turned, '--service', turned, ...at]),
      await aceExits(0, ['seal', 'provision', 'list', ...at]),
      await aceExits(0, ['seal', 'provision', 'show', 'user', turned, ...at]),
      await aceExits(0, ['seal', 'provision', 'remove', 'user', turned, ...at]),
    ];
    for (const { stdout, stderr } of said) {
      assert.match(stdout, /VAL user anna\\u\{202e\}/);
      assert.doesNotMatch(stdout + stderr, controls);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('seal login: what a provider calls a user and VAL services plays with no terminal', async () => {
  const claims = { val_user_id: hostile, val_service_ids: [hostile] };
  const provider = await ProviderLab.start({
    client: { redirect_uris: [`http://127.0.0.1:${await freePort()}/callback`] },
    configuration: {
      claims: { openid: ['sub', ...Object.keys(claims)] },
      findAccount: async (_context, id) => ({ accountId: id, claims: async () => ({ sub: id, ...claims }) }),
    },
  });
  const folder = mkdtempSync(join(tmpdir(), 'ace-coap-hostile-'));
  try {
    mkdirSync(join(folder, 'client'));
    const [redirectUri] = (await provider.provider.Client.find('app'))!.redirectUris!;
    writeLoginClient(join(folder, 'client'), provider, redirectUri!);
    writeFileSync(join(folder, 'password'), `${password}\n`);
    const words = ['--username', anna, '--password-file', join(folder, 'password')];
    const { code, stdout, stderr } = await runHere(['seal', 'login', '--config', join(folder, 'client'), ...words]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^logged in as anna\\u\{1b\}.*\nVAL services: anna\\u\{1b\}.*\n$/);
    assert.doesNotMatch(stdout + stderr, controls);
  } finally {
    await provider.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
