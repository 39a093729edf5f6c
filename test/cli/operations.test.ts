import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { freePort } from '../support/ports.ts';
import { ace, aceExits, Lab, type Server } from './lab.ts';

let lab: Lab;
let metricsPort: number;
let asYaml: string;

before(async () => {
  metricsPort = await freePort();
  lab = await Lab.start(({ folder }) => {
    asYaml = join(folder, 'as.yaml');
    appendFileSync(asYaml, `metrics: 127.0.0.1:${metricsPort}\naudit: ./audit\ndrain: 5\n`);
  });
});
after(() => lab.end());

async function scrape(path: string): Promise<{ readonly status: number; readonly text: string }> {
  const response = await fetch(`http://127.0.0.1:${metricsPort}${path}`);
  return { status: response.status, text: await response.text() };
}

function token(client = lab.folder): ReturnType<typeof ace> {
  return ace(['token', '--audience', 'rs1', '--scope', 'r_temp', '--json', '--config', client]);
}

const hangup = (message: Parameters<Server['hangup']>[0], server = lab.as): Promise<void> => server.hangup(message);

describe('a server that is watched', () => {
  test('metrics and health; no label names a client or a token', async () => {
    assert.equal((await token()).code, 0);
    const { status, text } = await scrape('/metrics');
    assert.equal(status, 200);
    assert.match(text, /^ace_requests_total\{path="\/token",method="POST",code="2\.01"\} 1$/m);
    assert.match(text, /^ace_tokens_issued_total\{profile="coap_oscore",scope="r_temp"\} 1$/m);
    assert.match(text, /^ace_store_seconds_count\{operation="batch",outcome="done"\} [1-9]/m);
    assert.match(text, /^ace_audit_seconds_count\{outcome="done"\} [1-9]/m);
    assert.match(text, /^ace_entries\{kind="tokens"\} 1$/m);
    assert.match(text, /^process_cpu_seconds_total /m);
    assert.doesNotMatch(text, /client1/);
    assert.deepEqual(await scrape('/healthz'), { status: 200, text: 'ok\n' });
    assert.equal((await scrape('/')).status, 404);
  });

  test('the log names the token by its hash, as the audit log does', async () => {
    const issued = lab.as.log().find(({ msg }) => msg === 'token-issued');
    assert.match(String(issued?.['token']), /^[\w-]{44}$/);
    const { stdout } = await aceExits(0, ['audit', 'show', join(lab.folder, 'audit'), '--client', 'client1', '--event', 'token-issued', '--json']);
    const shown = JSON.parse(stdout.split('\n')[0]!) as Record<string, unknown>;
    assert.equal(shown['token'], issued?.['token']);
    assert.equal(shown['client'], 'client1');
    const none = await aceExits(0, ['audit', 'show', join(lab.folder, 'audit'), '--client', 'client2', '--json']);
    assert.equal(none.stdout, '');
  });
});

test('administration of the store itself has an entry, in a chain of its own', async () => {
  await aceExits(0, ['admin', 'client', 'list', '--offline', '--config', lab.folder, '--json']);
  const { stdout } = await aceExits(0, ['audit', 'show', join(lab.folder, 'audit'), '--event', 'administration', '--json']);
  const [entry] = stdout.trim().split('\n');
  const { actor, act, object } = JSON.parse(entry!) as Record<string, unknown>;
  assert.deepEqual([actor, act, object], ['operator', 'list', 'client']);
});

