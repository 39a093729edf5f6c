import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ContentFormat } from '../../src/coap/index.ts';
import { fromHex, toBase64Url, toHex } from '../../src/core/bytes.ts';
import { CborError, decode } from '../../src/core/cbor.ts';
import { openCwt } from '../../src/core/cwt.ts';
import { loadRsConfig } from '../../src/operate/index.ts';
import { lmdbStore } from '../../src/store/index.ts';
import { ace, aceExits, Lab, type Run, type RunOptions } from './lab.ts';

let lab: Lab;
/** All that clients printed, for the search for secrets. */
const printed: string[] = [];
/** Access tokens that were seen. */
const tokens = new Set<string>();

/** A faster sensor, and a client that gives up early. */
function hasten({ folder }: Lab): void {
  const edit = (name: string, from: string, to: string): void => {
    const text = readFileSync(join(folder, name), 'utf8');
    assert.ok(text.includes(from), from);
    writeFileSync(join(folder, name), text.replace(from, to));
  };
  edit('rs.yaml', 'initial: "21.5", interval: 5', 'initial: "18", interval: 0.2');
  edit('client.yaml', 'authorization_servers:', 'defaults: { timeout: 30 }\nauthorization_servers:');
}

/** A run with the lab's configuration. */
async function withLab(code: number, args: readonly string[], options?: RunOptions): Promise<Run> {
  const run = await aceExits(code, [...args, '--config', lab.folder], options);
  printed.push(run.stdout, run.stderr);
  return run;
}

async function freshToken(scope: string): Promise<string> {
  const { stdout } = await withLab(0, ['token', '--audience', 'rs1', '--scope', scope, '--json']);
  const { access_token: token } = JSON.parse(stdout) as { readonly access_token: string };
  tokens.add(token);
  return token;
}

/** The Master Secrets of the contexts that the client holds: what is as long as one in its sessions, at any depth. */
async function storedSecrets(): Promise<readonly Uint8Array[]> {
  const store = await lmdbStore(join(lab.folder, 'state', 'client'));
  const found: Uint8Array[] = [];
  const walk = (value: unknown): void => {
    if (value instanceof Map || Array.isArray(value)) for (const part of value.values()) walk(part);
    else if (value instanceof Uint8Array) {
      if (value.length === 16) found.push(Uint8Array.from(value));
      try {
        walk(decode(value));
      } catch (error) {
        assert.ok(error instanceof CborError);
      }
    }
  };
  for await (const [, value] of store.scan('client/session/')) walk(value);
  await store.close();
  return found;
}

/** Arrows of the datagrams that -v showed. */
const arrows = (stderr: string): readonly string[] =>
  [...stderr.matchAll(/^(?:-->|<--) 127\.0\.0\.1:\d+ {2}\d+ bytes {2}/gm)].map(([line]) => line.slice(0, 3));

