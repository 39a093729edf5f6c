import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadAsConfig, loadClientConfig, loadRsConfig } from '../../src/operate/index.ts';
import { labWith, problemOf } from './lab-with.ts';

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
