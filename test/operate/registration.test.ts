import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fromHex } from '../../src/core/bytes.ts';
import { loadClientRegistration, loadResourceServerRegistration, loadTokenKey, writeClientKit } from '../../src/operate/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'ace-coap-registration-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const random = (length: number): Uint8Array => new Uint8Array(length).fill(7);

function file(text: string): string {
  const path = join(folder, 'registration.yaml');
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

test('a registration stands in a file of its own as it stands in as.yaml', () => {
  writeFileSync(join(folder, 'as.key'), '000102030405060708090a0b0c0d0e0f\n', { mode: 0o600 });
  const oscore = 'oscore: { master_secret_file: as.key, sender_id: "00", recipient_id: "0a" }';
  assert.deepEqual(loadClientRegistration(file(`${oscore}\ngrants: { rs1: { scope: r_temp } }\nadmin: [client, token]\n`), 'c9'), {
    id: 'c9',
    profile: 2,
    credentials: { masterSecret: fromHex('000102030405060708090a0b0c0d0e0f'), senderId: fromHex('00'), recipientId: fromHex('0a') },
    grants: [{ audience: 'rs1', scope: 'r_temp' }],
    admin: ['client', 'token'],
  });
  assert.deepEqual(loadClientRegistration(file(`${oscore}\ngrants: {}\nadmin: [client, all]\n`), 'c9').admin, 'all');
  assert.deepEqual(loadClientRegistration(file(`${oscore}\ngrants: {}\nadmin: rs\n`), 'c9').admin, ['rs']);
  const key = '{ use: encrypt0, alg: AES-CCM-16-64-128, key_file: as.key, kid: "01" }';
  assert.deepEqual(loadResourceServerRegistration(file(`audiences: [rs9]\ntoken_keys: [${key}]\n`), 'rs9').tokenKeys, [loadTokenKey(file(key))]);
});

test('what is wrong in it is said with its place', () => {
  const said = (text: string, words: RegExp): void => {
    assert.throws(() => loadClientRegistration(file(text), 'c9'), { name: 'ConfigError', message: words });
  };
  said('grants: {}\n', /registration\.yaml.*expected a section oscore or dtls, got neither/s);
  said('grants: {}\nadmin: everything\n', /admin: expected one of all, client, rs, key, policy, token, code, got "everything"/);
  said('grants: {}\nadmins: all\n', /admins: unknown key; did you mean "admin"/);
});

test('what a new client needs fits together, and is not overwritten', () => {
  const kit = join(folder, 'kit');
  const { registration: path } = writeClientKit(kit, { random, uri: 'coap://127.0.0.1:5783/token', grants: [['rs1', 'r_temp w_led']], admin: ['policy'] });
  const { credentials, grants, admin } = loadClientRegistration(path, 'c9');
  assert.deepEqual(credentials, { masterSecret: random(16), senderId: fromHex('00'), recipientId: random(5) });
  assert.deepEqual([grants, admin], [[{ audience: 'rs1', scope: 'r_temp w_led' }], ['policy']]);
  assert.throws(() => writeClientKit(kit, { random, uri: 'coap://127.0.0.1/token', grants: [] }), { code: 'ERR_CONFIG_EXISTS' });
});
