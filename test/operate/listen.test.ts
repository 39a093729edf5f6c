import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { systemEnv } from '../../src/core/env.ts';
import { ConfigError, loadAsConfig, loadClientConfig, loadRsConfig, writeLab } from '../../src/operate/index.ts';
import { root } from '../support/fixtures.ts';

type Name = 'as.yaml' | 'rs.yaml' | 'client.yaml';

const loaders = { 'as.yaml': loadAsConfig, 'rs.yaml': loadRsConfig, 'client.yaml': loadClientConfig };
const certificate = join(root, 'fixtures', 'tls', 'localhost.pem');
const lab = mkdtempSync(join(tmpdir(), 'ace-coap-listen-'));
await writeLab(lab, { random: systemEnv.random });
copyFileSync(certificate, join(lab, 'cert.pem'));
for (const [name, mode] of [
  ['key.pem', 0o600],
  ['open.pem', 0o644],
] as const) {
  copyFileSync(certificate.replace('.pem', '.key.pem'), join(lab, name));
  chmodSync(join(lab, name), mode);
}
const block = (label: string, text: string): string => `-----BEGIN ${label}-----\n${text}\n-----END ${label}-----\n`;
const sealed = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
  type: 'pkcs8',
  format: 'pem',
  cipher: 'aes-128-cbc',
  passphrase: 'a passphrase',
}) as string;
for (const [name, text] of [
  ['label.pem', '-----BEGIN CERTIFICATE-----\n'],
  ['other.pem', readFileSync(certificate, 'latin1') + block('CERTIFICATE', 'AAECAwQ=')],
  ['other.key', block('PRIVATE KEY', 'AAECAwQ=')],
  ['sealed.key', sealed],
] as const)
  writeFileSync(join(lab, name), text, { mode: 0o600 });
after(() => rmSync(lab, { recursive: true, force: true }));

/** A configuration with `listen`, or for a client `store`, in another form. */
function load<N extends Name>(name: N, lines: string): ReturnType<(typeof loaders)[N]> {
  const file = join(lab, `changed-${name}`);
  const text = readFileSync(join(lab, name), 'utf8');
  const next = text.replace(name === 'client.yaml' ? /^store: .*$/m : /^listen: .*$/m, name === 'client.yaml' ? `store: ./state\n${lines}` : lines);
  assert.notEqual(next, text);
  writeFileSync(file, next, { mode: 0o600 });
  return loaders[name](file) as ReturnType<(typeof loaders)[N]>;
}

function refusal(name: Name, lines: string): string {
  try {
    load(name, lines);
  } catch (error) {
    assert.ok(error instanceof ConfigError && error.code === 'ERR_CONFIG_VALUE', String(error));
    return error.message;
  }
  return assert.fail('it was loaded');
}

const tls = 'tls: { cert_file: cert.pem, key_file: key.pem }';

