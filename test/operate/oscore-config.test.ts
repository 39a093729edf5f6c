import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fromHex, toHex } from '../../src/core/bytes.ts';
import { ConfigError, loadOscoreContext, writeOscorePair } from '../../src/operate/index.ts';

const base = mkdtempSync(join(tmpdir(), 'ace-coap-context-'));
after(() => rmSync(base, { recursive: true, force: true }));

const secret = '0102030405060708090a0b0c0d0e0f10';
const minimal = { master_secret: secret, sender_id: '', recipient_id: '01' };

let files = 0;

/** A context file of these bytes or this content. */
function file(content: string | object, mode = 0o600): string {
  const path = join(base, `context${++files}.json`);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content, undefined, '\t'), { mode });
  chmodSync(path, mode);
  return path;
}

function refusal(content: string | object, mode?: number): ConfigError {
  const path = file(content, mode);
  try {
    loadOscoreContext(path);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    assert.ok(error.message.startsWith(path), 'the file is named');
    for (const text of [secret, secret.slice(2, 18)]) assert.equal(error.message.includes(text), false, 'the secret is not shown');
    return error;
  }
  return assert.fail('it was loaded');
}

describe('an OSCORE context file', () => {
  it('needs a secret and two identifiers; the store lies beside it', () => {
    assert.deepEqual(loadOscoreContext(file(minimal)), {
      file: join(base, `context${files}.json`),
      parameters: { masterSecret: fromHex(secret), senderId: fromHex(''), recipientId: fromHex('01') },
      store: join(base, 'state', 'oscore'),
    });
  });

  it('takes everything that a context has, algorithms by name', () => {
    const { parameters, store } = loadOscoreContext(
      file({
        ...minimal,
        master_salt: '9e7ca92223786340',
        id_context: '37cbf3210017a2d3',
        aead: 'ChaCha20/Poly1305',
        hkdf: 'HKDF SHA-512',
        replay_window: 1024,
        store: '/var/lib/ace-coap/oscore',
      }),
    );
    assert.deepEqual(parameters, {
      masterSecret: fromHex(secret),
      masterSalt: fromHex('9e7ca92223786340'),
      senderId: fromHex(''),
      recipientId: fromHex('01'),
      idContext: fromHex('37cbf3210017a2d3'),
      aead: 24,
      hkdf: 7,
      replayWindow: 1024,
    });
    assert.equal(store, '/var/lib/ace-coap/oscore');
  });

  it('takes the secret from a key file', () => {
    const key = join(base, 'master.key');
    writeFileSync(key, `${secret}\n`, { mode: 0o600 });
    const { master_secret: _, ...without } = minimal;
    assert.equal(toHex(loadOscoreContext(file({ ...without, master_secret_file: 'master.key' })).parameters.masterSecret), secret);
    chmodSync(key, 0o640);
    assert.match(
      refusal({ ...without, master_secret_file: 'master.key' }).message,
      /master\.key: expected a key file that its owner alone may use, got mode 0640/,
    );
  });

  it('is of its owner alone, when the secret stands in it', () => {
    assert.match(
      refusal(minimal, 0o644).message,
      /master_secret: .*expected a configuration with a key in it that its owner alone may use, got mode 0644; run: chmod 600/,
    );
  });

  it('may be named by its folder', () => {
    writeFileSync(join(base, 'context.json'), JSON.stringify(minimal), { mode: 0o600 });
    assert.equal(loadOscoreContext(base).file, join(base, 'context.json'));
  });

  for (const [what, change, said] of [
    ['no sender ID', { sender_id: undefined }, /sender_id: expected hexadecimal text in quotes, such as "01", got nothing/],
    ['an identifier that is a number', { sender_id: 1 }, /sender_id: expected hexadecimal text in quotes, such as "01", got the number 1/],
    [
      'a secret that is too short',
      { master_secret: '0102030405060708' },
      /master_secret: expected hexadecimal text in quotes, of 16 bytes or more, got text of 16 characters/,
    ],
    ['a secret that is no hex', { master_secret: `${secret.slice(2)}xx` }, /master_secret: expected hexadecimal text .*, got text of 32 characters/],
    ['no secret', { master_secret: undefined }, /expected either master_secret_file or master_secret, got neither/],
    ['two secrets', { master_secret_file: 'x.key' }, /expected either master_secret_file or master_secret, got both/],
    ['an identifier that is too long', { recipient_id: '0102030405060708' }, /recipient_id: expected at most 7 bytes with this AEAD algorithm, got 8/],
    [
      'an identifier that is too long for this AEAD',
      { recipient_id: '01020304', aead: 'AES-CCM-64-64-128' },
      /recipient_id: expected at most 1 bytes with this AEAD/,
    ],
    ['equal identifiers', { recipient_id: '' }, /recipient_id: expected another identifier than sender_id, got the same/],
    ['an unknown AEAD', { aead: 'AES-128-CCM-8' }, /aead: expected one of A128GCM, .*, got "AES-128-CCM-8"/],
    ['an unknown HKDF', { hkdf: 'sha256' }, /hkdf: expected one of HKDF SHA-256, HKDF SHA-512, got "sha256"/],
    ['a window that cannot be', { replay_window: 1025 }, /replay_window: expected a whole number of sequence numbers from 1 to 1024, got the number 1025/],
    ['a name with a slip', { mastersecret: secret }, /mastersecret: unknown key; did you mean "master_secret"\?/],
    ['the name that aiocoap has for the secret', { secret_hex: secret }, /secret_hex: unknown key; it is called "master_secret" here/],
    ['the name that aiocoap has for an identifier', { 'sender-id_hex': '01' }, /sender-id_hex: unknown key; it is called "sender_id" here/],
    ['the name that libcoap has for the AEAD', { aead_alg: 'AES-CCM-16-64-128' }, /aead_alg: unknown key; it is called "aead" here/],
  ] as const) {
    it(`refuses ${what}`, () => {
      const error = refusal({ ...minimal, ...change });
      assert.equal(error.code, 'ERR_CONFIG_VALUE');
      assert.match(error.message, said);
    });
  }

  it('tells of several faults at once, each with its line', () => {
    const { problems } = refusal({ ...minimal, aead: 'x', hkdf: 'y' });
    assert.deepEqual(
      problems.map(({ path, line }) => [path, line]),
      [
        ['aead', 5],
        ['hkdf', 6],
      ],
    );
  });

  for (const [what, text, said] of [
    ['no JSON at all', `{ "master_secret": "${secret}", `, /expected JSON/],
    ['a name twice', `{ "master_secret": "${secret}", "sender_id": "", "sender_id": "02", "recipient_id": "01" }`, /expected JSON: Map keys must be unique/],
    ['YAML', `master_secret: "${secret}"\nsender_id: ""\nrecipient_id: "01"\n`, /expected JSON, got text that is none/],
    ['a comment', `# secret\n${JSON.stringify(minimal)}`, /expected JSON, got text that is none/],
    ['nothing', '', /expected JSON/],
  ] as const) {
    it(`refuses ${what}`, () => {
      const error = refusal(text);
      assert.equal(error.code, 'ERR_CONFIG_JSON');
      assert.match(error.message, said);
    });
  }

  it('refuses another value than a map', () => {
    assert.match(refusal('["01"]').message, /expected an OSCORE security context, got a list of 1/);
  });

  it('that is not there: says what makes one', () => {
    assert.throws(
      () => loadOscoreContext(join(base, 'none.json')),
      /none\.json: expected an OSCORE context file, got nothing there; "ace-coap oscore init" makes one/,
    );
  });
});

