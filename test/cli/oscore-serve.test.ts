import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { storedContexts } from '../../profiles/oscore/index.ts';
import { Code, decodeMessage, Endpoint, findOption, type Layer, OptionNumber, Router } from '../../src/coap/index.ts';
import { fromHex, toHex, utf8 } from '../../src/core/bytes.ts';
import { systemEnv } from '../../src/core/env.ts';
import { loadOscoreContext, writeOscorePair } from '../../src/operate/index.ts';
import { ContextTable, decodeOscoreOption, deriveContext, oscore } from '../../src/oscore/index.ts';
import { memoryStore } from '../../src/store/index.ts';
import { udp } from '../../src/transport/index.ts';
import { auditWire } from '../flows/wire-audit.ts';
import { root } from '../support/fixtures.ts';
import { freePort } from '../support/ports.ts';
import { Relay, type RelayedDatagram } from '../support/relay.ts';
import { ace, aceExits, Server } from './lab.ts';

let folder: string;
let server: Server;
let base: string;
let port: number;

const pair = (name: string, clientId: string, algorithms: { readonly aead?: string; readonly hkdf?: string } = {}): string => {
  writeOscorePair(join(folder, name), { random: systemEnv.random, clientId: fromHex(clientId), ...algorithms });
  return join(folder, name);
};
/** Context files that each have a fault. */
function writeFaulty(): void {
  copyFileSync(join(folder, 'keys', 'client.json'), join(folder, 'open.json'));
  chmodSync(join(folder, 'open.json'), 0o604);
  const write = (name: string, content: object): void => writeFileSync(join(folder, name), JSON.stringify(content), { mode: 0o600 });
  writeFileSync(join(folder, 'context-file'), 'no store');
  write('nowhere.json', { master_secret: '00'.repeat(16), sender_id: '01', recipient_id: '02', store: 'context-file' });
  const { masterSecret, masterSalt, senderId } = loadOscoreContext(join(folder, 'keys', 'server.json')).parameters;
  write('again.json', { master_secret: toHex(masterSecret), master_salt: toHex(masterSalt!), sender_id: toHex(senderId), recipient_id: '77' });
}