describe('where servers of a configuration listen', () => {
  for (const name of ['as.yaml', 'rs.yaml'] as const) {
    it(`${name}: one address of any scheme, in one form or the other`, () => {
      for (const [text, scheme, address] of [
        ['127.0.0.1:7000', 'coap', '127.0.0.1'],
        ['"[::1]:7000"', 'coap', '::1'],
        ['coap://127.0.0.1:7000', 'coap', '127.0.0.1'],
        ['coap+tcp://localhost:7000', 'coap+tcp', 'localhost'],
        ['"coap+ws://[::1]:7000"', 'coap+ws', '::1'],
      ] as const) {
        assert.deepEqual(load(name, `listen: ${text}`).listen, [{ scheme, address, port: 7000 }]);
      }
    });

    it(`${name}: several, with a certificate for those that need one`, () => {
      const schemes = ['coap', 'coaps', 'coap+tcp', 'coaps+tcp', 'coap+ws', 'coaps+ws'] as const;
      const config = load(name, `listen:\n${schemes.map((scheme, index) => `  - ${scheme}://127.0.0.1:${7000 + index}`).join('\n')}\n${tls}`);
      assert.deepEqual(
        config.listen,
        schemes.map((scheme, index) => ({ scheme, address: '127.0.0.1', port: 7000 + index })),
      );
      assert.deepEqual(Object.keys(config.tls), ['cert', 'key']);
      assert.deepEqual(Buffer.from(config.tls.cert!), readFileSync(certificate));
      assert.deepEqual(load(name, 'listen: 127.0.0.1:7000').tls, {});
    });

    it(`${name}: certificates that clients have to show`, () => {
      const { clientCa } = load(name, `listen: coaps+tcp://127.0.0.1:7000\n${tls.replace(' }', ', client_ca_file: cert.pem }')}`).tls;
      assert.deepEqual(Buffer.from(clientCa!), readFileSync(certificate));
    });

    for (const [what, lines, said] of [
      ['a scheme of something else', 'listen: http://127.0.0.1:80', /listen: expected an address and a port, such as 127\.0\.0\.1:5683, .*, got "http:/],
      ['a URI without port', 'listen: coap+tcp://127.0.0.1', /listen: expected an address and a port/],
      ['a URI with a path', 'listen: coap+tcp://127.0.0.1:7000/a', /listen: expected an address and a port/],
      ['a name', 'listen: coap+tcp://host.example:7000', /listen: expected an address and a port/],
      ['no address in a list', 'listen: []', /listen: expected a list of at least one address and a port, got a list of 0/],
      ['a wrong one in a list', 'listen: [127.0.0.1:7000, 7001]', /listen\[1\]: expected an address and a port, .*, got the number 7001/],
      [
        'a scheme twice',
        'listen: ["127.0.0.1:7000", "coap://127.0.0.1:7001"]',
        /listen\[1\]: expected one address for each scheme, got a second one for coap$/,
      ],
      [
        'TLS without a certificate',
        'listen: coaps+tcp://127.0.0.1:7000',
        /listen: expected a section tls with cert_file and key_file for coaps\+tcp, got none$/,
      ],
      [
        'a certificate without key',
        'listen: coaps+ws://127.0.0.1:7000\ntls: { cert_file: cert.pem }',
        /tls: expected both cert_file and key_file, got cert_file alone$/,
      ],
      [
        'a certificate that is not there',
        `listen: coaps+tcp://127.0.0.1:7000\n${tls.replace('cert.pem', 'none.pem')}`,
        /tls\.cert_file: .*none\.pem: expected a certificate in PEM, got nothing there$/,
      ],
      [
        'a certificate that is none',
        `listen: coaps+tcp://127.0.0.1:7000\n${tls.replace('cert.pem', 'as.yaml')}`,
        /tls\.cert_file: .*as\.yaml: expected a certificate in PEM, got \d+ bytes that are none$/,
      ],
      [
        'a certificate with the label of one alone',
        `listen: coaps+tcp://127.0.0.1:7000\n${tls.replace('cert.pem', 'label.pem')}`,
        /tls\.cert_file: .*label\.pem: expected a certificate in PEM, got blocks of PEM that are not whole$/,
      ],
      [
        'a certificate that is other bytes',
        `listen: coaps+tcp://127.0.0.1:7000\n${tls.replace('cert.pem', 'other.pem')}`,
        /tls\.cert_file: .*other\.pem: expected a certificate in PEM, got block 2 of PEM that holds none$/,
      ],
      [
        'a key that is other bytes',
        `listen: coaps+tcp://127.0.0.1:7000\n${tls.replace('key.pem', 'other.key')}`,
        /tls\.key_file: .*other\.key: expected a private key in PEM, got a block of PEM that holds none$/,
      ],
      [
        'a key that is encrypted',
        `listen: coaps+tcp://127.0.0.1:7000\n${tls.replace('key.pem', 'sealed.key')}`,
        /tls\.key_file: .*sealed\.key: expected a private key in PEM, got one that is encrypted$/,
      ],
      [
        'a key that is a certificate',
        `listen: coaps+tcp://127.0.0.1:7000\n${tls.replace('key.pem', 'cert.pem')}`,
        /tls\.key_file: .*cert\.pem: expected a private key in PEM, got \d+ bytes that are none$/,
      ],
      [
        'a key that others may read',
        `listen: coaps+tcp://127.0.0.1:7000\n${tls.replace('key.pem', 'open.pem')}`,
        /tls\.key_file: .*open\.pem: expected a key file that its owner alone may use, got mode 0644; run: chmod 600/,
      ],
      ['an unknown file for TLS', `listen: 127.0.0.1:7000\ntls: { certfile: cert.pem }`, /tls\.certfile: unknown key; did you mean "cert_file"\?$/],
    ] as const) {
      it(`${name}: refuses ${what}`, () => assert.match(refusal(name, lines), said));
    }
  }

  it('an RS trusts for what it connects to, an AS connects to nobody', () => {
    assert.deepEqual(Object.keys(load('rs.yaml', 'listen: 127.0.0.1:7000\ntls: { ca_file: cert.pem }').tls), ['ca']);
    assert.match(refusal('as.yaml', 'listen: 127.0.0.1:7000\ntls: { ca_file: cert.pem }'), /tls\.ca_file: unknown key/);
  });

  it('client.yaml: certificates to trust and one to show', () => {
    assert.deepEqual(Object.keys(load('client.yaml', 'tls: { ca_file: cert.pem, cert_file: cert.pem, key_file: key.pem }').tls), ['cert', 'key', 'ca']);
    assert.deepEqual(load('client.yaml', '').tls, {});
    assert.match(refusal('client.yaml', 'tls: { ca_file: none.pem }'), /tls\.ca_file: .*none\.pem: expected a certificate in PEM, got nothing there/);
  });
});

describe('the URIs of authorization servers', () => {
  const withUri = (name: 'rs.yaml' | 'client.yaml', uri: string): string => {
    const file = join(lab, `uri-${name}`);
    writeFileSync(file, readFileSync(join(lab, name), 'utf8').replace('coap://127.0.0.1:5783/token', uri), { mode: 0o600 });
    return file;
  };

  it('are of every scheme that there is a transport for', () => {
    for (const uri of [
      'coap://as.example/token',
      'coap+tcp://as.example/token',
      'coaps+tcp://as.example:7000/token',
      'coap+ws://[::1]/token',
      'COAPS+WS://as.example/t',
    ]) {
      assert.equal(loadRsConfig(withUri('rs.yaml', uri)).issuers[0]!.uri, uri);
      assert.equal(loadClientConfig(withUri('client.yaml', uri)).authorizationServers[0]!.uri, uri);
    }
  });

  it('and of no other, and without what CoAP does not have', () => {
    for (const uri of ['http://as.example', 'tcp://as.example', 'coap+tcp://', 'coap+tcp://u:p@as.example/', 'coap+tcp://as.example/#a', 'coap:as']) {
      for (const [name, load] of [
        ['rs.yaml', loadRsConfig],
        ['client.yaml', loadClientConfig],
      ] as const) {
        assert.throws(
          () => load(withUri(name, `"${uri}"`)),
          /uri: expected a URI such as coap:\/\/127\.0\.0\.1:5783, of one of the schemes coap, coaps, coap\+tcp, .*, got /,
          uri,
        );
      }
    }
  });
});
