import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { ConfigError, loadAsConfig, loadRsConfig, loadT8Config } from '../../src/operate/index.ts';
import { runHere } from '../cli/run-here.ts';

const parent = mkdtempSync(join(tmpdir(), 't8-config-'));
const folder = join(parent, 'lab');
assert.equal((await runHere(['seal', 'init', folder])).code, 0);
const whole = readFileSync(join(folder, 't8.yaml'), 'utf8');
writeFileSync(join(folder, 'jwks.json'), '{"keys":[]}');
const list = readFileSync(join(folder, 'tls', 'ca.crl'), 'utf8');
writeFileSync(join(folder, 'tls', 'none.crl'), `${list}-----BEGIN X509 CRL-----\nAAECAwQ=\n-----END X509 CRL-----\n`);
after(() => rmSync(parent, { recursive: true }));

describe('t8.yaml', () => {
  test('each setting of a fresh lab', () => {
    const { https, notifications, ...rest } = loadT8Config(folder);
    const { cert, key, clientCa, crl, ca, ...named } = https;
    for (const bytes of [cert, key, clientCa, crl, ca, notifications.ca]) assert.ok(bytes!.length > 0);
    assert.deepEqual(notifications.allow, ['127.0.0.1:10448']);
    assert.deepEqual(named, {
      listen: { address: '127.0.0.1', port: 10_447 },
      issuer: 'https://127.0.0.1:10443',
      keys: { uri: 'https://127.0.0.1:10443/jwks' },
      certificates: 'required',
      certificateProfile: true,
      clients: { scs1: ['scs1.example'] },
    });
    assert.deepEqual(rest, {
      file: join(folder, 't8.yaml'),
      store: `lmdb:${join(folder, 'state', 't8')}`.replace(/^lmdb:/, rest.store.startsWith('lmdb:') ? 'lmdb:' : ''),
      drain: 10,
      audience: 'scef',
      client: join(folder, 'scef.yaml'),
      apiRoot: 'https://127.0.0.1:10447',
      rules: [{ scsAsId: 'scs1', devices: 'meter*@op.example', api: '*', effect: 'allow' }],
      rate: { perAddress: { burst: 512, rate: 256 }, perScsAs: { burst: 200, rate: 100 }, perDevice: { burst: 50, rate: 10 } },
    });
  });

  test('settings that a lab has not', () => {
    const changed = join(folder, 'changed.yaml');
    const text = whole
      .replace(/jwks_uri: .*/, 'jwks_file: jwks.json')
      .replace(/^limits:[\s\S]*?\n\n/m, 'api_root: https://scef.example\nlimits: { rate: { per_device: { burst: 1, rate: 0.5 } } }\n\n')
      .replace('devices: "meter*@op.example"', 'devices: "*", api: nidd, effect: deny');
    writeFileSync(changed, text);
    const { apiRoot, rate, rules, https } = loadT8Config(changed);
    assert.deepEqual(
      [apiRoot, rate, rules, https.keys],
      [
        'https://scef.example',
        { perDevice: { burst: 1, rate: 0.5 } },
        [{ scsAsId: 'scs1', devices: '*', api: 'nidd', effect: 'deny' }],
        { jwks: { keys: [] } },
      ],
    );
  });

  const wrong: readonly (readonly [from: string | RegExp, to: string, said: string])[] = [
    [/^audience: .*/m, '', 'audience: '],
    ['audience: scef', 'audience: "a b"', 'audience: expected a name without spaces, got "a b"'],
    ['client: scef.yaml', 'client: ""', 'client: expected the path of a file, got ""'],
    [
      'listen: https://127.0.0.1:10447',
      'listen: http://127.0.0.1',
      'https.listen: expected an address and a port, such as https://127.0.0.1:10444, got "http://127.0.0.1"',
    ],
    ['cert_file: tls/scef.pem', 'cert_file: tls/absent.pem', 'https.cert_file: '],
    ['cert_file: tls/scef.pem', 'cert_file: tls/scef.key', 'https.cert_file: '],
    ['key_file: tls/scef.key', 'key_file: tls/scef.pem', 'https.key_file: '],
    ['crl_file: tls/ca.crl', 'crl_file: tls/ca.pem', 'https.crl_file: '],
    ['crl_file: tls/ca.crl', 'crl_file: tls/none.crl', 'expected a list of revoked certificates in PEM, got block 2 of PEM that holds none'],
    ['  client_ca_file: tls/ca.pem\n', '', 'https.certificates: expected client_ca_file beside it'],
    ['  client_ca_file: tls/ca.pem\n', '', 'https.crl_file: expected client_ca_file beside it'],
    ['certificate_profile: true', 'certificate_profile: 1', 'https.certificate_profile: expected true or false, got the number 1'],
    [
      'certificate_profile: true',
      'certificates: none',
      'https.certificates: expected required, since T8 has certificates on both sides (TS 33.187, 5.5.1), got none',
    ],
    [
      'certificate_profile: true',
      'rate: { per_client: { burst: 1, rate: 1 } }',
      'https.rate: expected limits.rate in its place, with per_address, per_scs_as and per_device',
    ],
    ['issuer: https://127.0.0.1:10443', 'issuer: http://sims', 'https.issuer: expected a URI of https, got "http://sims"'],
    [/ {2}jwks_uri: .*\n/, '', 'https: expected either jwks_file or jwks_uri, got neither'],
    [/jwks_uri: .*/, 'jwks_file: t8.yaml', 'https.jwks_file: '],
    [
      'clients: { scs1: [scs1.example] }',
      'clients: { scs1: [] }',
      'https.clients.scs1: expected a list of at least one name of a certificate, got a list of 0',
    ],
    [/allow: .*/, 'allow: ["127.0.0.1"]', 'notifications.allow[0]: expected a host and a port, such as 127.0.0.1:9443, got "127.0.0.1"'],
    ['limits:', 'api_root: https://scef.example/t8\nlimits:', 'api_root: expected a URI of https without a path, got "https://scef.example/t8"'],
    [
      'per_scs_as: { burst: 200, rate: 100 }',
      'per_scs_as: { burst: 0, rate: 100 }',
      'limits.rate.per_scs_as.burst: expected a whole number of requests from 1 to 1000000, got the number 0',
    ],
    [
      'per_scs_as: { burst: 200, rate: 100 }',
      'per_scs_as: { burst: 200, rate: 0 }',
      'limits.rate.per_scs_as.rate: expected a number of requests per second above 0, got the number 0',
    ],
    ['per_device:', 'per_devise:', 'limits.rate.per_devise: unknown key; did you mean "per_device"?'],
    ['scs_as: scs1, devices', 'scs_as: "", devices', 'rules[0].scs_as: expected a name without spaces, got ""'],
    ['devices: "meter*@op.example"', 'devices: "*", api: sms', 'rules[0].api: expected one of device-triggering, nidd, *, got "sms"'],
    ['devices: "meter*@op.example"', 'devices: "*", effect: ask', 'rules[0].effect: expected one of allow, deny, got "ask"'],
    ['store: ./state/t8', 'stores: ./state/t8', 'stores: unknown key; did you mean "store"?'],
  ];
  for (const [from, to, said] of wrong) {
    test(`${to === '' ? `without ${String(from)}` : to}: ${said}`, () => {
      const changed = join(folder, 'wrong.yaml');
      const text = whole.replace(from, to);
      assert.notEqual(text, whole);
      writeFileSync(changed, text);
      assert.throws(
        () => loadT8Config(changed),
        (error) => error instanceof ConfigError && error.message.split('\n').some((line) => line.startsWith(`${changed}:`) && line.includes(`: ${said}`)),
      );
    });
  }
});

