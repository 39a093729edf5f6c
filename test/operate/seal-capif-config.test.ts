import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { utf8 } from '../../src/core/bytes.ts';
import { type CapifAefConfig, type CapifCoreConfig, ConfigError, loadCapifCoreConfig, loadClientConfig, loadRsConfig } from '../../src/operate/index.ts';
import { root } from '../support/fixtures.ts';

const folder = mkdtempSync(join(tmpdir(), 'ace-coap-capif-config-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const [cert, key] = ['localhost.pem', 'localhost.key.pem'].map((name) => readFileSync(join(root, 'fixtures', 'tls', name), 'latin1')) as [string, string];
writeFileSync(join(folder, 'a.pem'), cert);
writeFileSync(join(folder, 'a.key'), key, { mode: 0o600 });
writeFileSync(join(folder, 'open.key'), key, { mode: 0o644 });

/** Lines of a section, some of them replaced; `undefined` takes one out. */
type Lines = Readonly<Record<string, string | undefined>>;

const written = (lines: Lines, indent: string): string =>
  Object.entries(lines)
    .flatMap(([name, value]) => (value === undefined ? [] : [`${indent}${name}: ${value}\n`]))
    .join('');

const files = { cert_file: 'a.pem', key_file: 'a.key' };
const aef: Lines = {
  listen: 'https://127.0.0.1:10445',
  ...files,
  client_ca_file: 'a.pem',
  core: '{ uri: "https://ccf.example", jwks_uri: "https://ccf.example/jwks" }',
  aef_id: 'seal1',
  apis: '{ spatial-anchors: "spatial-anchor:read spatial-anchor:discover" }',
  invokers: '{ val1: { names: [val1.example] } }',
};
const invoker: Lines = { core: '"https://ccf.example"', invoker_id: 'val1', ...files };
const core: Lines = {
  listen: '127.0.0.1:10446',
  ...files,
  client_ca_file: 'a.pem',
  invokers: '{ val1: { names: [val1.example], rights: { seal1: [spatial-anchors] } } }',
  aefs: '{ seal1: { names: [seal1.example] } }',
};

const tokenKey = `{ use: encrypt0, alg: AES-CCM-16-64-128, key: "${'00'.repeat(16)}" }`;

function aefOf(changes: Lines = {}): CapifAefConfig {
  const head = `profile: seal\nlisten: 127.0.0.1:0\naudience: seal1\nstore: ./state\nissuers: [{ uri: "coap://127.0.0.1:5783/token", token_keys: [${tokenKey}] }]\n`;
  const file = join(folder, 'rs.yaml');
  writeFileSync(file, `${head}seal:\n  val_system: val.example\n  capif:\n${written({ ...aef, ...changes }, '    ')}`, { mode: 0o600 });
  return loadRsConfig(file).seal!.capif!;
}

function invokerOf(changes: Lines = {}): unknown {
  const channel = '{ uri: "coap://127.0.0.1:5783/token", oscore: { master_secret: "00112233445566778899aabbccddeeff", sender_id: "02", recipient_id: "01" } }';
  const file = join(folder, 'client.yaml');
  const head = `profile: seal\nstore: ./state\nauthorization_servers: [${channel}]\n`;
  writeFileSync(file, `${head}seal:\n  capif:\n${written({ ...invoker, ...changes }, '    ')}`, { mode: 0o600 });
  return loadClientConfig(file).seal?.capif;
}

function coreOf(changes: Lines = {}): CapifCoreConfig {
  const file = join(folder, 'capif.yaml');
  writeFileSync(file, written({ ...core, ...changes }, ''));
  return loadCapifCoreConfig(file);
}

test('seal.capif of rs.yaml: what it says, and the defaults', () => {
  assert.deepEqual(aefOf(), {
    listen: { address: '127.0.0.1', port: 10_445 },
    cert: utf8(cert),
    key: utf8(key),
    clientCa: utf8(cert),
    core: { uri: 'https://ccf.example', names: [], issuer: 'https://ccf.example', keys: { uri: 'https://ccf.example/jwks' } },
    aefId: 'seal1',
    apis: { 'spatial-anchors': 'spatial-anchor:read spatial-anchor:discover' },
    methods: ['PKI', 'OAUTH'],
    invokers: { val1: { names: ['val1.example'], services: [] } },
    rnaa: true,
    actForOwner: true,
  });
  writeFileSync(join(folder, 'jwks.json'), '{"keys":[]}');
  const whole = aefOf({
    core: '{ uri: "https://ccf.example", issuer: "https://issuer.example", ca_file: a.pem, names: [ccf.example], jwks_file: jwks.json }',
    methods: '[OAUTH]',
    invokers: '{ val1: { names: [val1.example], services: [v2x] } }',
    rnaa: 'false',
    fresh: '5',
  });
  assert.deepEqual(whole.core, {
    uri: 'https://ccf.example',
    ca: utf8(cert),
    names: ['ccf.example'],
    issuer: 'https://issuer.example',
    keys: { jwks: { keys: [] } },
  });
  assert.deepEqual([whole.methods, whole.invokers['val1']?.services, whole.rnaa, whole.actForOwner, whole.fresh], [['OAUTH'], ['v2x'], false, false, 5]);
});

test('seal.capif of client.yaml, and capif.yaml: what they say', () => {
  assert.deepEqual(invokerOf({ ca_file: 'a.pem' }), {
    apiInvokerId: 'val1',
    apiRoot: 'https://ccf.example',
    tls: { cert: utf8(cert), key: utf8(key), ca: utf8(cert) },
  });
  const { file: _file, ...read } = coreOf({ ca_file: 'a.pem', signing_key_file: 'a.key', lifetime: '60' });
  assert.deepEqual(read, {
    listen: { address: '127.0.0.1', port: 10_446 },
    cert: utf8(cert),
    key: utf8(key),
    clientCa: utf8(cert),
    ca: utf8(cert),
    issuer: 'https://127.0.0.1:10446',
    signingKey: key,
    lifetime: 60,
    invokers: { val1: { names: ['val1.example'], rights: { seal1: ['spatial-anchors'] }, owners: [] } },
    aefs: { seal1: { names: ['seal1.example'], methods: ['OAUTH', 'PKI'] } },
  });
});

test('CAPIF in configurations: what is wrong, with file, place, expectation and value', () => {
  const wrongAt = (load: (changes: Lines) => unknown, file: string, cases: readonly (readonly [Lines, RegExp])[]): void => {
    for (const [changes, expected] of cases)
      assert.throws(
        () => load(changes),
        (error) => error instanceof ConfigError && error.message.includes(file) && expected.test(error.message),
        JSON.stringify(changes),
      );
  };
  const uri = 'uri: "https://ccf.example"';
  wrongAt(aefOf, 'rs.yaml', [
    [{ listen: 'coap://127.0.0.1:1' }, /seal\.capif\.listen: expected an address and a port, .*, got "coap:/],
    [{ client_ca_file: undefined }, /seal\.capif\.client_ca_file: expected the path of a file, got nothing/],
    [{ key_file: 'open.key' }, /seal\.capif\.key_file: .*open\.key: expected a key file that its owner alone may use, got mode 0644/],
    [{ core: `{ ${uri} }` }, /seal\.capif\.core: expected either jwks_file or jwks_uri, got neither/],
    [{ core: '{ uri: "http://ccf.example", jwks_uri: "https://c.example/" }' }, /seal\.capif\.core\.uri: expected a URI of https .*got "http:/],
    [{ core: '{ uri: "https://ccf.example/", jwks_uri: "https://c.example/" }' }, /core\.uri: expected a URI of https that does not end in "\/"/],
    [{ aef_id: 'a;b' }, /seal\.capif\.aef_id: expected a name of at most 128 visible characters .*got "a;b"/],
    [{ apis: '{}' }, /seal\.capif\.apis: expected an API at least, got none/],
    [{ apis: '{ a: "" }' }, /seal\.capif\.apis\.a: expected scope names/],
    [{ methods: '[PSK]' }, /seal\.capif\.methods\[0\]: expected one of PKI, OAUTH, got "PSK"/],
    [{ invokers: '{ "val 1": { names: [a] } }' }, /seal\.capif\.invokers.*expected an identifier/],
    [
      { invokers: '{ val1: { names: [a] }, val2: { names: [b, a] } }' },
      /invokers\.val2\.names\[1\]: expected a name that no other has, got "a", which is of val1/,
    ],
    [{ rnaa: 'false', act_for_owner: 'true' }, /seal\.capif\.act_for_owner: expected rnaa: true beside it/],
    [{ aefid: 'seal1' }, /seal\.capif\.aefid: expected.*|unknown key/],
  ]);
  wrongAt(invokerOf, 'client.yaml', [
    [{ core: 'ccf.example' }, /seal\.capif\.core: expected a URI of https/],
    [{ invoker_id: 'a/b' }, /seal\.capif\.invoker_id: expected an identifier of letters, digits and \. _ ~ -, got "a\/b"/],
    [{ cert_file: 'a.key' }, /seal\.capif\.cert_file: .*a\.key: expected a certificate in PEM/],
    [{ key_file: undefined }, /seal\.capif\.key_file: expected the path of a file/],
  ]);
  wrongAt(coreOf, 'capif.yaml', [
    [{ invokers: '{ val1: { names: [a], rights: { seal2: [x] } } }' }, /invokers\.val1\.rights\.seal2: expected an AEF of the section aefs, got "seal2"/],
    [{ signing_key_file: 'a.pem' }, /signing_key_file: .*a\.pem: expected a private key in PEM/],
    [{ aefs: '{ seal1: { names: [a], methods: [] } }' }, /aefs\.seal1\.methods: expected a list of at least one method/],
    [{ lifetime: '0' }, /lifetime: expected a whole number of seconds/],
  ]);
});
