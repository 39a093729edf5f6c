import assert from 'node:assert/strict';
import { test } from 'node:test';
import { certificatesOfPem } from '../../src/core/pem.ts';
import type { AlertName } from '../../src/dtls/alert.ts';
import { HandshakeFailure } from '../../src/dtls/alert.ts';
import { type Certificate, decodeCertificate } from '../../src/dtls/certificate.ts';
import { type PathRules, verifyPath } from '../../src/dtls/certification-path.ts';
import { SeededRandom } from '../support/random.ts';
import { oneIn } from '../support/scale.ts';
import { certificate, pem } from './certificates.ts';

const now: PathRules = { of: 'server', epoch: 1_700_000_000, host: 'server.example' };
const rootsOf = (...names: readonly string[]) => names.map((name) => decodeCertificate(certificate(name)));
const root = rootsOf('root');

function verify(names: readonly string[], rules: Partial<PathRules> = {}, roots = root): readonly Uint8Array[] {
  return verifyPath(names.map(certificate), roots, { ...now, ...rules })[2];
}

function refuses(alert: AlertName, message: RegExp, run: () => unknown): void {
  assert.throws(run, (error) => {
    assert.ok(error instanceof HandshakeFailure, String(error));
    assert.equal(error.alert, alert, error.message);
    assert.match(error.message, message);
    return true;
  });
}

test('RFC 5280 6.1: a path of one, of two, and with the root in it', () => {
  const path = (...names: readonly string[]) => names.map(certificate);
  assert.deepEqual(verify(['server']), path('server', 'root'));
  assert.deepEqual(verify(['server', 'root']), path('server', 'root'));
  assert.deepEqual(verify(['deep-server', 'intermediate']), path('deep-server', 'intermediate', 'root'));
  assert.deepEqual(verify(['deep-server', 'intermediate', 'root']), path('deep-server', 'intermediate', 'root'));
  assert.deepEqual(
    verify(['deep-server'], {}, rootsOf('intermediate')),
    path('deep-server', 'intermediate'),
    'an authority that is trusted need not be a root',
  );
  assert.deepEqual(verify(['by-last-authority', 'last-authority']), path('by-last-authority', 'last-authority', 'root'));
});

test('certificates on P-256, P-384 and Ed25519, with keys and signatures of theirs', () => {
  verify(['p384-server']);
  verify(['ed-server'], {}, rootsOf('root', 'ed-root'));
  verify(['client'], { of: 'client', host: 'client.example' });
});

test('a certificate that is trusted itself needs no authority, but is checked as any other', () => {
  assert.deepEqual(verify(['pinned'], {}, rootsOf('pinned')), [certificate('pinned')]);
  refuses('certificate_expired', /valid now/, () => verify(['expired'], {}, rootsOf('expired')));
  refuses('bad_certificate', /for elsewhere\.example/, () => verify(['pinned'], { host: 'elsewhere.example' }, rootsOf('pinned')));
  refuses('bad_certificate', /may sign certificates/, () => verify(['by-no-authority'], {}, rootsOf('no-authority')));
});

test('RFC 5280 4.2.1.3, 4.2.1.12: a certificate without limits is for any use, and so is one for any purpose', () => {
  for (const of of ['client', 'server'] as const) for (const name of ['bare', 'any-purpose']) verify([name], { of });
});

test('RFC 5280 4.1.2.5: validity, to the second', () => {
  const [from, to] = [Date.UTC(2020, 0, 1) / 1000, Date.UTC(2120, 0, 1) / 1000];
  for (const epoch of [from, to]) verify(['server'], { epoch });
  for (const epoch of [from - 1, to + 1]) refuses('certificate_expired', /valid now/, () => verify(['server'], { epoch }));
  refuses('certificate_expired', /valid now/, () => verify(['early']));
  refuses('certificate_expired', /valid now/, () => verify(['expired']));
  refuses('certificate_expired', /valid now/, () => verify(['by-expired-authority', 'expired-authority']));
});

test('RFC 5280 4.1.2.5: of two certificates of an authority with one key it is the one that is valid now by which a path ends', () => {
  const [authority] = root as [Certificate];
  const ended = { ...authority, notAfter: now.epoch - 1 };
  verify(['server'], {}, [ended, authority]);
  refuses('certificate_expired', /valid now/, () => verify(['server'], {}, [ended, ended]));
});

