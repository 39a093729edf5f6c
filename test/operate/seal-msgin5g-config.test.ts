import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fromHex, utf8 } from '../../src/core/bytes.ts';
import { ConfigError, loadRsConfig, type RsConfig } from '../../src/operate/index.ts';
import { root } from '../support/fixtures.ts';

const folder = mkdtempSync(join(tmpdir(), 'ace-coap-msgin5g-config-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function load(msgin5g: string): RsConfig {
  const file = join(folder, 'rs.yaml');
  const text = `listen: ["coaps://127.0.0.1:0"]
audience: msgin5g
store: ./state
issuers: [{ uri: "coap://127.0.0.1:5783/token", token_keys: [{ use: encrypt0, alg: AES-CCM-16-64-128, key: "${'00'.repeat(16)}" }] }]
profile: seal
seal: { val_system: val.example, services: { msgin5g: { ${msgin5g} } } }
`;
  writeFileSync(file, text, { mode: 0o600 });
  return loadRsConfig(file);
}

const pem = readFileSync(join(root, 'fixtures', 'tls', 'localhost.pem'), 'latin1');
writeFileSync(join(folder, 'ca.pem'), pem);

const good = 'aanf: "https://aanf.example/root", fqdn: msgin5g.example.com';

test('seal.services.msgin5g: what it says, and the defaults', () => {
  const { seal, dtls } = load(`${good}, associations: { imsi-001010000000001: [meter, lamp] }`);
  assert.deepEqual(seal?.services.msgin5g, {
    aanf: 'https://aanf.example/root',
    afId: { fqdn: 'msgin5g.example.com', protocol: fromHex('010001d001') },
    associations: { 'imsi-001010000000001': ['meter', 'lamp'] },
  });
  assert.deepEqual([dtls.pskHint, dtls.suites], [utf8('3GPP-AKMA'), 'seal-strict']);
  const all = load(
    `${good}, protocol: "0100000007", identity_prefix: "3GPP-AKMA", path: /m, lifetime: 60, configuration: { uri: "coap://127.0.0.1/su-uc", client: sim-c/client.yaml }`,
  );
  assert.deepEqual(all.seal?.services.msgin5g, {
    aanf: 'https://aanf.example/root',
    afId: { fqdn: 'msgin5g.example.com', protocol: fromHex('0100000007') },
    identityPrefix: '3GPP-AKMA',
    path: '/m',
    lifetime: 60,
    configuration: { uri: 'coap://127.0.0.1/su-uc', client: join(folder, 'sim-c/client.yaml') },
  });
  const overTls = load(
    `${good}, associations: {}, aanf_tls: { ca_file: ca.pem }, tls: { listen: "coaps+tcp://[::1]:5687", suite: TLS_DHE_PSK_WITH_AES_128_GCM_SHA256 }`,
  ).seal?.services.msgin5g;
  assert.deepEqual(overTls?.tls, { listen: { address: '::1', port: 5687 }, suite: 'TLS_DHE_PSK_WITH_AES_128_GCM_SHA256' });
  assert.deepEqual(overTls?.aanfTls, { ca: pem });
});

test('seal.services.msgin5g: what is wrong, with its place', () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    [good, /seal\.services\.msgin5g: expected either associations or configuration, got neither/],
    [`${good}, associations: {}, configuration: { uri: "coap://127.0.0.1/a", client: c }`, /got both/],
    ['aanf: aanf.example, fqdn: a.example, associations: {}', /msgin5g\.aanf: expected a URL/],
    ['aanf: "https://aanf.example", fqdn: 10.0.0.1, associations: {}', /msgin5g\.fqdn: expected a domain name/],
    [`${good}, protocol: "01", associations: {}`, /msgin5g\.protocol: expected 10 hexadecimal digits/],
    [`${good}, associations: { imsi-1: meter }`, /msgin5g\.associations\.imsi-1: expected/],
    [`${good}, association: {}`, /msgin5g\.association\b/],
    [`${good}, associations: {}, tls: { listen: "coaps://127.0.0.1:1" }`, /msgin5g\.tls\.listen: expected an address and a port, .* got "coaps:/],
    [`${good}, associations: {}, tls: { listen: "127.0.0.1:1", suite: TLS_PSK_WITH_AES_128_CCM_8 }`, /msgin5g\.tls\.suite: expected one of TLS_AES_128/],
    [`${good}, associations: {}, tls: {}`, /msgin5g\.tls\.listen: expected/],
    [`${good}, associations: {}, aanf_tls: { ca_file: none.pem }`, /msgin5g\.aanf_tls\.ca_file: .*none\.pem: expected a certificate in PEM, got nothing there/],
    [`${good}, associations: {}, aanf_tls: { cert_file: ca.pem }`, /msgin5g\.aanf_tls: expected both cert_file and key_file, got cert_file alone/],
  ];
  for (const [text, expected] of cases)
    assert.throws(
      () => load(text),
      (error) => error instanceof ConfigError && expected.test(error.message),
      text,
    );
});
