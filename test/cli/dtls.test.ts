import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { clientCredentials, serverCredentials } from '../../src/cli/credentials.ts';
import { fromHex, toHex, utf8 } from '../../src/core/bytes.ts';
import type { SessionCredentials } from '../../src/dtls/index.ts';
import { ace, aceExits, Server } from './lab.ts';

const folder = mkdtempSync(join(tmpdir(), 'ace-coap-dtls-'));
const file = (name: string, content: string | Uint8Array): string => {
  writeFileSync(join(folder, name), content, { mode: 0o600 });
  return join(folder, name);
};

/** A key pair in two files. */
function keys(name: string, curve: 'P-256' | 'ed25519'): { readonly own: string; readonly shown: string } {
  const { publicKey, privateKey } = curve === 'P-256' ? generateKeyPairSync('ec', { namedCurve: curve }) : generateKeyPairSync(curve);
  return {
    own: file(`${name}.pem`, privateKey.export({ type: 'pkcs8', format: 'pem' })),
    shown: file(`${name}.pub`, publicKey.export({ type: 'spki', format: 'pem' })),
  };
}

const server = keys('server', 'P-256');
const client = keys('client', 'ed25519');
const psk = ['--psk-identity', 'hex:00ff0a80', '--psk', 'sesame'] as const;

after(() => rmSync(folder, { recursive: true, force: true }));

describe('ace-coap serve and get over coaps', () => {
  let serving: Server;
  const at = (path: string): string => `${serving.urls[1]}${path}`;

  before(async () => {
    const listen = ['--listen', 'coap://127.0.0.1:0', '--listen', 'coaps://127.0.0.1:0'];
    serving = new Server('serve', ...listen, '--value', '/led=off', ...psk, '--rpk', server.own, '--peer-key', client.shown);
    await serving.start();
  });
  after(() => serving.stop());

  test('a pre-shared key from the command line, and from a file and the environment', async () => {
    assert.match((await aceExits(0, ['put', at('/led'), '-d', 'on', ...psk])).stderr, /^2\.04 Changed .*protected by DTLS$/m);
    const env = { ACE_COAP_PSK_IDENTITY: `@${file('identity', fromHex('00ff0a80'))}`, ACE_COAP_PSK: `@${file('key', 'text:sesame\n')}` };
    assert.equal((await aceExits(0, ['get', at('/led')], { env })).stdout.trim(), 'on');
    assert.equal((await aceExits(0, ['get', `${serving.urls[0]}/led`])).stdout.trim(), 'on', 'plain CoAP beside it');
  });

  test('SSLKEYLOGFILE: the keys of a session go to a file of its owner, with a warning; without it, and over plain CoAP, there is none', async () => {
    const keys = join(folder, 'keys.log');
    const env = { SSLKEYLOGFILE: keys };
    assert.doesNotMatch((await aceExits(0, ['get', `${serving.urls[0]}/led`], { env })).stderr, /SSLKEYLOGFILE/);
    assert.ok(!existsSync(keys));
    for (let run = 1; run <= 2; run++) {
      const { stderr } = await aceExits(0, ['get', at('/led'), ...psk], { env });
      assert.match(stderr, /^SSLKEYLOGFILE: .*keys\.log; who has the file can read all of it$/m);
      assert.match(readFileSync(keys, 'utf8'), new RegExp(`^(?:CLIENT_RANDOM [0-9a-f]{64} [0-9a-f]{96}\n){${run}}$`));
    }
    assert.equal(statSync(keys).mode & 0o777, 0o600);
    const refused = await aceExits(2, ['get', at('/led'), ...psk], { env: { SSLKEYLOGFILE: join(folder, 'no', 'keys.log') } });
    assert.match(refused.stderr, /SSLKEYLOGFILE: .* cannot be written \(ENOENT\)/);
  });

  test('raw public keys of both, observed and in the log', async () => {
    const rpk = ['--rpk', client.own, '--peer-key', server.shown];
    const { stdout, stderr } = await aceExits(0, ['observe', at('/led'), '--count', '1', '-v', ...rpk]);
    assert.equal(stdout.trim(), 'on');
    assert.match(stderr, /GET {2}id \d+ {2}token/, 'messages are shown in the clear');
    const asked = serving.log().filter(({ msg }) => msg === 'request');
    assert.match(String(asked.at(-1)!['dtls']), /^spki:/);
    assert.equal(asked[0]!['dtls'], 'hex:00ff0a80');
  });

  test('a wrong key is a no, of a pre-shared key and of a raw public key', async () => {
    const run = await aceExits(1, ['get', at('/led'), '--psk-identity', 'hex:00ff0a80', '--psk', 'wrong']);
    assert.match(run.stderr, /decrypt_error/);
    assert.match((await ace(['get', at('/led'), '--rpk', client.own, '--peer-key', client.shown])).stderr, /handshake_failure/);
  });
});