describe('SIGHUP', () => {
  test('a new client is served, a log level holds, and what needs a restart is named', async () => {
    const text = readFileSync(asYaml, 'utf8');
    const key = join(lab.folder, 'keys', 'client2-as.key');
    writeFileSync(key, `${'5a'.repeat(16)}\n`, { mode: 0o600 });
    const client2 =
      '  client2:\n    oscore: { master_secret_file: keys/client2-as.key, sender_id: "01", recipient_id: "77" }\n    grants: { rs1: { scope: r_temp } }\n';
    writeFileSync(asYaml, `${text.replace('clients:\n', `clients:\n${client2}`)}issuer: another\ndtls: { mtu: 600 }\n`);
    await hangup('reloaded');
    const lines = lab.as.log();
    assert.deepEqual(lines.findLast(({ msg }) => msg === 'reloaded')?.['added'], ['client:client2']);
    assert.deepEqual(
      lines.flatMap(({ msg, setting }) => (msg === 'needs a restart' ? [setting] : [])),
      ['issuer', 'dtls'],
    );
    const asPort = String(lab.asPort);
    const config = join(lab.folder, 'client2.yaml');
    const own = readFileSync(join(lab.folder, 'client.yaml'), 'utf8');
    assert.ok(own.includes(asPort));
    const changed = own
      .replace(/client1-as\.key/, 'client2-as.key')
      .replace(/sender_id: "?\w+"?/, 'sender_id: "77"')
      .replace(/state\/client/, 'state/client2');
    writeFileSync(config, changed, { mode: 0o600 });
    const run = await token(config);
    assert.equal(run.code, 0, run.stderr);
    assert.equal((await token()).code, 0);
  });

  test('a file that is wrong changes nothing; the log says file, place, path, expectation and value', async () => {
    const text = readFileSync(asYaml, 'utf8');
    writeFileSync(asYaml, text.replace('drain: 5', 'drain: soon'));
    await hangup('the configuration stays as it was');
    const refused = lab.as.log().findLast(({ msg }) => msg === 'configuration refused');
    assert.equal(refused?.['file'], asYaml);
    assert.equal(refused?.['path'], 'drain');
    assert.equal(refused?.['message'], 'expected a whole number of seconds from 0 to 3600, got "soon"');
    assert.ok(Number(refused?.['line']) > 1);
    writeFileSync(asYaml, text);
    assert.equal((await token()).code, 0);
  });
});

describe('SIGHUP at a resource server', () => {
  test('token keys roll over without an outage: old and new side by side, and what was accepted stays', async () => {
    const rsYaml = join(lab.folder, 'rs.yaml');
    const read = (): ReturnType<typeof ace> => ace(['get', lab.uri('/temperature'), '--config', lab.folder]);
    assert.equal((await read()).code, 0);
    writeFileSync(join(lab.folder, 'keys', 'as-rs1-token2.key'), `${'6b'.repeat(16)}\n`, { mode: 0o600 });
    const key = (name: string, kid: string): string => `- { use: encrypt0, alg: AES-CCM-16-64-128, key_file: keys/${name}.key, kid: "${kid}" }`;
    const both = (text: string, first: string, second: string): string => {
      const line = /^( *)- \{ use: encrypt0.*\}$/m;
      assert.match(text, line);
      return text.replace(line, `$1${first}\n$1${second}`);
    };
    const [old, fresh] = [key('as-rs1-token', '01'), key('as-rs1-token2', '02')];
    writeFileSync(rsYaml, both(readFileSync(rsYaml, 'utf8'), old, fresh));
    await hangup('reloaded', lab.rs);
    writeFileSync(asYaml, both(readFileSync(asYaml, 'utf8'), fresh, old));
    await hangup('reloaded');
    assert.equal((await read()).code, 0);
    const newcomer = await ace(['get', lab.uri('/temperature'), '--config', join(lab.folder, 'client2.yaml')]);
    assert.equal(newcomer.code, 0, newcomer.stderr);
    assert.equal(lab.rs.log().filter(({ msg }) => msg === 'token-accepted').length, 2);
  });
});

