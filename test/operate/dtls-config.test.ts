import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fromHex, utf8 } from '../../src/core/bytes.ts';
import { decode } from '../../src/core/cbor.ts';
import { type CoseKey, decodeCoseKey } from '../../src/core/cose/index.ts';
import { systemEnv } from '../../src/core/env.ts';
import { suitesOf } from '../../src/dtls/cipher-suites.ts';
import { suiteLists, suiteNames } from '../../src/operate/config/dtls-settings.ts';
import { ConfigError, type LabProfile, loadAsConfig, loadClientConfig, loadRsConfig, writeLab, writeSealLab } from '../../src/operate/index.ts';

const base = mkdtempSync(join(tmpdir(), 'ace-coap-dtls-config-'));
after(() => rmSync(base, { recursive: true }));
let labs = 0;

async function lab(profile: LabProfile): Promise<string> {
  const folder = join(base, `lab${++labs}`);
  await writeLab(folder, { random: systemEnv.random, profile });
  return folder;
}

function edit(folder: string, name: string, change: (text: string) => string): void {
  const file = join(folder, name);
  writeFileSync(file, change(readFileSync(file, 'utf8')));
}

function refused(load: () => unknown): string {
  try {
    load();
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
  }
  return assert.fail('it was loaded');
}

const keyOf = (folder: string, name: string): CoseKey => decodeCoseKey(decode(fromHex(readFileSync(join(folder, 'keys', name), 'utf8').trim())));

test('a lab of pre-shared keys: one with the AS for each, and sessions on the port above', async () => {
  const folder = await lab('dtls-psk');
  const [as, rs, client] = [loadAsConfig(folder), loadRsConfig(folder), loadClientConfig(folder)];
  assert.deepEqual(
    as.listen.map(({ scheme, port }) => `${scheme} ${port}`),
    ['coap 5783', 'coaps 5784'],
  );
  assert.deepEqual(as.clients[0]!.credentials, client.authorizationServers[0]!.credentials);
  assert.deepEqual(as.resourceServers[0]!.credentials, rs.issuers[0]!.credentials);
  const key = fromHex(readFileSync(join(folder, 'keys', 'client1-as.key'), 'utf8').trim());
  assert.deepEqual(as.clients[0]!.credentials, { psk: { identity: utf8('client1'), key } });
  assert.deepEqual([as.clients[0]!.profile, as.resourceServers[0]!.profiles, client.profiles], [1, [1], [1]]);
  assert.equal(client.authorizationServers[0]!.uri, 'coaps://127.0.0.1:5784/token');
});

test('a lab of raw public keys: each has its own, and what the others know of it', async () => {
  const folder = await lab('dtls-rpk');
  const [as, rs, client] = [loadAsConfig(folder), loadRsConfig(folder), loadClientConfig(folder)];
  for (const [config, name] of [
    [as, 'as'],
    [rs, 'rs1'],
    [client, 'client1'],
  ] as const)
    assert.deepEqual(config.dtls.ownKey, keyOf(folder, `${name}.key`));
  assert.deepEqual(as.dtls.serverKeys, { rs1: keyOf(folder, 'rs1.pub') });
  assert.deepEqual(as.clients[0]!.credentials, { rawPublicKey: keyOf(folder, 'client1.pub') });
  assert.deepEqual(client.authorizationServers[0]!.credentials, { rawPublicKey: { server: keyOf(folder, 'as.pub'), own: keyOf(folder, 'client1.key') } });
  assert.equal(keyOf(folder, 'as.pub').d, undefined);
});

test('keys to derive others from, keys of clients beside their channel, and profiles by name', async () => {
  const folder = await lab('dtls-psk');
  writeFileSync(join(folder, 'keys', 'derive.key'), 'ab'.repeat(16), { mode: 0o600 });
  writeFileSync(join(folder, 'keys', 'c.pub'), readFileSync(join(await lab('dtls-rpk'), 'keys', 'client1.pub'), 'utf8'));
  edit(folder, 'as.yaml', (text) =>
    text
      .replace('    audiences: [rs1]', '    audiences: [rs1]\n    derivation_key_file: keys/derive.key')
      .replace('    grants:', '    raw_public_key_file: keys/c.pub\n    profiles: [coap_dtls, coap_oscore]\n    grants:'),
  );
  edit(folder, 'rs.yaml', (text) => text.replace('    token_keys:', '    derivation_key_file: keys/derive.key\n    token_keys:'));
  edit(folder, 'client.yaml', (text) => `${text}\nprofiles: [coap_oscore, coap_dtls]\ndtls: { token: psk-identity }\n`);
  const as = loadAsConfig(folder);
  const derivationKey = new Uint8Array(16).fill(0xab);
  assert.deepEqual(as.dtls.derivationKeys, { rs1: derivationKey });
  assert.deepEqual(as.dtls.clientKeys, { client1: [keyOf(folder, 'c.pub')] });
  assert.deepEqual(as.clients[0]!.profiles, [1, 2]);
  assert.deepEqual(loadRsConfig(folder).dtls.derivationKeys, { 'coaps://127.0.0.1:5784/token': derivationKey });
  const client = loadClientConfig(folder);
  assert.deepEqual([client.profiles, client.dtls.token], [[2, 1], 'psk-identity']);
});

