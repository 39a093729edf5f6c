import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fromHex, toHex } from '../../src/core/bytes.ts';
import { ConfigError, loadAsConfig, loadClientConfig, loadRsConfig, type OscoreConfig, writeLab } from '../../src/operate/index.ts';
import { changedLab, freshLab, labRandom, refusal } from './lab-with.ts';

const base = mkdtempSync(join(tmpdir(), 'ace-coap-config-'));
after(() => rmSync(base, { recursive: true, force: true }));

describe('a fresh lab', () => {
  it('has a file for each role and keys, for its owner alone', async () => {
    const folder = join(base, 'sub', 'fresh');
    const files = await writeLab(folder, { random: labRandom });
    const names = ['keys/client1-as.key', 'keys/rs1-as.key', 'keys/admin-as.key', 'keys/as-rs1-token.key', 'as.yaml', 'rs.yaml', 'client.yaml', 'admin.yaml'];
    assert.deepEqual(
      files,
      names.map((name) => join(folder, name)),
    );
    for (const file of files) assert.equal(statSync(file).mode & 0o777, 0o600, file);
    for (const path of [folder, join(folder, 'keys')]) assert.equal(statSync(path).mode & 0o777, 0o700, path);
    for (const name of names.slice(0, 3)) assert.match(readFileSync(join(folder, name), 'utf8'), /^[0-9a-f]{32}\n$/);
    assert.match(readFileSync(join(folder, 'as.yaml'), 'utf8'), /^# Authorization server/);
  });

  it('is never written over another', async () => {
    const folder = await freshLab();
    const key = readFileSync(join(folder, 'keys', 'client1-as.key'), 'utf8');
    await assert.rejects(writeLab(folder, { random: () => new Uint8Array(16) }), (error) => error instanceof ConfigError && error.code === 'ERR_CONFIG_EXISTS');
    assert.equal(readFileSync(join(folder, 'keys', 'client1-as.key'), 'utf8'), key);
    for (const name of ['as.yaml', 'rs.yaml', 'client.yaml', 'admin.yaml', 'keys']) rmSync(join(folder, name), { recursive: true });
    mkdirSync(join(folder, 'state'));
    await assert.rejects(writeLab(folder, { random: labRandom }), /state/);
    rmSync(join(folder, 'state'), { recursive: true });
    await writeLab(folder, { random: labRandom });
  });

  it('is a folder, or says why not', async () => {
    const file = join(base, 'a-file');
    writeFileSync(file, '');
    await assert.rejects(writeLab(file, { random: labRandom }), (error) => error instanceof ConfigError && error.code === 'ERR_CONFIG_FILE');
  });

  it('loads for each role, and the roles fit together', async () => {
    const folder = await freshLab();
    const as = loadAsConfig(folder);
    const rs = loadRsConfig(join(folder, 'rs.yaml'));
    const client = loadClientConfig(folder);
    const keys = (name: string): Uint8Array => fromHex(readFileSync(join(folder, 'keys', name), 'utf8'));

    assert.deepEqual(as.listen, [{ scheme: 'coap', address: '127.0.0.1', port: 5783 }]);
    assert.equal(as.store, join(folder, 'state', 'as'));
    assert.deepEqual(as.clients, [
      {
        id: 'client1',
        profile: 2,
        credentials: { masterSecret: keys('client1-as.key'), senderId: fromHex('01'), recipientId: fromHex('02') },
        grants: [{ audience: 'rs1', scope: 'r_temp r_led w_led', default: 'r_temp' }],
      },
      {
        id: 'admin',
        profile: 2,
        credentials: { masterSecret: keys('admin-as.key'), senderId: fromHex('01'), recipientId: fromHex('04') },
        grants: [],
        admin: 'all',
      },
    ]);
    assert.deepEqual(as.resourceServers, [
      {
        id: 'rs1',
        audiences: ['rs1'],
        profile: 2,
        credentials: { masterSecret: keys('rs1-as.key'), senderId: fromHex('01'), recipientId: fromHex('03') },
        profiles: [2],
        tokenKeys: [{ use: 'encrypt0', algorithm: 10, key: { kty: 4, k: keys('as-rs1-token.key') }, kid: fromHex('01') }],
        scopes: ['r_temp', 'r_led', 'w_led'],
        tokenLifetime: 3600,
        exi: false,
      },
    ]);

    assert.deepEqual(rs.listen, [{ scheme: 'coap', address: '127.0.0.1', port: 5683 }]);
    assert.equal(rs.audience, 'rs1');
    assert.equal(rs.store, join(folder, 'state', 'rs'));
    assert.deepEqual(rs.issuers[0]?.tokenKeys, as.resourceServers[0]?.tokenKeys);
    assert.deepEqual(rs.issuers[0]?.credentials, { masterSecret: keys('rs1-as.key'), senderId: fromHex('03'), recipientId: fromHex('01') });
    assert.deepEqual(rs.scopes, { r_temp: { '/temperature': ['GET'] }, r_led: { '/led': ['GET'] }, w_led: { '/led': ['GET', 'PUT'] } });
    assert.deepEqual(rs.resources, [
      { path: '/temperature', kind: 'sensor', unit: 'C', initial: '21.5', interval: 5 },
      { path: '/led', kind: 'value', initial: 'off' },
    ]);
    assert.equal(rs.cnonce, false);
    assert.deepEqual(rs.public, []);
    assert.deepEqual([rs.leeway, rs.leewayCap], [0, 300]);

    assert.equal(client.store, join(folder, 'state', 'client'));
    assert.deepEqual(client.authorizationServers, [
      {
        uri: rs.issuers[0]?.uri,
        profile: 2,
        credentials: { masterSecret: keys('client1-as.key'), senderId: fromHex('02'), recipientId: fromHex('01') },
      },
    ]);
  });

  it('takes a leeway up to its cap, and no further', async () => {
    assert.deepEqual(loadRsConfig(await changedLab('rs.yaml', 'leeway: 0 ', 'leeway: 300 ')).leeway, 300);
    const raised = loadRsConfig(await changedLab('rs.yaml', 'leeway: 0 ', 'leeway_cap: 900\nleeway: 900 '));
    assert.deepEqual([raised.leeway, raised.leewayCap], [900, 900]);
    for (const [to, message] of [
      ['leeway: 301 ', /leeway: expected at most 300 seconds, which is leeway_cap, got 301/],
      ['leeway_cap: 10\nleeway: 11 ', /leeway: expected at most 10 seconds, which is leeway_cap, got 11/],
      ['leeway: -1 ', /leeway: expected a whole number of seconds from 0 to 86400/],
      ['leeway: 100000 ', /leeway: expected a whole number of seconds from 0 to 86400/],
      ['leeway: soon ', /leeway: expected a whole number of seconds from 0 to 86400/],
      ['leeway_cap: 86401\nleeway: 0 ', /leeway_cap: expected a whole number of seconds from 0 to 86400/],
    ] as const) {
      const folder = await changedLab('rs.yaml', 'leeway: 0 ', to);
      assert.match(refusal(() => loadRsConfig(folder)).message, message);
    }
  });

  it('takes other ports', async () => {
    const folder = join(base, 'ports');
    await writeLab(folder, { random: labRandom, asPort: 1001, rsPort: 1002 });
    assert.equal(loadAsConfig(folder).listen[0]?.port, 1001);
    assert.equal(loadRsConfig(folder).listen[0]?.port, 1002);
    assert.equal(loadRsConfig(folder).issuers[0]?.uri, 'coap://127.0.0.1:1001/token');
    assert.equal(loadClientConfig(folder).authorizationServers[0]?.uri, 'coap://127.0.0.1:1001/token');
  });
});

describe('a configuration error names file, place, path, what was expected and what stands there', () => {
  const cases: readonly [title: string, file: 'as.yaml' | 'rs.yaml' | 'client.yaml', from: string | RegExp, to: string, said: RegExp][] = [
    [
      'number in place of an identifier',
      'as.yaml',
      'sender_id: "01" #',
      'sender_id: 01 #',
      /as\.yaml:12:18: clients\.client1\.oscore\.sender_id: expected hexadecimal text in quotes, such as "01", got the number 1$/,
    ],
    [
      'odd digits',
      'client.yaml',
      '"02"',
      '"020"',
      /client\.yaml:\d+:\d+: authorization_servers\[0\]\.oscore\.sender_id: expected hexadecimal text in quotes, such as "01", got "020"$/,
    ],
    [
      'unknown key, near a known one',
      'as.yaml',
      'token_lifetime',
      'token_lifetme',
      /as\.yaml:5:1: token_lifetme: unknown key; did you mean "token_lifetime"\?$/,
    ],
    [
      'unknown key, far from all',
      'client.yaml',
      'store: ',
      'zzzzzzzzzzzz: 1\nstore: ',
      /client\.yaml:3:1: zzzzzzzzzzzz: unknown key; known here: store, store_url_file, store_url_env, tls, dtls, profiles, authorization_servers, defaults, experimental, revocation, hide_path, q_block, renewal, transmission, profile, seal$/,
    ],
    ['unknown key below', 'rs.yaml', 'use: encrypt0', 'us: encrypt0', /rs\.yaml:10:11: issuers\[0\]\.token_keys\[0\]\.us: unknown key; did you mean "use"\?$/],
    ['missing key', 'as.yaml', /^listen.*\n/m, '', /as\.yaml:3:1: listen: expected an address and a port, or a list of them, got nothing$/],
    ['empty value', 'rs.yaml', 'audience: rs1', 'audience:', /rs\.yaml:4:\d+: audience: expected a name without spaces, got an empty value$/],
    [
      'wrong word',
      'rs.yaml',
      'kind: sensor',
      'kind: sensr',
      /rs\.yaml:\d+:\d+: resources\["\/temperature"\]\.kind: expected one of sensor, value, inbox, got "sensr"$/,
    ],
    [
      'wrong method',
      'rs.yaml',
      '[GET, PUT]',
      '[GET, put]',
      /rs\.yaml:21:24: scopes\.w_led\["\/led"\]\[1\]: expected one of GET, POST, PUT, DELETE, FETCH, PATCH, iPATCH, got "put"$/,
    ],
    [
      'list in place of a map',
      'as.yaml',
      /^clients:\n( {2}.*\n)+/m,
      'clients: [a, b]\n',
      /as\.yaml:\d+:10: clients: expected a map of clients by name, got a list of 2$/,
    ],
    ['text in place of a number', 'as.yaml', '3600', 'soon', /token_lifetime: expected a whole number of seconds from 1 to 4294967295, got "soon"$/],
    [
      'number out of range',
      'as.yaml',
      '3600',
      '0',
      /as\.yaml:5:17: token_lifetime: expected a whole number of seconds from 1 to 4294967295, got the number 0$/,
    ],
    ['no address', 'rs.yaml', '127.0.0.1:5683', '5683', /listen: expected an address and a port, such as 127\.0\.0\.1:5683, .*, got the number 5683$/],
    [
      'no URI',
      'client.yaml',
      'coap://',
      'http://',
      /authorization_servers\[0\]\.uri: expected a URI such as coap:\/\/127\.0\.0\.1:5783, .*, got "http:\/\/127\.0\.0\.1:5783\/token"$/,
    ],
    [
      'name that JavaScript has another use for',
      'as.yaml',
      '  client1:',
      '  constructor:',
      /clients: expected keys other than __proto__, prototype and constructor, got a map$/,
    ],
    [
      'audience of nobody',
      'as.yaml',
      'rs1: { scope',
      'rs2: { scope',
      /clients\.client1\.grants\.rs2: expected an audience of a resource server, got "rs2"; did you mean "rs1"\?$/,
    ],
    [
      'scope of nobody',
      'as.yaml',
      'default: "r_temp"',
      'default: "r_tmp"',
      /clients\.client1\.grants\.rs1\.default: expected scopes of the resource server, got "r_tmp"; did you mean "r_temp"\?$/,
    ],
    [
      'algorithm of another use',
      'as.yaml',
      'use: encrypt0',
      'use: mac0',
      /token_keys\[0\]\.alg: expected an algorithm for mac0: HMAC 256\/64, .*; got "AES-CCM-16-64-128"$/,
    ],
    [
      'key too short for its algorithm',
      'rs.yaml',
      'AES-CCM-16-64-128',
      'AES-CCM-16-64-256',
      /token_keys\[0\]\.key_file: expected a key of 32 bytes for AES-CCM-16-64-256, got 16$/,
    ],
    ['no key', 'client.yaml', /.*master_secret_file.*\n/, '', /oscore: expected either master_secret_file or master_secret, got neither$/],
    ['equal identifiers', 'client.yaml', 'sender_id: "02"', 'sender_id: "01"', /recipient_id: expected another identifier than sender_id, got the same/],
    ['long identifier', 'client.yaml', '"02"', '"0102030405060708"', /sender_id: expected at most 7 bytes with this AEAD algorithm, got 8$/],
    [
      'two peers with one identifier',
      'as.yaml',
      'recipient_id: "03"',
      'recipient_id: "02"',
      /resource_servers\.rs1\.oscore\.recipient_id|clients\.client1\.oscore\.recipient_id: expected an identifier of its own, got "02"/,
    ],
    ['missing key file', 'client.yaml', 'keys/client1-as.key', 'keys/no.key', /master_secret_file: .*keys\/no\.key: expected a key file, got nothing there$/],
    [
      'folder for a key file',
      'client.yaml',
      'keys/client1-as.key',
      'keys',
      /master_secret_file: .*\/keys: expected a key file, got something that cannot be read \(EISDIR\)$/,
    ],
    ['no YAML', 'as.yaml', 'audiences: [rs1]', 'audiences: [rs1', /as\.yaml:\d+:\d+: expected YAML: /],
    ['key twice', 'as.yaml', 'token_lifetime: 3600', 'token_lifetime: 3600\ntoken_lifetime: 60', /as\.yaml:6:1: expected YAML: Map keys must be unique/],
    ['map for a key', 'as.yaml', 'token_lifetime: 3600', '{ token_lifetime }: 3600', /as\.yaml:5:1: expected YAML: Map keys must be texts, no lists or maps/],
  ];
  for (const [title, file, from, to, said] of cases) {
    it(title, async () => {
      const folder = await changedLab(file, from, to);
      const load = { 'as.yaml': loadAsConfig, 'rs.yaml': loadRsConfig, 'client.yaml': loadClientConfig }[file];
      const error = refusal(() => load(folder));
      assert.match(error.message, said);
      assert.equal(error.file, join(folder, file));
    });
  }

  it('every problem of a file is named at once', async () => {
    const folder = await changedLab('rs.yaml', 'audience: rs1', 'audience: [a b]\ncnonse: yes');
    const error = refusal(() => loadRsConfig(folder));
    assert.deepEqual(
      error.problems.map((problem) => problem.path),
      ['audience[0]', 'cnonse'],
    );
  });

  it('a file that is not there', () => {
    const error = refusal(() => loadAsConfig(join(base, 'nowhere')));
    assert.equal(error.code, 'ERR_CONFIG_FILE');
    assert.match(error.message, /nowhere: expected a configuration file, got nothing there; "ace-coap init"/);
    mkdirSync(join(base, 'empty'));
    assert.match(refusal(() => loadRsConfig(join(base, 'empty'))).message, /empty\/rs\.yaml: expected a configuration file/);
  });

  it('an empty file', () => {
    const file = join(base, 'empty.yaml');
    writeFileSync(file, '');
    assert.match(
      refusal(() => loadClientConfig(file)).message,
      /empty\.yaml:1:1: authorization_servers: expected a list of at least one authorization server, got nothing/,
    );
  });
});

describe('keys', () => {
  const secret = '0f1e2d3c4b5a69788796a5b4c3d2e1f0';

  it('a key file that others may read is refused, with the way out', async () => {
    const folder = await freshLab();
    const key = join(folder, 'keys', 'client1-as.key');
    for (const mode of [0o640, 0o604, 0o620, 0o601]) {
      chmodSync(key, mode);
      const error = refusal(() => loadAsConfig(folder));
      assert.match(
        error.message,
        /clients\.client1\.oscore\.master_secret_file: .*client1-as\.key: expected a key file that its owner alone may use, got mode 06\d\d; run: chmod 600 \S+/,
      );
    }
    chmodSync(key, 0o400);
    loadAsConfig(folder);
  });

  it('a key in the configuration itself: the configuration is for its owner alone', async () => {
    const folder = await changedLab(
      'client.yaml',
      'master_secret_file: keys/client1-as.key',
      `master_secret: "${secret}"\n      master_salt: "0102"\n      id_context: "aabb"\n      aead: AES-CCM-16-64-256\n      hkdf: HKDF SHA-512\n      replay_window: 64`,
    );
    const file = join(folder, 'client.yaml');
    assert.deepEqual(loadClientConfig(file).authorizationServers[0]?.credentials, {
      masterSecret: fromHex(secret),
      masterSalt: fromHex('0102'),
      senderId: fromHex('02'),
      recipientId: fromHex('01'),
      idContext: fromHex('aabb'),
      aead: 11,
      hkdf: 7,
      replayWindow: 64,
    });
    chmodSync(file, 0o644);
    assert.match(
      refusal(() => loadClientConfig(file)).message,
      /client\.yaml:\d+:\d+: .*master_secret: .*expected a configuration with a key in it that its owner alone may use, got mode 0644; run: chmod 600 /,
    );
  });

  it('no error ever shows key bytes', async () => {
    const changes: readonly [string | RegExp, string][] = [
      ['master_secret_file: keys/client1-as.key', `master_secret: "${secret}0"`],
      ['master_secret_file: keys/client1-as.key', `master_secret: ${secret}\n      master_salt: "${secret}x"`],
      ['master_secret_file: keys/client1-as.key', `master_secrt: "${secret}"`],
      ['sender_id: "02"', `sender_id: "${secret}"`],
      ['master_secret_file: keys/client1-as.key', `master_secret_file: "${secret}"\n      master_secret: "${secret}"`],
      [/oscore:\n(.*\n)+/, `oscore: "${secret}"`],
      [/oscore:\n(.*\n)+/, `oscore: { master_secret: "${secret}`],
      [/oscore:\n(.*\n)+/, `oscore: { master_secret: "${secret}" "${secret}" }`],
      ['recipient_id: "01"', `recipient_id: "${secret.slice(0, 24)}"`],
    ];
    for (const [from, to] of changes) {
      const folder = await changedLab('client.yaml', from, to);
      const { message } = refusal(() => loadClientConfig(folder));
      assert.ok(!message.includes(secret.slice(0, 16)) && !message.includes(secret.slice(-16)), message);
    }
    const folder = await freshLab();
    writeFileSync(join(folder, 'keys', 'client1-as.key'), `${secret} and more`);
    const { message } = refusal(() => loadClientConfig(folder));
    assert.match(message, /client1-as\.key: expected a key in hexadecimal, got 41 bytes that are none$/);
  });

  it('a key file: white space between digits, and nothing else', async () => {
    const folder = await freshLab();
    const key = join(folder, 'keys', 'client1-as.key');
    writeFileSync(key, `${secret.slice(0, 16)}\r\n  ${secret.slice(16)}\n\n`);
    assert.equal(toHex((loadClientConfig(folder).authorizationServers[0]!.credentials as OscoreConfig).masterSecret), secret);
    for (const text of ['', '\n', 'abc', 'xy'.repeat(16)]) {
      writeFileSync(key, text);
      assert.match(refusal(() => loadClientConfig(folder)).message, /expected a key in hexadecimal/);
    }
    writeFileSync(key, '0011');
    assert.match(refusal(() => loadClientConfig(folder)).message, /expected a Master Secret of at least 16 bytes, got 2$/);
    writeFileSync(key, '00'.repeat(10_000));
    assert.match(refusal(() => loadClientConfig(folder)).message, /expected a key file of at most 16384 bytes, got 20000$/);
  });

  it('a key for COSE_Mac0 is as long as the hash value (RFC 9053 Table 3)', async () => {
    const folder = await changedLab('as.yaml', 'kid: "01" }', `kid: "01" }\n      - { use: mac0, alg: HMAC 256/64, key: "${secret}${secret}" }`);
    const { use, algorithm, key } = loadAsConfig(folder).resourceServers[0]!.tokenKeys[1]!;
    assert.deepEqual({ use, algorithm, key }, { use: 'mac0', algorithm: 4, key: { kty: 4, k: fromHex(secret + secret) } });
    const short = await changedLab('as.yaml', 'kid: "01" }', `kid: "01" }\n      - { use: mac0, alg: HMAC 256/256, key: "${secret}" }`);
    assert.match(refusal(() => loadAsConfig(short)).message, /token_keys\[1\]\.key: expected a key of 32 bytes for HMAC 256\/256, got 16$/);
  });

  it('signature keys are COSE_Keys: with d a secret, without it not', async () => {
    // RFC 8392, Appendix A.2.3: an EC2 key on P-256, with its private part.
    const x = '143329cce7868e416927599cf65a34f3ce2ffda55a7eca69ed8919a394d42f0f';
    const y = '60f7f1a780d8a783bfb7a2dd6b2796e8128dbbcef9d3d168db9529971a36e7b9';
    const d = '6c1382765aec5358f117733d281c1c7bdc39884d04a45a1e6c67c858bc206c19';
    const publicKey = `a401022001215820${x}225820${y}`;
    const privateKey = `a501022001215820${x}225820${y}235820${d}`;
    const folder = await changedLab('as.yaml', 'kid: "01" }', `kid: "01" }\n      - { use: sign1, alg: ES256, key_file: keys/sign.key }`);
    const key = join(folder, 'keys', 'sign.key');
    writeFileSync(key, publicKey, { mode: 0o644 });
    const loaded = loadAsConfig(folder).resourceServers[0]!.tokenKeys[1]!;
    assert.equal(loaded.use, 'sign1');
    assert.equal(loaded.algorithm, -7);
    assert.equal(toHex(loaded.key.x as Uint8Array), x);
    writeFileSync(key, privateKey);
    assert.match(refusal(() => loadAsConfig(folder)).message, /expected a key file that its owner alone may use/);
    chmodSync(key, 0o600);
    assert.equal(toHex(loadAsConfig(folder).resourceServers[0]!.tokenKeys[1]!.key.d as Uint8Array), d);
    writeFileSync(key, d);
    assert.match(refusal(() => loadAsConfig(folder)).message, /token_keys\[1\]\.key_file: expected a COSE_Key in hexadecimal: /);
  });
});
