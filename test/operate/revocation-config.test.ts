import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ConfigError, loadAsConfig, loadClientConfig, loadRsConfig, writeLab } from '../../src/operate/index.ts';

const base = mkdtempSync(join(tmpdir(), 'ace-coap-revocation-'));
after(() => rmSync(base, { recursive: true, force: true }));
let labs = 0;

async function labWith(name: string, text: string): Promise<string> {
  const folder = join(base, `lab${++labs}`);
  await writeLab(folder, { random: (length) => Uint8Array.from({ length }, (_, i) => (17 * labs + i) & 0xff) });
  appendFileSync(join(folder, name), text);
  return folder;
}

const problemOf = (load: () => unknown): string => {
  try {
    load();
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.message;
  }
  return assert.fail('it was loaded');
};

test('revocation at the RS and at the client: observe and interval', async () => {
  assert.equal(loadRsConfig(await labWith('rs.yaml', '')).revocation, undefined);
  const rs = loadRsConfig(await labWith('rs.yaml', '\nrevocation: { observe: true, interval: 30 }\nlimits: { revoked: 500 }\n'));
  assert.deepEqual(rs.revocation, { observe: true, interval: 30 });
  assert.equal(rs.limits.revoked, 500);
  assert.deepEqual(loadClientConfig(await labWith('client.yaml', '\nrevocation: {}\n')).revocation, {});
  const folder = await labWith('rs.yaml', '\nrevocation: { interval: 0 }\n');
  assert.match(
    problemOf(() => loadRsConfig(folder)),
    /rs\.yaml.*interval.*seconds/s,
  );
  const other = await labWith('client.yaml', '\nrevocation: { observe: perhaps }\n');
  assert.match(
    problemOf(() => loadClientConfig(other)),
    /client\.yaml.*observe.*perhaps/s,
  );
});

test('revocation at the RS needs a channel to an issuer', async () => {
  const folder = await labWith('rs.yaml', '\nrevocation: {}\n');
  const file = join(folder, 'rs.yaml');
  writeFileSync(file, readFileSync(file, 'utf8').replace(/ {4}oscore:\n( {6}.*\n)+/, ''));
  assert.match(
    problemOf(() => loadRsConfig(folder)),
    /rs\.yaml.*revocation.*expected an issuer with a section oscore or dtls/s,
  );
});

test('revocation at the AS: administrators and poll', async () => {
  const as = loadAsConfig(await labWith('as.yaml', '\nrevocation: { administrators: [client1], poll: 2 }\n'));
  assert.deepEqual(as.revocation, { administrators: ['client1'], poll: 2 });
  const folder = await labWith('as.yaml', '\nrevocation: { administrator: client1 }\n');
  assert.match(
    problemOf(() => loadAsConfig(folder)),
    /as\.yaml.*administrator/s,
  );
});