describe('SIGTERM', () => {
  test('the server ends with exit code 0, and its audit log ends in order', async () => {
    await lab.as.stop('SIGTERM');
    assert.deepEqual(
      lab.as
        .log()
        .slice(-2)
        .map(({ msg }) => msg),
      ['stopping', 'stopped'],
    );
    const folder = join(lab.folder, 'audit');
    const files = readdirSync(folder);
    assert.equal(files.length, 2);
    assert.equal(statSync(join(folder, files[0]!)).mode & 0o777, 0o600);
    const store = join(lab.folder, 'state', 'as');
    const { stdout } = await aceExits(0, ['audit', 'verify', folder, '--store', store, '--json']);
    const report = JSON.parse(stdout) as { readonly valid: boolean; readonly chains: readonly { readonly ended: boolean }[] };
    assert.deepEqual([report.valid, report.chains.map(({ ended }) => ended)], [true, [true, true]]);
    await lab.as.start();
    assert.equal((await token()).code, 0);
  });

  test('after kill -9 the audit log verifies, and the next chain goes on', async () => {
    assert.equal((await token()).code, 0);
    await lab.as.kill();
    await lab.as.start();
    assert.equal((await token()).code, 0);
    const { stdout } = await aceExits(0, ['audit', 'verify', join(lab.folder, 'audit'), '--store', join(lab.folder, 'state', 'as'), '--json']);
    const { chains } = JSON.parse(stdout) as { readonly chains: readonly { readonly ended: boolean }[] };
    assert.deepEqual(
      chains.map(({ ended }) => ended),
      [true, true, false, false],
    );
  });

  test('audit: --config names the folder and the store', async () => {
    const { stdout } = await aceExits(0, ['audit', 'verify', '--config', lab.folder]);
    assert.match(stdout, /^unchanged: 4 chains/);
    assert.doesNotMatch(stdout, /without --store/);
    assert.match((await aceExits(0, ['audit', 'show', '--config', lab.folder, '--event', 'token-issued'])).stdout, /client1/);
    await aceExits(2, ['audit', 'verify']);
  });

  test('audit verify: exit code 1 for what was changed, with file and line; 2 for wrong use', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ace-coap-audit-'));
    try {
      const [first] = readdirSync(join(lab.folder, 'audit')).sort();
      const text = readFileSync(join(lab.folder, 'audit', first!), 'utf8');
      const copy = join(folder, first!);
      writeFileSync(copy, text.replace('"client1"', '"client9"'));
      const { stdout } = await aceExits(1, ['audit', 'verify', folder]);
      assert.match(stdout, new RegExp(`^changed ${copy}:2: entry 1`, 'm'));
      await aceExits(2, ['audit', 'verify', join(folder, 'nowhere')]);
      await aceExits(2, ['audit', 'verify', folder, '--store', join(folder, 'nowhere')]);
      for (const time of ['yesterday', '2026-02-30', '2026-11-26 08:00', '2026-11-26T25:00:00Z', '2026-11-26T08:00:00Z, or so'])
        assert.match((await aceExits(2, ['audit', 'show', folder, '--since', time])).stderr, /expected a time such as 2026-11-26/, time);
      for (const time of ['2026-11-26', '2024-02-29T08:00', '2026-11-26T08:00:00.5', '2026-11-26T08:00:00+01:00'])
        await aceExits(0, ['audit', 'show', folder, '--since', time]);
      rmSync(copy);
      for (const act of ['verify', 'show']) assert.match((await aceExits(2, ['audit', act, folder])).stderr, /got one without a file of it/);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test('audit archive, while the server runs: what ended leaves, and verify does not miss it', async () => {
    const folder = join(lab.folder, 'audit');
    const archive = join(lab.folder, 'archive');
    const store = ['--store', join(lab.folder, 'state', 'as')];
    const config = ['--config', lab.folder];
    const { stdout } = await aceExits(0, ['audit', 'archive', archive, '--older-than', '0', ...config, '--json']);
    const { files, notes } = JSON.parse(stdout) as { readonly files: readonly object[]; readonly notes: readonly string[] };
    assert.deepEqual([files.length, readdirSync(archive).length, notes.length], [2, 2, 2]);
    assert.equal((await token()).code, 0);
    await aceExits(0, ['audit', 'verify', ...config]);
    await aceExits(0, ['audit', 'verify', archive, ...config]);
    await aceExits(0, ['audit', 'verify', folder, archive, ...store]);
    assert.match((await aceExits(0, ['audit', 'show', archive, folder, '--event', 'audit-archived'])).stdout, /audit-archived/);
    const again = await aceExits(0, ['audit', 'archive', archive, '--before', '2020-01-01', '--folder', folder, ...store]);
    assert.match(again.stdout, /^0 files archived that ended before 2020-01-01T00:00:00.000Z$/m);
    for (const wrong of [
      config,
      ['--older-than', '-1', ...config],
      ['--older-than', '1', '--folder', folder],
      ['--older-than', '1', '--folder', folder, ...config],
    ])
      await aceExits(2, ['audit', 'archive', archive, ...wrong]);
  });
});
