import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fromHex } from '../../src/core/bytes.ts';
import { encode } from '../../src/core/cbor.ts';
import { aceExits, Lab } from './lab.ts';

let lab: Lab;

const ace = (code: number, ...words: readonly string[]): Promise<{ readonly stdout: string; readonly stderr: string }> =>
  aceExits(code, [...words, '--config', lab.folder]);
const inspections = (): number => lab.as.log().filter(({ msg }) => msg === 'introspected').length;

/** A token as the AS gives it to a client. */
async function newToken(): Promise<string> {
  const { stdout } = await ace(0, 'token', '--audience', 'rs1');
  return /access token: ([0-9a-f]+)/.exec(stdout)![1]!;
}

/** Send it to authz-info as any client would. */
function upload(token: string, code: number): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const file = join(lab.parent, 'upload');
  const message = new Map<number, Uint8Array>([
    [1, fromHex(token)],
    [40, fromHex('018a278f7faab55a')],
    [43, fromHex('1645')],
  ]);
  writeFileSync(file, encode(message));
  return aceExits(code, ['post', lab.uri('/authz-info'), '--payload-file', file, '--content-format', '19']);
}

before(async () => {
  lab = await Lab.start(({ folder }) => {
    appendFileSync(
      join(folder, 'rs.yaml'),
      '\nintrospection: { tokens: every, cache: 600, timeout: 5 }\nfreshness: { methods: [PUT], window: 20 }\nq_block: true\n',
    );
  });
});
after(() => lab.end());

describe('ace-coap rs with introspection, freshness and q_block in rs.yaml', () => {
  test('RFC 9200 5.9: each token is asked about once; what was revoked before it came is refused', async () => {
    const token = await newToken();
    await upload(token, 0);
    await upload(token, 0);
    assert.equal(inspections(), 1, 'the second time its answer was still kept');
    const revoked = await newToken();
    await aceExits(0, ['admin', 'revoke', revoked, '--config', join(lab.folder, 'admin.yaml')]);
    assert.match((await upload(revoked, 1)).stderr, /^4\.01 /m);
    assert.equal(inspections(), 2);
  });

  test('RFC 9175 2.3: a PUT is challenged by an Echo within OSCORE, a GET is not', async () => {
    assert.equal((await ace(0, 'get', lab.uri('/temperature'), '-v')).stderr.match(/inside, decrypted: 4\.01/g), null);
    const { stderr } = await ace(0, 'put', lab.uri('/led'), '-d', 'on', '-v');
    assert.match(stderr, /inside, decrypted: 4\.01 Unauthorized\n +Echo: /);
    assert.match(stderr, /2\.04 Changed/);
  });

  test('RFC 9177: a long body goes in Q-Block1, within OSCORE', async () => {
    const file = join(lab.parent, 'long');
    writeFileSync(file, 'x'.repeat(3000));
    assert.match((await ace(0, 'put', lab.uri('/led'), '--payload-file', file, '--q-block', '--non', '-v')).stderr, /Q-Block1/);
    assert.equal((await ace(0, 'get', lab.uri('/led'))).stdout.trimEnd(), 'x'.repeat(3000));
  });
});

test('q_block in client.yaml, and amplification in rs.yaml: no address has to show itself first', async () => {
  const yaml = { 'client.yaml': 'q_block: true', 'rs.yaml': 'q_block: true\namplification: unlimited' };
  const other = await Lab.start(({ folder }) => {
    for (const [name, more] of Object.entries(yaml)) appendFileSync(join(folder, name), `\n${more}\n`);
    const rsYaml = join(folder, 'rs.yaml');
    writeFileSync(rsYaml, readFileSync(rsYaml, 'utf8').replace('resources:\n', `resources:\n  /long: { kind: value, title: "${'long '.repeat(60)}" }\n`));
  });
  try {
    const file = join(other.parent, 'long');
    writeFileSync(file, 'x'.repeat(3000));
    assert.match((await aceExits(0, ['put', other.uri('/led'), '--payload-file', file, '--config', other.folder, '-v'])).stderr, /Q-Block1/);
    const discovery = async (): Promise<string> => (await aceExits(0, ['get', other.uri('/.well-known/core'), '-v'])).stderr;
    assert.doesNotMatch(await discovery(), / Echo: | Block2: /);
    await other.rs.stop();
    const rsYaml = join(other.folder, 'rs.yaml');
    writeFileSync(rsYaml, readFileSync(rsYaml, 'utf8').replace('amplification: unlimited', ''));
    await other.rs.start();
    assert.match(await discovery(), / Echo: | Block2: /);
  } finally {
    await other.end();
  }
});

test('hide_path in client.yaml: nothing that is not protected names the path', async () => {
  const hidden = await Lab.start(({ folder }) => appendFileSync(join(folder, 'client.yaml'), '\nhide_path: true\n'));
  try {
    const { stdout, stderr } = await aceExits(0, ['get', hidden.uri('/temperature'), '--config', hidden.folder, '-v']);
    assert.equal(stdout, '21.5 C\n');
    assert.deepEqual(stderr.match(/^ {6}Uri-Path: .*$/gm), ['      Uri-Path: "authz-info"'], 'outside OSCORE');
    assert.match(stderr, /^ {8}Uri-Path: "temperature"$/m, 'within');
  } finally {
    await hidden.end();
  }
});