test('what is wrong with keys for DTLS is said with its place', async () => {
  const psk = await lab('dtls-psk');
  const section = 'dtls: { psk_identity: client1, psk_file: keys/client1-as.key }';
  const client = (replacement: string): string => {
    const text = readFileSync(join(psk, 'client.yaml'), 'utf8');
    const file = join(psk, 'other.yaml');
    writeFileSync(file, text.replace(section, replacement), { mode: 0o600 });
    return file;
  };
  for (const [replacement, said] of [
    ['dtls: { psk_identity: client1 }', /dtls: expected either psk_file or psk, got neither/],
    ['dtls: { psk_file: keys/client1-as.key }', /expected either peer_key_file or peer_key, got neither/],
    ['dtls: { psk_identity: client1, psk_file: keys/client1-as.key, peer_key: "a1" }', /expected either psk_identity or a peer key, got both/],
    ['', /authorization_servers\[0\]: expected a section oscore or dtls, got neither/],
    [`${section}\n    oscore: { master_secret_file: keys/rs1-as.key, sender_id: "01", recipient_id: "02" }`, /expected one of oscore and dtls, got both/],
    ['oscore: { master_secret_file: keys/rs1-as.key, sender_id: "01", recipient_id: "02" }', /uri: expected a section dtls beside a URI of coaps, got none/],
    [`${section}\nprofiles: [coap_oscore]`, /authorization_servers\[0\]: expected a channel of one of the profiles/],
    [`${section}\ndtls: { token: header }`, /dtls\.token: expected one of upload, psk-identity, got "header"/],
  ] as const)
    assert.match(
      refused(() => loadClientConfig(client(replacement))),
      said,
    );
  const rpk = await lab('dtls-rpk');
  edit(rpk, 'client.yaml', (text) => text.replace(/^dtls: .*$/m, ''));
  assert.match(
    refused(() => loadClientConfig(rpk)),
    /expected a section dtls with a key at the top of the file/,
  );
  edit(rpk, 'as.yaml', (text) => text.replace('key_file: keys/as.key', 'key_file: keys/as.pub'));
  assert.match(
    refused(() => loadAsConfig(rpk)),
    /dtls\.key_file: expected a key on P-256, P-384 or Ed25519 with its private part/,
  );
  chmodSync(join(rpk, 'keys', 'rs1.key'), 0o644);
  assert.match(
    refused(() => loadRsConfig(rpk)),
    /rs1\.key: expected a key file that its owner alone may use/,
  );
  // Public keys are for everybody.
  chmodSync(join(rpk, 'keys', 'client1.pub'), 0o644);
  edit(rpk, 'as.yaml', (text) => text.replace('key_file: keys/as.pub', 'key_file: keys/as.key'));
  assert.equal(loadAsConfig(rpk).clients.length, 2);
});

