import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { systemEnv } from '../../src/core/env.ts';
import { LabAuthority } from '../../src/pki/index.ts';
import { type HttpsServer, serveHttps } from '../../src/transport/index.ts';
import { runHere } from './run-here.ts';

let folder = '';
let server: HttpsServer;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ace-coap-https-'));
  const authority = await LabAuthority.make('lab', systemEnv);
  const own = await authority.issue({ commonName: 'seal', names: [{ type: 'ip', value: '127.0.0.1' }], usage: ['server'] });
  const val = await authority.issue({ commonName: 'val', names: [{ type: 'dns', value: 'val.example' }], usage: ['client'], crl: 'http://pki.example/crl' });
  const files = { 'ca.pem': authority.cert, 'seal.pem': own.cert, 'val.pem': val.cert + authority.cert, 'val.key': val.key };
  for (const [name, text] of Object.entries({ ...files, 'none.pem': val.key, 'broken.pem': val.cert.replace(/\n.{8}/, '\nAAAAAAAA') }))
    writeFileSync(join(folder, name), text);
  server = await serveHttps({ ...own, clientCa: authority.cert }, (_request, response) => response.end());
});
after(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

const file = (name: string): string => join(folder, name);

test('ace-coap seal certificate lint: a good one and its authority, one at fault, and what is none', async () => {
  const good = await runHere(['seal', 'certificate', 'lint', file('val.pem')]);
  assert.deepEqual([good.code, good.stdout], [0, 'certificate 1, as client: no fault\ncertificate 2, as ca: no fault\n']);
  const bad = await runHere(['seal', 'certificate', 'lint', file('seal.pem')]);
  assert.equal(bad.code, 1);
  assert.match(
    bad.stdout,
    /^certificate 1, as server: 2 faults\n {2}fault {3}subjectAltName: expected a dNSName or a URI, got other names, or none \(TS 33\.310, 6\.1\.3a\)\n/,
  );
  const json = await runHere(['seal', 'certificate', 'lint', file('val.pem'), '--as', 'server', '--json']);
  const expected = { field: 'extKeyUsage', clause: 'TS 33.310, 6.1.3a', severity: 'fault', expected: 'id-kp-serverAuth', got: 'other purposes' };
  assert.deepEqual(
    [json.code, JSON.parse(json.stdout)],
    [
      1,
      {
        certificates: [
          { as: 'server', findings: [expected] },
          { as: 'ca', findings: [] },
        ],
      },
    ],
  );
  const broken = await runHere(['seal', 'certificate', 'lint', file('broken.pem')]);
  assert.equal(broken.code, 1);
  assert.match(broken.stdout, /certificate: expected a certificate of X\.509 in DER/);
  for (const name of ['none.pem', 'absent.pem']) assert.equal((await runHere(['seal', 'certificate', 'lint', file(name)])).code, 2, name);
});

test('ace-coap seal tls-check: a listener, for people and programs; nobody there; and words that are wrong', async () => {
  const uri = `https://127.0.0.1:${server.port}`;
  const trust = ['--ca', file('ca.pem'), '--cert', file('val.pem'), '--key', file('val.key')];
  const people = await runHere(['seal', 'tls-check', uri, ...trust]);
  assert.equal(people.code, 0, people.stdout);
  assert.match(people.stdout, /^pass {6} {1}TLS 1\.3 with TLS_AES_128_GCM_SHA256 on secp256r1 \(RFC 8446, 9\.1\)\n/);
  assert.match(people.stdout, /\n22 of 22 pass, 0 fail\n$/);
  const program = await runHere(['seal', 'tls-check', uri, '--json']);
  assert.equal(program.code, 1, 'an authority that is not trusted');
  const { checks } = JSON.parse(program.stdout) as { readonly checks: readonly { readonly outcome: string; readonly detail?: string }[] };
  assert.deepEqual(
    checks.filter(({ outcome }) => outcome === 'fail').map(({ detail }) => detail),
    ['SELF_SIGNED_CERT_IN_CHAIN'],
  );
  assert.equal((await runHere(['seal', 'tls-check', 'https://127.0.0.1:1'])).code, 3);
  for (const words of [['http://127.0.0.1'], ['x'], [uri, '--cert', file('val.pem')]])
    assert.equal((await runHere(['seal', 'tls-check', ...words])).code, 2, words.join(' '));
});