const client = (name = 'keys'): readonly string[] => ['--oscore', join(folder, name, 'client.json')];
const cert = join(root, 'fixtures', 'tls', 'localhost.pem');

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ace-coap-oscore-'));
  pair('keys', '01');
  pair('other', '11', { aead: 'ChaCha20/Poly1305', hkdf: 'HKDF SHA-512' });
  pair('stranger', '21');
  writeFaulty();
  port = await freePort();
  base = `coap://127.0.0.1:${port}`;
  const listen = ['coap', 'coap+tcp', 'coaps+tcp', 'coap+ws', 'coaps+ws'].flatMap((scheme) => [
    '--listen',
    `${scheme}://127.0.0.1:${scheme === 'coap' ? port : 0}`,
  ]);
  const contexts = ['keys', 'other'].flatMap((name) => ['--oscore', join(folder, name, 'server.json')]);
  const resources = ['--value', '/led=off', '--value', '/note', '--sensor', '/temperature=20'];
  server = new Server('serve', ...listen, ...contexts, ...resources, '--cert', cert, '--key', cert.replace('.pem', '.key.pem'));
  await server.start();
});
after(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe('ace-coap --oscore between processes', { concurrency: 3 }, () => {
  test('get, put, observe and discover, protected; the wire shows neither path nor payload', async () => {
    const relay = await Relay.open('server', port);
    const uri = `coap://127.0.0.1:${relay.port}`;
    try {
      const { stdout, stderr } = await aceExits(0, ['put', `${uri}/note`, '-d', 'a secret note', ...client()]);
      assert.equal(stdout, '');
      assert.match(stderr, /^2\.04 Changed .*, protected by OSCORE$/m);
      assert.equal((await aceExits(0, ['get', `${uri}/note`, ...client()])).stdout, 'a secret note\n');
      assert.deepEqual(JSON.parse((await aceExits(0, ['get', `${uri}/note`, '--json', ...client('other')])).stdout).protected, true);
      const values = (await aceExits(0, ['observe', `${uri}/temperature`, '--count', '2', ...client()])).stdout.trimEnd().split('\n');
      assert.equal(values.length, 2);
      for (const value of values) assert.match(value, /^\d+\.\d$/);
      assert.match((await aceExits(0, ['discover', uri, ...client()])).stdout, /^\/note +yes/m);
      assert.ok(relay.wire.length >= 10);
      for (const { datagram } of relay.wire) {
        const { code, options, payload } = decodeMessage(datagram);
        if (code !== 0) assert.ok(findOption(options, OptionNumber.Oscore) !== undefined, toHex(datagram));
        assert.equal(findOption(options, OptionNumber.UriPath), undefined);
        assert.equal(toHex(payload).includes(toHex(utf8('secret'))), false);
      }
    } finally {
      relay.close();
    }
  });

  test('a large body goes both ways in blocks, under protection', async () => {
    const body = 'y'.repeat(5000);
    const { stderr } = await aceExits(0, ['put', `${base}/led`, '--payload-file', '-', '-v', ...client()], { input: body });
    assert.match(stderr, /inside, to be encrypted: PUT\n[\s\S]*Block1: 0\/more\/1024/);
    assert.equal((await aceExits(0, ['get', `${base}/led`, ...client('other')])).stdout, `${body}\n`);
  });

  for (const scheme of ['coap+tcp', 'coaps+tcp', 'coap+ws', 'coaps+ws']) {
    test(`get over ${scheme}`, async () => {
      const url = server.urls.find((one) => one.startsWith(`${scheme}:`))!.replace('127.0.0.1', 'localhost');
      const { stdout, stderr } = await aceExits(0, ['get', `${url}/temperature`, '--ca', cert, ...client()]);
      assert.match(stdout, /^\d+\.\d\n$/);
      assert.match(stderr, /protected by OSCORE/);
      await aceExits(1, ['get', `${url}/temperature`, '--ca', cert]);
    });
  }

  test('without protection: 4.01, also for discovery, and the log says so', async () => {
    for (const words of [
      ['get', `${base}/temperature`],
      ['put', `${base}/led`, '-d', 'on'],
      ['discover', base],
    ]) {
      const { stdout, stderr } = await aceExits(1, words);
      assert.equal(stdout, '');
      assert.match(stderr, /^4\.01 Unauthorized .*not protected\n.*"this server takes requests under OSCORE only"$/m);
    }
    assert.ok(server.log().some(({ msg, path }) => msg === 'request-refused' && path === '/led'));
  });

  test('RFC 8613 8.2: a context that the server has not, and one with the same kid and another key', async () => {
    const { stderr } = await aceExits(1, ['get', `${base}/temperature`, ...client('stranger')]);
    assert.match(stderr, /^4\.01 Unauthorized .*not protected\n.*"Security context not found"$/m);
    const impostor = join(folder, 'impostor.json');
    writeFileSync(impostor, JSON.stringify({ master_secret: 'ff'.repeat(16), sender_id: '01', recipient_id: '02', store: 'impostor' }), { mode: 0o600 });
    assert.match(
      (await aceExits(1, ['get', `${base}/temperature`, '--oscore', impostor])).stderr,
      /^4\.00 Bad Request .*not protected\n.*"Decryption failed"$/m,
    );
  });

  test('a server that knows no OSCORE refuses the option; a success that nothing protects is none', async (t) => {
    const router = new Router();
    router.resource('/temperature', { get: () => '21.5' });
    const plain = new Endpoint({ transport: await udp(), handler: router.handler });
    const liar = new Endpoint({
      transport: await udp(),
      layers: [
        {
          name: 'liar',
          understands: [OptionNumber.Oscore],
          outbound: (next) => next,
          inbound: () => (_, reply) => reply.respond({ code: Code.Content, options: [], payload: fromHex('31') }),
        },
      ],
    });
    t.after(() => Promise.all([plain.close(), liar.close()]));
    assert.match((await aceExits(1, ['get', `coap://127.0.0.1:${plain.local.port}/temperature`, ...client()])).stderr, /^4\.02 Bad Option .*not protected/m);
    const { stdout, stderr } = await aceExits(1, ['get', `coap://127.0.0.1:${liar.local.port}/temperature`, ...client()]);
    assert.equal(stdout, '');
    assert.match(stderr, /expected a protected response that verifies, got none \(unprotected\) \(ERR_OSCORE_RESPONSE\)/);
  });

  test('"Replay detected": what may be carried out twice is sent again with a new number, twice at most, and a POST is not', async (t) => {
    const contexts = new ContextTable();
    contexts.add(deriveContext(loadOscoreContext(join(pair('refused', '01'), 'server.json')).parameters, { window: 'fresh' }));
    const numbers: string[] = [];
    let refusals = 0;
    const refuse: Layer = {
      name: 'refuse',
      outbound: (next) => next,
      inbound: (next) => (request, reply) => {
        numbers.push(toHex(decodeOscoreOption(findOption(request.options, OptionNumber.Oscore)!.value).partialIv!));
        if (refusals-- > 0) reply.respond({ code: Code.Unauthorized, options: [], payload: utf8('Replay detected') });
        else next(request, reply);
      },
    };
    const router = new Router();
    router.resource('/note', { get: () => 'noted', post: () => 'posted', observable: true });
    const endpoint = new Endpoint({
      transport: await udp(),
      handler: router.handler,
      layers: [oscore({ contexts, store: storedContexts(memoryStore()), env: systemEnv }), refuse],
    });
    t.after(() => endpoint.close());
    const uri = `coap://127.0.0.1:${endpoint.local.port}/note`;
    const sent = async (code: number, refused: number, words: readonly string[]): Promise<number> => {
      refusals = refused;
      const before = numbers.length;
      const { stderr } = await aceExits(code, [words[0]!, uri, ...words.slice(1), ...client('refused')]);
      if (code === 1) assert.match(stderr, /^4\.01 Unauthorized .*not protected\n.*"Replay detected"$/m);
      return numbers.length - before;
    };
    assert.equal(await sent(0, 2, ['get']), 3);
    assert.ok((await sent(0, 1, ['observe', '--count', '1'])) >= 2, 'registered at the second attempt');
    assert.equal(await sent(1, 9, ['get']), 3);
    assert.equal(await sent(1, 1, ['post', '-d', 'x']), 1);
    assert.equal(new Set(numbers).size, numbers.length);
  });

  test('--allow-unprotected: both are answered; without --oscore everything is', async () => {
    const open = new Server('serve', '--listen', 'coap://127.0.0.1:0', '--oscore', join(folder, 'keys', 'server.json'), '--allow-unprotected');
    const plain = new Server('serve', '--listen', '127.0.0.1:0', '--value', '/hello=world');
    await Promise.all([open.start(), plain.start()]);
    try {
      assert.match((await aceExits(0, ['get', `${open.urls[0]}/led`])).stderr, /not protected/);
      assert.match((await aceExits(0, ['get', `${open.urls[0]}/led`, ...client()])).stderr, /protected by OSCORE/);
      assert.equal((await aceExits(0, ['get', `${plain.urls[0]}/hello`])).stdout, 'world\n');
    } finally {
      await Promise.all([open.stop(), plain.stop()]);
    }
  });

  test('exit code 3: nobody answers', async () => {
    const { stderr } = await aceExits(3, ['get', `coap://127.0.0.1:${await freePort()}/`, '--timeout', '0.5', ...client()]);
    assert.match(stderr, /expected a response within 500 ms, got none/);
  });

  for (const [what, words, said] of [
    ['--config and --oscore', ['get', 'coap://127.0.0.1/', '--config', 'lab', '--oscore', 'x.json'], /expected either --config or --oscore, got both/],
    ['a context that is not there', ['get', 'coap://127.0.0.1/', '--oscore', 'none.json'], /none\.json: expected an OSCORE context file, got nothing there/],
    [
      'a context that others may read',
      ['get', 'coap://127.0.0.1/', '--oscore', 'open.json'],
      /open\.json: expected a configuration with a key in it that its owner alone/,
    ],
    [
      'one context twice',
      ['serve', '--oscore', 'keys/server.json', '--oscore', 'keys/server.json'],
      /keys\/server\.json: recipient_id: expected a Recipient ID that is not in use, got 01/,
    ],
    ['one Sender Key twice', ['serve', '--oscore', 'keys/server.json', '--oscore', 'again.json'], /again\.json: sender_id: expected a Sender Key of its own/],
    ['a store that cannot be', ['get', 'coap://127.0.0.1/', '--oscore', 'nowhere.json'], /cannot open the store .*context-file/],
    ['a scheme that is none', ['serve', '--listen', 'http://127.0.0.1'], /expected a URI that starts with one of coap:\/\/, .*, got "http:/],
    ['a port alone', ['serve', '--listen', '5690'], /--listen: expected an address before the port, such as 127\.0\.0\.1:5690, got "5690"/],
    ['a path to listen at', ['serve', '--listen', 'coap://127.0.0.1/a'], /expected a URI of host and port to listen at/],
    ['TLS without certificate', ['serve', '--listen', 'coaps+tcp://127.0.0.1:0'], /expected cert and key for a server, got none/],
    ['half a certificate', ['serve', '--cert', cert], /--cert and --key: expected both or neither, got one/],
    ['a resource without path', ['serve', '--value', 'led=off'], /--value: expected \/path=text, got "led=off"/],
    ['a sensor that is no number', ['serve', '--sensor', '/a=warm'], /--sensor: expected a number after "=", got "\/a=warm"/],
    ['a resource twice', ['serve', '--value', '/a=1', '--value', '/a=2'], /\/a/],
  ] as const) {
    test(`exit code 2: ${what}`, async () => {
      const { stdout, stderr } = await aceExits(2, words, { cwd: folder, process: false });
      assert.equal(stdout, '');
      assert.match(stderr, said);
      assert.doesNotMatch(stderr, /\n\s+at /, 'no stack');
    });
  }
});

/** Without what a message layer sent a second time. */
function once(wire: readonly RelayedDatagram[]): readonly RelayedDatagram[] {
  return [...new Map(wire.map((one) => [`${one.from} ${one.to} ${toHex(one.datagram)}`, one])).values()];
}

test('RFC 8613 7.2: commands in parallel and in turn, over kill -9 of client and server, use no nonce twice', async (t) => {
  const keys = pair('shared', '01');
  const at = await freePort();
  const relay = await Relay.open('server', at);
  const shared = new Server('serve', '--listen', `coap://127.0.0.1:${at}`, '--oscore', join(keys, 'server.json'));
  const words = ['get', `coap://127.0.0.1:${relay.port}/temperature`, '--oscore', join(keys, 'client.json'), '--timeout', '20'];
  try {
    await shared.start();
    await Promise.all(Array.from({ length: 6 }, () => aceExits(0, words, { process: true })));
    await shared.kill();
    await shared.start();
    // A client that dies after its first answer has used numbers that nobody may use again.
    const dying = await ace(['observe', ...words.slice(1)], { onOutput: (_, child) => child.kill('SIGKILL') });
    assert.equal(dying.code, null);
    for (let i = 0; i < 3; i++) await aceExits(0, words, { process: true });
    const audit = auditWire(once(relay.wire), [deriveContext(loadOscoreContext(join(keys, 'client.json')).parameters)]);
    t.diagnostic(JSON.stringify(audit));
    assert.equal(audit.repeated, 0);
    assert.equal(audit.keys, 2);
    // Ten runs got a protected answer, and two starts of the server were followed by a challenge.
    assert.ok(audit.messages >= 2 * 10 + 2 * 2, `${audit.messages} messages`);
  } finally {
    await shared.stop();
    relay.close();
  }
});