test('RFC 9525 6: names and addresses of subjectAltName, without wildcards; the common name does not count', () => {
  for (const host of ['server.example', 'SERVER.example', '127.0.0.1', '2001:db8::1', '2001:db8:0:0:0:0:0:1']) verify(['server'], { host });
  for (const host of ['other.example', 'example', 'a.server.example', '.example', '127.0.0.2', '::1', '127.1', 'server.example.', '1.2.3.4.5'])
    refuses('bad_certificate', /for other names/, () => verify(['server'], { host }));
  for (const name of ['name-only', 'wildcard', 'other-name']) refuses('bad_certificate', /for other names/, () => verify([name]));
});

const refused: readonly (readonly [what: string, chain: readonly string[], alert: AlertName, message: RegExp, rules?: Partial<PathRules>])[] = [
  ['no path to a root', ['untrusted', 'other-root'], 'unknown_ca', /trusted/],
  ['a root of the same name with another key', ['untrusted'], 'unknown_ca', /trusted/],
  ['signed by itself', ['pinned'], 'unknown_ca', /trusted/],
  ['an intermediate that is left out', ['deep-server'], 'unknown_ca', /trusted/],
  ['a chain out of order', ['deep-server', 'client', 'intermediate'], 'bad_certificate', /signed by the next one/],
  ['an issuer without cA', ['by-no-authority', 'no-authority'], 'bad_certificate', /may sign certificates/],
  ['an issuer without basicConstraints', ['by-no-constraints', 'no-constraints'], 'bad_certificate', /may sign certificates/],
  ['an issuer without keyCertSign', ['by-no-cert-sign', 'no-cert-sign'], 'bad_certificate', /signed by the next one/],
  ['more below an issuer than its path length', ['too-deep', 'below-last', 'last-authority'], 'bad_certificate', /at most 0 certificates/],
  ['an issuer with name constraints', ['by-name-limits', 'name-limits'], 'unsupported_certificate', /critical extension/],
  ['an issuer for another purpose', ['by-client-authority', 'client-authority'], 'unsupported_certificate', /purpose of a server/],
  ['a critical extension that is not known', ['unknown-critical'], 'unsupported_certificate', /critical extension/],
  ['a client certificate of a server', ['client'], 'unsupported_certificate', /purpose of a server/, { host: 'client.example' }],
  ['a server certificate of a client', ['server'], 'unsupported_certificate', /purpose of a client/, { of: 'client' }],
  ['a key without digitalSignature', ['no-signature'], 'unsupported_certificate', /may sign handshakes/],
  ['a key on P-521', ['p521'], 'unsupported_certificate', /P-256/],
  ['a signature with SHA-512', ['sha512'], 'unsupported_certificate', /ECDSA with SHA-256/],
  ['a signature with SHA-1', ['sha1'], 'unsupported_certificate', /ECDSA with SHA-256/],
  ['a signature of RSA', ['by-rsa', 'rsa-root'], 'unsupported_certificate', /ECDSA with SHA-256/],
  ['eleven certificates', Array<string>(11).fill('server'), 'bad_certificate', /at most 10/],
];
for (const [what, chain, alert, message, rules] of refused) {
  test(`RFC 5280 6.1, RFC 5246 7.2.2: ${what}: ${alert}`, () => refuses(alert, message, () => verify(chain, rules)));
}

test('a certificate cut short, prolonged, or with one bit turned over, is refused', () => {
  const der = certificate('server');
  const check = (changed: Uint8Array): void => {
    assert.throws(() => verifyPath([changed], root, now), HandshakeFailure);
  };
  check(Uint8Array.from([...der, 0]));
  check(new Uint8Array(0));
  check(new TextEncoder().encode(pem('CERTIFICATE', der)));
  const thin = oneIn(16, 'changed certificates');
  for (let length = 0; length < der.length; length += thin) check(der.subarray(0, length));
  const random = new SeededRandom(5280);
  for (let bit = random.below(thin); bit < 8 * der.length; bit += thin) {
    const changed = der.slice();
    changed[bit >> 3]! ^= 1 << (bit & 7);
    check(changed);
  }
});

test('RFC 7468 5: certificates of PEM, with text between them', () => {
  const text = `a comment\n${pem('CERTIFICATE', certificate('server'))}another\r\n${pem('CERTIFICATE', certificate('root')).replaceAll('\n', '\r\n')}`;
  assert.deepEqual(certificatesOfPem(text), [certificate('server'), certificate('root')]);
  assert.deepEqual(certificatesOfPem(pem('PRIVATE KEY', certificate('server'))), []);
});