describe('a fresh pair of OSCORE contexts', () => {
  const random = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i + 1);

  it('has two ends that fit together, for their owner alone', () => {
    const folder = join(base, 'pair');
    const paths = writeOscorePair(folder, { random, clientId: fromHex('0a'), idContext: fromHex('c0ffee'), aead: 'A256GCM', hkdf: 'HKDF SHA-512' });
    assert.deepEqual(paths, [join(folder, 'client.json'), join(folder, 'server.json')]);
    assert.equal(statSync(folder).mode & 0o777, 0o700);
    for (const path of paths) assert.equal(statSync(path).mode & 0o777, 0o600);
    const [client, server] = paths.map((path) => loadOscoreContext(path).parameters) as [object, object];
    const shared = { masterSecret: random(16), masterSalt: random(8), idContext: fromHex('c0ffee'), aead: 3, hkdf: 7 };
    assert.deepEqual(client, { ...shared, senderId: fromHex('0a'), recipientId: fromHex('02') });
    assert.deepEqual(server, { ...shared, senderId: fromHex('02'), recipientId: fromHex('0a') });
  });

  it('is never written over another', () => {
    const folder = join(base, 'twice');
    const [client, server] = writeOscorePair(folder, { random }) as [string, string];
    rmSync(client);
    const before = readFileSync(server, 'utf8');
    assert.throws(
      () => writeOscorePair(folder, { random }),
      (error) => error instanceof ConfigError && error.code === 'ERR_CONFIG_EXISTS',
    );
    assert.equal(readFileSync(server, 'utf8'), before);
  });

  it('cannot be where a file is', () => {
    const path = join(base, 'a-file');
    writeFileSync(path, '');
    assert.throws(
      () => writeOscorePair(path, { random }),
      (error) => error instanceof ConfigError && error.code === 'ERR_CONFIG_FILE',
    );
  });
});