test('lists of revoked certificates: the SIM-S has it for everybody, the SEAL server looks at it', () => {
  assert.deepEqual(loadAsConfig(folder).seal?.https?.crl?.listen, { address: '127.0.0.1', port: 10_449 });
  assert.ok(loadRsConfig(folder).seal!.https!.crl!.length > 0);
  const text = readFileSync(join(folder, 'as.yaml'), 'utf8');
  const changed = join(folder, 'wrong-as.yaml');
  const wrong: readonly (readonly [from: RegExp, to: string, said: string])[] = [
    [/ {4}crl_listen: .*\n/, '', 'seal.https: expected both crl_file and crl_listen, got crl_file alone'],
    [/ {4}crl_file: .*\n/, '', 'seal.https: expected both crl_file and crl_listen, got crl_listen alone'],
    [
      /crl_listen: \S+/,
      'crl_listen: https://127.0.0.1:1',
      'seal.https.crl_listen: expected an address and a port, such as http://127.0.0.1:10449, got "https://127.0.0.1:1"',
    ],
    [/crl_file: \S+/, 'crl_file: tls/ca.pem', 'seal.https.crl_file: '],
  ];
  for (const [from, to, said] of wrong) {
    writeFileSync(changed, text.replace(from, to));
    assert.throws(
      () => loadAsConfig(changed),
      (error) => error instanceof ConfigError && error.message.includes(`: ${said}`),
      said,
    );
  }
});