describe('credentials of the command line', () => {
  const pskOf = async (flags: { readonly pskIdentity: string; readonly psk: string }): Promise<string> => {
    const { psk } = (await (await clientCredentials(flags))!('h', 1)) as Extract<SessionCredentials, { readonly psk: object }>;
    return `${toHex(psk.identity)} ${toHex(psk.key)}`;
  };

  test('text, hex:, text:, and files of each', async () => {
    const [a, b] = [toHex(utf8('id')), toHex(utf8('key'))];
    assert.equal(await pskOf({ pskIdentity: 'id', psk: 'key' }), `${a} ${b}`);
    assert.equal(await pskOf({ pskIdentity: 'text:id', psk: 'hex:00 FF' }), `${a} 00ff`);
    assert.equal(await pskOf({ pskIdentity: 'text:hex:', psk: `@${file('hex', 'hex:00ff10\n')}` }), `${toHex(utf8('hex:'))} 00ff10`);
    assert.equal(await pskOf({ pskIdentity: 'id', psk: `@${file('raw', 'as it is\n')}` }), `${a} ${toHex(utf8('as it is\n'))}`);
    assert.equal(await pskOf({ pskIdentity: 'id', psk: `@${file('binary', fromHex('ff0010'))}` }), `${a} ff0010`);
  });

  const rejects = (flags: Parameters<typeof clientCredentials>[0], message: RegExp): Promise<void> =>
    assert.rejects(clientCredentials(flags), { code: 'ERR_CLI_USAGE', message });

  test('what is none is wrong use, and no secret is in the message', async () => {
    await rejects({ psk: 'sesame' }, /^--psk-identity and --psk \(or ACE_COAP_PSK_IDENTITY and ACE_COAP_PSK\): expected both or neither, got one$/);
    await rejects({ pskIdentity: 'a', psk: 'hex:123' }, /^--psk: expected an even number of hexadecimal digits after hex:, got something else$/);
    await rejects({ pskIdentity: 'a', psk: '' }, /^--psk: expected a key of one byte at least, got none$/);
    await rejects({ pskIdentity: 'a', psk: '@no-such-file' }, /no-such-file: cannot be read/);
    await rejects({ rpk: client.own }, /--rpk: expected --peer-key/);
    await rejects({ peerKey: file('none.pem', 'nothing') }, /--peer-key: expected a key on P-256, P-384, Ed25519 in PEM, got what is none/);
    const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ type: 'spki', format: 'pem' });
    await rejects({ peerKey: file('rsa.pem', rsa as string) }, /--peer-key: expected a key on P-256, .*, got another/);
    const twice = { pskIdentity: ['a', 'b'], psk: ['c'] };
    await assert.rejects(serverCredentials(twice), { code: 'ERR_CLI_USAGE', message: /expected as many of each, got 2 and 1/ });
    await assert.rejects(serverCredentials({ peerKey: [client.shown] }), { code: 'ERR_CLI_USAGE', message: /expected --rpk with it/ });
    assert.equal(await serverCredentials({}), undefined);
    assert.equal(await clientCredentials({}), undefined);
  });
});
