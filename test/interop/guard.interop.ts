import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { systemEnv } from '../../src/core/env.ts';
import { type IssuedCertificate, LabAuthority } from '../../src/pki/index.ts';
import { probeTls, type TlsCheck } from '../../src/transport/index.ts';
import { GuardLab, makeTrust, val } from '../profiles/seal/https/guard/guard-lab.ts';
import { freePort } from '../support/ports.ts';
import { Background, runCommand, scratch } from './processes.ts';

const trust = await makeTrust();
const { authority } = trust;

/** Certificate and key as the files that the commands of OpenSSL and curl take. */
function filesOf(folder: string, name: string, { cert, key }: IssuedCertificate): { readonly cert: string; readonly key: string } {
  const files = { cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
  writeFileSync(files.cert, cert);
  writeFileSync(files.key, key);
  return files;
}

/** All that s_client says of one request. */
async function request(port: number, args: readonly string[], authorization?: string): Promise<string> {
  const child = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, '-quiet', '-no_ign_eof', ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  const said: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => said.push(part));
  child.stdin.on('error', () => undefined);
  child.stdin.write(`GET / HTTP/1.1\r\nhost: seal\r\nconnection: close\r\n${authorization === undefined ? '' : `authorization: ${authorization}\r\n`}\r\n`);
  const timer = setTimeout(() => child.kill(), 5000);
  await once(child, 'close');
  clearTimeout(timer);
  return Buffer.concat(said).toString();
}

test('s_client, with and without certificates, sees what the guard promises', async (t) => {
  const folder = scratch(t);
  const stranger = await LabAuthority.make('stranger', systemEnv);
  const certificates: Readonly<Record<string, IssuedCertificate>> = {
    good: trust.client,
    stranger: await stranger.issue(val),
    expired: await authority.issue({ ...val, notAfter: systemEnv.epoch() - 60 }),
    server: await authority.issue({ ...val, usage: ['server'] }),
    other: await authority.issue({ ...val, names: [{ type: 'dns', value: 'val-b.example' }] }),
  };
  const shown = Object.fromEntries(
    Object.entries(certificates).map(([name, issued]) => {
      const { cert, key } = filesOf(folder, name, issued);
      return [name, ['-cert', cert, '-key', key]];
    }),
  );
  await GuardLab.within(trust, {}, async (lab) => {
    const bearer = `Bearer ${await lab.token()}`;
    assert.match(await request(lab.port, shown['good']!, bearer), /HTTP\/1\.1 200[\s\S]*val-a\.example/);
    assert.match(await request(lab.port, shown['good']!), /HTTP\/1\.1 401[\s\S]*www-authenticate: Bearer realm="seal"/i);
    assert.match(await request(lab.port, shown['other']!, bearer), /HTTP\/1\.1 403/);
    assert.match(await request(lab.port, shown['good']!, `Bearer ${await lab.token({ exp: 1 })}`), /HTTP\/1\.1 401[\s\S]*invalid_token/);
    const reasons: readonly (readonly [readonly string[], string])[] = [
      [[], 'no-certificate'],
      [['-tls1_2'], 'no-certificate'],
      [shown['stranger']!, 'certificate-authority'],
      [shown['expired']!, 'certificate-time'],
      [shown['server']!, 'certificate-purpose'],
      [[...shown['good']!, '-tls1_1', '-cipher', 'DEFAULT@SECLEVEL=0'], 'version'],
      [[...shown['good']!, '-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-SHA'], 'cipher-suite'],
      [[...shown['good']!, '-tls1_2', '-cipher', 'AES128-GCM-SHA256'], 'cipher-suite'],
      [[...shown['good']!, '-tls1_2', '-sigalgs', 'ECDSA+SHA1', '-cipher', 'DEFAULT@SECLEVEL=0'], 'signature-algorithm'],
    ];
    for (const [args, reason] of reasons) {
      const before = lab.events.length;
      assert.doesNotMatch(await request(lab.port, args, bearer), /HTTP\/1\.1 /, args.join(' '));
      assert.deepEqual(
        lab.events.slice(before).map((event) => event.reason),
        [reason],
        args.join(' '),
      );
    }
    assert.equal(lab.passed.length, 1);
    // RFC 8446 §6.2 and RFC 5246 §7.2.2: what OpenSSL refuses by itself has an alert; certificates that do not hold are refused by Node, which has none to send.
    assert.match(await request(lab.port, ['-tls1_3']), /alert certificate required/);
    assert.match(await request(lab.port, ['-tls1_2']), /alert handshake failure/);
    for (const name of ['stranger', 'expired', 'server']) assert.doesNotMatch(await request(lab.port, shown[name]!), /alert|HTTP\/1\.1/, name);
  });
});

test('curl gets through with certificate and token', async (t) => {
  const folder = scratch(t);
  const { cert, key } = filesOf(folder, 'good', trust.client);
  writeFileSync(join(folder, 'ca.pem'), authority.cert);
  await GuardLab.within(trust, {}, async (lab) => {
    const uri = `https://127.0.0.1:${lab.port}/`;
    const common = ['-sS', '-w', ' %{http_code}', '--cacert', join(folder, 'ca.pem'), '--cert', cert, '--key', key];
    const good = await runCommand('curl', [...common, '--oauth2-bearer', await lab.token(), uri]);
    assert.equal(good.stdout.toString(), 'val-a.example 200', good.stderr);
    const form = await runCommand('curl', [...common, '-d', `access_token=${await lab.token()}`, uri]);
    assert.match(form.stdout.toString(), / 400$/);
  });
});

/** Names of the checks that fail. */
const failed = (checks: readonly TlsCheck[]): readonly string[] => checks.filter(({ outcome }) => outcome === 'fail').map(({ name }) => name);

async function probed(t: TestContext, ...args: string[]): Promise<readonly TlsCheck[]> {
  const folder = scratch(t);
  const rsa = { key: join(folder, 'rsa.key'), cert: join(folder, 'rsa.pem') };
  const subject = ['-subj', '/CN=server', '-addext', 'subjectAltName=IP:127.0.0.1'];
  await runCommand('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', rsa.key, '-out', rsa.cert, '-days', '2', ...subject]);
  const port = await freePort();
  const server = new Background(t, 'openssl', ['s_server', '-accept', `127.0.0.1:${port}`, '-cert', rsa.cert, '-key', rsa.key, ...args]);
  while (!(await server.line()).includes('ACCEPT'));
  return probeTls('127.0.0.1', port);
}

const untrusted = ['TLSv1.3', 'TLSv1.2'].map((version) => `${version.replace('v', ' ')}: a handshake, and a certificate that is trusted for this host`);

test('the probe finds nothing but the certificate in an s_server that is set up well', async (t) => {
  const suites = ['-cipher', 'ECDHE+AESGCM', '-ciphersuites', 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384', '-min_protocol', 'TLSv1.2'];
  assert.deepEqual(failed(await probed(t, ...suites)), untrusted);
});

test('the probe names what an s_server is too lenient in', async (t) => {
  const checks = await probed(t, '-cipher', 'ALL:COMPLEMENTOFALL:@SECLEVEL=0', '-min_protocol', 'TLSv1', '-client_renegotiation', '-psk', '00112233');
  assert.deepEqual(failed(checks), [
    'no TLS 1.0',
    'no TLS 1.1',
    'no CBC suites',
    'no RSA key exchange',
    'no NULL encryption',
    'no anonymous suites',
    'no pre-shared keys without forward secrecy',
    'no signatures with SHA-1',
    ...untrusted,
    'no renegotiation',
  ]);
});