describe('the section dtls: how sessions are opened, how long they last and how many there are', () => {
  const asked = `
  suites: iot
  mtu: 600
  connection_id: 8
  record_size_limit: 512
  require_extended_master_secret: true
  retransmit_timeout: 9
  handshake_timeout: 60
  idle_lifetime: 3600
  max_lifetime: 86400
  session_lifetime: 0
  limits: { connections: 10, handshakes: 5, handshake_bytes: 100000, sessions: 3, failures: { burst: 4, rate: 0.5 } }`;

  test('of a server all of it, of a client what its own side decides', async () => {
    const folder = await lab('dtls-psk');
    for (const name of ['as.yaml', 'rs.yaml']) edit(folder, name, (text) => `${text}\ndtls:${asked}\n`);
    const both = {
      mtu: 600,
      recordSizeLimit: 512,
      requireExtendedMasterSecret: true,
      retransmission: { initialTimeout: 9000 },
      handshakeTimeout: 60_000,
      idleLifetime: 3_600_000,
      maxLifetime: 86_400_000,
    };
    for (const { dtls } of [loadAsConfig(folder), loadRsConfig(folder)]) {
      assert.equal(dtls.suites, 'iot');
      assert.deepEqual(dtls.settings, {
        ...both,
        connectionIdLength: 8,
        sessionLifetime: 0,
        maxConnections: 10,
        maxHandshakes: 5,
        maxAllHandshakeBytes: 100_000,
        maxSessions: 3,
        failures: { burst: 4, rate: 0.5 },
      });
    }
    const ofClient = asked.replace(/^ {2}(?:connection_id|session_lifetime|limits):.*\n?/gm, '');
    edit(folder, 'client.yaml', (text) => `${text}\ndtls:${ofClient.replace('iot', '[TLS_PSK_WITH_AES_128_CCM_8]')}\n`);
    const { dtls } = loadClientConfig(folder);
    assert.deepEqual([dtls.suites, dtls.settings], [['TLS_PSK_WITH_AES_128_CCM_8'], both]);
  });

  test('its names are those that the engine has', () => {
    assert.deepEqual(
      [...suiteNames],
      suitesOf('default').map(({ name }) => name),
    );
    for (const list of suiteLists) assert.ok(suitesOf(list).length > 0);
  });

  test('what is wrong is said with its place', async () => {
    const folder = await lab('dtls-psk');
    const text = readFileSync(join(folder, 'rs.yaml'), 'utf8');
    for (const [line, said] of [
      ['suites: tls13', /dtls\.suites: expected one of default, iot, seal-strict, .*, got "tls13"/],
      ['suites: [iot, TLS_PSK_WITH_AES_128_CCM]', /dtls\.suites\[0\]: expected either the name of a list alone or cipher suites, got "iot" among others/],
      ['mtu: 63', /dtls\.mtu: expected a whole number of bytes from 64 to 16384, got the number 63/],
      ['connection_id: 33', /dtls\.connection_id: expected a whole number of bytes from 1 to 32, got the number 33/],
      ['limits: { failures: { burst: 0, rate: 1 } }', /dtls\.limits\.failures\.burst: expected a whole number of handshakes/],
      ['limit: { connections: 1 }', /dtls\.limit: .*limits/],
    ] as const) {
      writeFileSync(join(folder, 'rs.yaml'), `${text}\ndtls: { ${line} }\n`);
      assert.match(
        refused(() => loadRsConfig(folder)),
        said,
      );
    }
    edit(folder, 'client.yaml', (written) => `${written}\ndtls: { connection_id: 8 }\n`);
    assert.match(
      refused(() => loadClientConfig(folder)),
      /dtls\.connection_id: unknown key/,
    );
  });

  test('a SEAL deployment has its suites in its own section', async () => {
    const folder = join(base, `lab${++labs}`);
    await writeSealLab(folder, { random: systemEnv.random });
    edit(folder, 'rs.yaml', (text) => `${text}\ndtls: { suites: iot }\n`);
    assert.match(
      refused(() => loadRsConfig(folder)),
      /dtls\.suites: expected seal\.suites in its place/,
    );
  });
});

test('sessions are kept over a restart unless the file says no, all of them are forward secret, or several servers have the store', async () => {
  const folder = await lab('dtls-psk');
  const keeps = (): readonly (boolean | undefined)[] => [loadAsConfig(folder).dtls.keepSessions, loadRsConfig(folder).dtls.keepSessions];
  assert.deepEqual(keeps(), [true, true]);
  for (const name of ['as.yaml', 'rs.yaml']) edit(folder, name, (text) => `${text}\ndtls: { keep_sessions: false }\n`);
  assert.deepEqual(keeps(), [false, false]);
  for (const name of ['as.yaml', 'rs.yaml']) edit(folder, name, (text) => text.replace('keep_sessions: false', 'keep_sessions: maybe'));
  assert.match(refused(keeps), /dtls\.keep_sessions: expected/);
  edit(folder, 'as.yaml', (text) => `${text.replace('keep_sessions: maybe', 'keep_sessions: true')}\nlease: 5\n`);
  assert.match(refused(keeps), /dtls\.keep_sessions: expected a store of one server, got one that several servers may have/);
  edit(folder, 'as.yaml', (text) => text.replace('dtls: { keep_sessions: true }\n', ''));
  assert.equal(loadAsConfig(folder).dtls.keepSessions, false);
  const keepsWith = (suites: string): boolean | undefined => {
    edit(folder, 'rs.yaml', (text) => text.replace(/^dtls: .*$/m, `dtls: { suites: ${suites} }`));
    return loadRsConfig(folder).dtls.keepSessions;
  };
  assert.deepEqual(
    ['seal-strict', '[TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256]', 'iot', '[TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256, TLS_PSK_WITH_AES_128_CCM]'].map(keepsWith),
    [false, false, true, true],
  );
});