describe('ace-coap with a lab', () => {
  before(async () => {
    lab = await Lab.start(hasten);
  });
  after(() => lab.end());

  test('as and rs say where they listen, and log JSON lines', () => {
    assert.equal(lab.as.stdout, `AS listens on coap://127.0.0.1:${lab.asPort} (Ctrl-C stops it)\n`);
    assert.equal(lab.rs.stdout, `RS listens on coap://127.0.0.1:${lab.rsPort} (Ctrl-C stops it)\n`);
    for (const [server, port] of [
      [lab.as, lab.asPort],
      [lab.rs, lab.rsPort],
    ] as const) {
      const first = server.log()[0]!;
      assert.deepEqual([first['level'], first['msg'], first['role'], first['address'], first['port']], ['info', 'listening', server.role, '127.0.0.1', port]);
      assert.ok(!Number.isNaN(Date.parse(String(first['time']))));
    }
  });

  test('get -v: the whole dance, each message decoded with its size', async () => {
    const { stdout, stderr } = await withLab(0, ['get', lab.uri('/temperature'), '-v'], { process: true });
    // The sensor wanders, up to ten from where it began.
    assert.match(stdout, /^\d{1,2}\.\d C\n$/);
    const steps = [...stderr.matchAll(/^# ([a-z-]+) /gm)].map(([, step]) => step);
    assert.deepEqual(steps, ['probe', 'hints', 'token-request', 'token-response', 'upload', 'context', 'request', 'response']);
    assert.match(stderr, /\/ AS \/ 1: "coap:\/\/127\.0\.0\.1:\d+\/token", \/ audience \/ 5: "rs1"/);
    assert.match(stderr, /inside, decrypted: 2\.01 Created[\s\S]*\/ access_token \/ 1: <<\/ CWT \/ 61\(/);
    assert.match(stderr, /\/ ms \/ 2: \/ secret of 17 encoded bytes \/ \.\.\./);
    assert.match(stderr, /\/ ace_client_recipientid \/ 43: /);
    assert.match(stderr, /\/ nonce2 \/ 42: /);
    assert.match(stderr, /inside, decrypted: 2\.05 Content/);
    assert.match(stderr, /^2\.05 Content {2}text\/plain; charset=utf-8, 6 bytes, protected by OSCORE$/m);
    assert.equal(arrows(stderr).filter((arrow) => arrow === '-->').length, arrows(stderr).length / 2);
  });

  test('get: the next run has the token and the context already', async () => {
    const { stderr } = await withLab(0, ['get', lab.uri('/temperature'), '-v'], { process: true });
    const steps = [...stderr.matchAll(/^# ([a-z-]+) /gm)].map(([, step]) => step);
    assert.deepEqual(steps, ['context', 'request', 'response']);
    assert.deepEqual(arrows(stderr), ['-->', '<--']);
  });

  test('put: more rights are asked for, and the value is there; --no-upgrade takes the no', async () => {
    assert.match((await withLab(1, ['put', lab.uri('/led'), '-d', 'early', '--no-upgrade'])).stderr, /^4\.03 Forbidden .*protected by OSCORE/);
    const put = await withLab(0, ['put', lab.uri('/led'), '-d', 'on', '-v'], { process: true });
    assert.equal(put.stdout, '');
    assert.match(put.stderr, /^# update scope /m);
    const {
      code,
      payload,
      content_format,
      protected: isProtected,
    } = JSON.parse((await withLab(0, ['get', lab.uri('/led'), '--json'])).stdout) as Record<string, unknown>;
    assert.deepEqual(
      { code, payload, content_format, isProtected },
      { code: '2.05', payload: 'on', content_format: ContentFormat.TextPlain, isProtected: true },
    );
  });

  test('get -o writes the payload to a file; --non and --accept work under protection too', async () => {
    const file = join(lab.parent, 'led.txt');
    assert.equal((await withLab(0, ['get', lab.uri('/led'), '-o', file, '--non', '--accept', '0'])).stdout, '');
    assert.equal(readFileSync(file, 'utf8'), 'on');
    assert.match((await withLab(1, ['get', lab.uri('/led'), '--accept', 'application/cbor'])).stderr, /^4\.06 /);
  });

  test('RFC 9177: --q-block under protection, with a server that does not know it', async () => {
    assert.equal((await withLab(0, ['get', lab.uri('/led'), '--q-block'])).stdout, 'on\n');
  });

  test('observe --count prints each value, protected', async () => {
    const { stdout } = await withLab(0, ['observe', lab.uri('/temperature'), '--count', '3', '--json']);
    const answers = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.equal(answers.length, 3);
    for (const answer of answers)
      assert.ok(answer['code'] === '2.05' && answer['protected'] === true && / C$/.test(String(answer['payload'])), JSON.stringify(answer));
  });

  test('observe: Ctrl-C ends it with exit code 0, after a protected deregistration', async () => {
    // Once: a second signal ends the process at once, and another notification may come meanwhile.
    const onOutput = (_: string, child: ChildProcess): void => void (child.killed || child.kill('SIGINT'));
    const run = await ace(['observe', lab.uri('/temperature'), '--config', lab.folder, '-v'], { onOutput });
    printed.push(run.stdout, run.stderr);
    assert.equal(run.code, 0, run.stderr);
    assert.match(run.stderr, /inside, to be encrypted: GET\n\s+Observe: 1\n/);
    assert.doesNotMatch(run.stderr, /error/);
  });

  describe('in any order', { concurrency: 3 }, () => {
    test('token: for people and as JSON; what is not granted is exit code 1', async () => {
      const people = await withLab(0, ['token', '--audience', 'rs1', '--scope', 'r_temp w_led', '-v'], { process: true });
      const token = /^access token: ([0-9a-f]+)$/m.exec(people.stdout)![1]!;
      tokens.add(token);
      assert.match(people.stdout, /\/ expires_in \/ 2: 3600/);
      const json = JSON.parse((await withLab(0, ['token', '--audience', 'rs1', '--json'])).stdout) as Record<string, unknown>;
      tokens.add(String(json['access_token']));
      assert.deepEqual([json['expires_in'], json['scope'], json['token_bytes']], [3600, 'r_temp', String(json['access_token']).length / 2]);
      assert.match(
        (await withLab(1, ['token', '--audience', 'rs1', '--scope', 'everything'])).stderr,
        /^error: the AS refused: 4\.00 invalid_scope .*\(ERR_ACE_REFUSED\)$/m,
      );
      assert.match((await withLab(1, ['token', '--audience', 'rs9'])).stderr, /the AS refused: 4\.00/);
      assert.match(
        (await withLab(2, ['token', '--audience', 'rs1', '--as', 'coap://127.0.0.1:1/token'])).stderr,
        /--as: expected an authorization server of this client's list/,
      );
    });

    test('introspect: a token in hex, in base64url, in a file, on standard input', async () => {
      const token = await freshToken('w_led');
      const file = join(lab.parent, 'token.bin');
      writeFileSync(file, fromHex(token));
      const text = (await withLab(0, ['introspect', token, '-v'])).stdout;
      assert.match(text, /^active +true$/m);
      assert.match(text, /^scope +w_led$/m);
      assert.match(text, /^client_id +client1$/m);
      for (const [input, stdin] of [
        [toBase64Url(fromHex(token)), undefined],
        [`@${file}`, undefined],
        ['-', `${token}\n`],
      ] as const) {
        const { stdout } = await withLab(0, ['introspect', input, '--json'], stdin === undefined ? {} : { input: stdin });
        const answer = JSON.parse(stdout) as Record<string, unknown>;
        assert.deepEqual([answer['active'], answer['aud'], answer['scope'], answer['client_id'], answer['cnf']], [true, 'rs1', 'w_led', 'client1', ['osc']]);
        assert.ok(Number(answer['exp']) > Date.now() / 1000);
      }
    });

    test('introspect: an unknown token is not active, which is exit code 1', async () => {
      const token = await freshToken('r_temp');
      const altered = `${token.slice(0, -2)}${token.endsWith('00') ? '01' : '00'}`;
      assert.equal((await withLab(1, ['introspect', altered])).stdout.trim(), 'active       false');
      assert.deepEqual(JSON.parse((await withLab(1, ['introspect', altered, '--json'])).stdout), { active: false });
      assert.match((await withLab(2, ['introspect', 'no token!'])).stderr, /expected hex, base64url, @file or -/);
    });

    test('discover and ping need no token', async () => {
      const { stdout } = await withLab(0, ['discover', lab.uri('')]);
      for (const path of ['/temperature', '/led', '/authz-info']) assert.match(stdout, new RegExp(`^${path} `, 'm'));
      assert.match((await aceExits(0, ['ping', lab.uri('')])).stdout, /^alive/);
    });

    test('exit code 1: no token, no such path in the scope; nothing without protection is taken for the resource', async () => {
      const open = await aceExits(1, ['get', lab.uri('/temperature')]);
      assert.match(open.stderr, /^4\.01 Unauthorized .*not protected\n {2}payload .*\n.*\/ AS \/ 1: "coap:/);
      assert.match((await withLab(1, ['get', lab.uri('/nowhere')])).stderr, /^4\.03 Forbidden .*protected by OSCORE/);
      // Discovery is open to all, so without a context its answer is not what somebody with a configuration asked for.
      const discovery = ['get', lab.uri('/.well-known/core'), '--scope', 'r_led'];
      assert.match((await withLab(1, discovery)).stderr, /ERR_ACE_UNPROTECTED/);
      assert.match((await withLab(0, [...discovery, '--plain'])).stdout, /<\/temperature>/);
    });

    test('exit code 2: a second server on the same port', async () => {
      for (const role of ['as', 'rs'] as const) {
        const { stdout, stderr } = await aceExits(2, [role, lab.folder]);
        assert.equal(stdout, '');
        assert.match(stderr, new RegExp(`${role}\\.yaml: listen: 127\\.0\\.0\\.1:\\d+: the port is in use; is another "ace-coap ${role}" running\\?`));
      }
    });
  });

  test('exit code 3: AS and RS are gone; they come back and the CLI goes on', async () => {
    await Promise.all([lab.as.stop(), lab.rs.stop()]);
    const [get, token] = await Promise.all([
      withLab(3, ['get', lab.uri('/temperature'), '--timeout', '0.5']),
      withLab(3, ['token', '--audience', 'rs1', '--timeout', '0.5']),
    ]);
    for (const { stderr } of [get, token]) assert.match(stderr, /expected a response within 500 ms, got none/);
    await Promise.all([lab.as.start(), lab.rs.start()]);
    assert.match((await withLab(0, ['get', lab.uri('/temperature'), '-v'], { process: true })).stderr, /protected by OSCORE/);
    assert.match(lab.rs.stderr, /"signal":"SIGINT","msg":"stopping"/);
  });

  test('secrets: no key, no Master Secret in what clients print; no key and no token in what servers log', async () => {
    const opened = [...tokens].map((token) => openCwt(fromHex(token), loadRsConfig(lab.folder).issuers[0]!.tokenKeys).claims.cnf!.osc!.get(2) as Uint8Array);
    assert.ok(opened.length >= 4 && opened.every((masterSecret) => masterSecret.length === 16));
    const stored = await storedSecrets();
    assert.ok(stored.length >= 1);
    const decoded = await Promise.all([...tokens].slice(0, 2).map((token) => withLab(0, ['decode', token])));
    for (const { stdout } of decoded) assert.match(stdout, /verified with/);
    const folder = join(lab.folder, 'keys');
    const keys = readdirSync(folder).map((name) => fromHex(readFileSync(join(folder, name), 'utf8').trim()));
    assert.equal(keys.length, 4);
    const out = printed.join('\n').toLowerCase();
    const logs = `${lab.as.stdout}${lab.as.stderr}${lab.rs.stdout}${lab.rs.stderr}`.toLowerCase();
    assert.ok(lab.as.log().some(({ msg }) => msg === 'token-issued') && lab.rs.log().some(({ msg }) => msg === 'token-accepted'));
    for (const secret of [...keys, ...opened, ...stored]) {
      for (const form of [toHex(secret), toBase64Url(secret).toLowerCase(), [...secret].join(',')]) {
        assert.equal(out.includes(form), false, 'a secret in the output of a client');
        assert.equal(logs.includes(form), false, 'a secret in a log');
      }
    }
    for (const token of tokens) assert.equal(logs.includes(token), false, 'a token in a log');
  });
});