test('RFC 9200 5.9: while the AS cannot be asked, a token is neither taken nor refused for good', async () => {
  const token = await newToken();
  await lab.as.stop();
  try {
    assert.match((await upload(token, 1)).stderr, /^5\.03 /m);
  } finally {
    await lab.as.start();
  }
  await upload(token, 0);
});

describe('SIGHUP at a resource server', () => {
  const file = (): string => join(lab.folder, 'rs.yaml');
  const change = async (edit: (yaml: string) => string): Promise<readonly Record<string, unknown>[]> => {
    const yaml = readFileSync(file(), 'utf8');
    const before = lab.rs.log().length;
    assert.notEqual(edit(yaml), yaml);
    writeFileSync(file(), edit(yaml));
    await lab.rs.hangup('reloaded');
    return lab.rs.log().slice(before);
  };

  test('other scopes, resources, public paths and methods that must be fresh, without a restart; a value that stays keeps what was written to it', async () => {
    await ace(0, 'put', lab.uri('/led'), '-d', 'kept');
    const log = await change((yaml) =>
      yaml
        .replace('w_led: {', 'w_valve: { /valve: [GET, PUT] }\n  w_led: {')
        .replace('resources:\n', 'resources:\n  /valve: { kind: value, initial: "shut" }\n  /open: { kind: value, initial: "to all" }\n')
        .replace(/^ {2}\/temperature: .*$/m, '  /temperature: { kind: sensor, unit: K, initial: "293", interval: 500 }')
        .replace('public: []', 'public: [/open]')
        .replace('methods: [PUT], window: 20', 'methods: [GET], window: 20'),
    );
    const { added, changed, removed } = log.findLast(({ msg }) => msg === 'reloaded')!;
    assert.deepEqual([added, changed, removed], [['/valve', '/open'], ['/temperature'], []]);
    assert.ok(!log.some(({ msg }) => msg === 'needs a restart'));
    assert.equal((await aceExits(0, ['get', lab.uri('/open')])).stdout, 'to all\n');
    assert.match((await aceExits(1, ['get', lab.uri('/valve')])).stderr, /"w_valve"/);
    assert.equal((await ace(0, 'get', lab.uri('/temperature'))).stdout, '293.0 K\n');
    const { stdout, stderr } = await ace(0, 'get', lab.uri('/led'), '-v');
    assert.equal(stdout, 'kept\n');
    assert.match(stderr, /inside, decrypted: 4\.01 Unauthorized\n +Echo: /);
    assert.doesNotMatch((await ace(0, 'put', lab.uri('/led'), '-d', 'on', '-v')).stderr, /inside, decrypted: 4\.01/);
  });

  test('q_block and limits.payload: other clients go on by Block1, and a longer body gets 4.13; a file that is wrong changes nothing', async () => {
    const path = join(lab.parent, 'body');
    const put = async (length: number, code: number, ...words: readonly string[]): Promise<string> => {
      writeFileSync(path, 'x'.repeat(length));
      return (await ace(code, 'put', lab.uri('/led'), '--payload-file', path, '-v', ...words)).stderr;
    };
    const log = await change((yaml) => yaml.replace('\nq_block: true', '\nq_block: false\nlimits: { payload: 2500, upload: 2000, tokens: 50, revoked: 50 }'));
    assert.ok(!log.some(({ msg }) => msg === 'needs a restart'));
    const { stderr } = await ace(0, 'get', lab.uri('/temperature'), '-v', '--q-block');
    assert.match(stderr, /inside, decrypted: 4\.02 Bad Option/);
    assert.match(await put(2500, 0), / Block1: /);
    assert.match(await put(2501, 1), /4\.13 Request Entity Too Large[\s\S]* Size1: 2500/);
    const good = readFileSync(file(), 'utf8');
    writeFileSync(file(), good.replace('payload: 2500', 'payload: 3000, tokens: none'));
    await lab.rs.hangup('the configuration stays as it was');
    await put(2501, 1);
    writeFileSync(file(), good);
    await change((yaml) => yaml.replace('q_block: false', 'q_block: true').replace('payload: 2500', 'payload: 3000'));
    assert.match(await put(3000, 0, '--q-block', '--non'), /Q-Block1/);
  });

  test('what needs a restart is named, each time; a path that is taken or none changes nothing', async () => {
    const named = (log: readonly Record<string, unknown>[]): unknown[] => log.flatMap(({ msg, setting }) => (msg === 'needs a restart' ? [setting] : []));
    assert.deepEqual(named(await change((yaml) => `${yaml}\nprotect_discovery: true\n`)), ['protect_discovery']);
    assert.deepEqual(named(await change((yaml) => `${yaml}\n`)), ['protect_discovery']);
    const good = readFileSync(file(), 'utf8');
    writeFileSync(
      file(),
      good.replace('resources:\n', 'resources:\n  /more: { kind: value }\n  /authz-info: { kind: value }\n').replace('public: [/open]', 'public: [/more]'),
    );
    await lab.rs.hangup('the configuration stays as it was');
    assert.equal((await aceExits(0, ['get', lab.uri('/open')])).stdout, 'to all\n');
    assert.match((await aceExits(1, ['get', lab.uri('/more')])).stderr, /^4\.01 /m);
    writeFileSync(file(), good);
  });
});
