import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Code, ContentFormat, Endpoint, Method, type ResourceFunction, type ResourceHandle, Router } from '../../src/coap/index.ts';
import { fromHex, toHex, utf8 } from '../../src/core/bytes.ts';
import { tap, udp } from '../../src/transport/index.ts';
import { freePort } from '../support/ports.ts';
import { ace, aceExits, Server } from './lab.ts';

/** What a handler was asked. */
interface Asked {
  readonly method: string;
  readonly payload: string;
  readonly contentFormat: number | undefined;
  readonly accept: number | undefined;
  readonly query: readonly string[];
}

let server: Endpoint;
let clock: ResourceHandle;
let bell: ResourceHandle;
let ticking: NodeJS.Timeout;
let base: string;
let folder: string;
const asked: Asked[] = [];
/** Type and code of what came in. */
const heads: string[] = [];

const note: ResourceFunction = ({ method: number, payload, contentFormat, accept, query }) => {
  const method = Object.entries(Method).find(([, value]) => value === number)![0];
  asked.push({ method, payload: toHex(payload), contentFormat, accept, query });
  return { payload: `${method} done` };
};
const cbor = fromHex('a10103');
const binary = fromHex('00ff10');

describe('ace-coap without --config: plain CoAP', { concurrency: 3 }, () => {
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ace-coap-plain-'));
    const router = new Router();
    router.resource('/note', { get: note, post: note, put: note, delete: note, fetch: note, patch: note, ipatch: note });
    router.resource('/text', { get: () => 'plain text', attributes: { rt: 'text', title: 'A text' } });
    router.resource('/cbor', { get: () => ({ payload: cbor, contentFormat: ContentFormat.Cbor }) });
    router.resource('/binary', { get: () => ({ payload: binary, contentFormat: ContentFormat.OctetStream }), observable: true });
    router.resource('/long', { get: () => 'x'.repeat(5000), put: note });
    router.resource('/refused', { get: () => ({ code: Code.Forbidden, payload: 'not for you' }) });
    router.resource('/silent', { get: () => new Promise<never>(() => {}) });
    let ticks = 0;
    clock = router.resource('/clock', { get: () => `tick ${ticks++}`, observable: true });
    bell = router.resource('/bell', { get: () => 'ding', observable: true });
    ticking = setInterval(() => clock.changed(), 30);
    const transport = tap(await udp(), ({ direction, datagram }) => {
      if (direction === 'in') heads.push(`${(datagram[0]! >> 4) & 3} ${datagram[1]}`);
    });
    server = new Endpoint({ transport, handler: router.handler });
    base = `coap://127.0.0.1:${server.local.port}`;
  });
  after(async () => {
    clearInterval(ticking);
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  for (const [command, method] of [
    ['get', 'GET'],
    ['post', 'POST'],
    ['put', 'PUT'],
    ['delete', 'DELETE'],
    ['fetch', 'FETCH'],
    ['patch', 'PATCH'],
    ['ipatch', 'iPATCH'],
  ] as const) {
    test(`${command} sends ${method}`, async () => {
      const payload = command === 'get' || command === 'delete' ? '' : `for ${command}`;
      const flags = payload === '' ? [] : ['-d', payload, '--content-format', 'application/json'];
      const { stdout, stderr } = await aceExits(0, [command, `${base}/note?of=${command}`, ...flags]);
      assert.equal(stdout, `${method} done\n`);
      assert.match(stderr, /^2\.0\d \w+ .*not protected$/m);
      const expected = { method, payload: toHex(utf8(payload)), contentFormat: payload === '' ? undefined : 50, accept: undefined, query: [`of=${command}`] };
      assert.deepEqual(
        asked.filter(({ query }) => query[0] === `of=${command}`),
        [expected],
      );
    });
  }

  test('--accept and --content-format take a number or a name; --payload-file a file or standard input', async () => {
    const file = join(folder, 'payload.cbor');
    writeFileSync(file, cbor);
    await aceExits(0, ['post', `${base}/note?case=file`, '--payload-file', file, '--content-format', '60', '--accept', 'text/plain']);
    await aceExits(0, ['post', `${base}/note?case=stdin`, '--payload-file', '-', '--content-format', 'application/cbor', '--accept', '0'], { input: cbor });
    for (const name of ['file', 'stdin']) {
      const { payload, contentFormat, accept } = asked.find(({ query }) => query[0] === `case=${name}`)!;
      assert.deepEqual({ payload, contentFormat, accept }, { payload: toHex(cbor), contentFormat: 60, accept: 0 });
    }
  });

  test('--non sends a Non-confirmable message, without it a Confirmable one', async () => {
    const of = async (flags: readonly string[]): Promise<readonly string[]> => {
      const { stderr } = await aceExits(0, ['get', `${base}/text`, '-v', ...flags]);
      return [...stderr.matchAll(/^(-->|<--) \S+ {2}\d+ bytes {2}(CON|NON|ACK)/gm)].map(([, arrow, type]) => `${arrow} ${type}`);
    };
    assert.deepEqual(await of(['--non']), ['--> NON', '<-- NON']);
    assert.deepEqual(await of([]), ['--> CON', '<-- ACK']);
    assert.ok(heads.includes('1 1') && heads.includes('0 1'));
  });

  test('RFC 9177: --q-block moves a body in Q-Block where the server knows it, and as ever where it does not', async () => {
    const bodies: string[] = [];
    const router = new Router();
    router.resource('/body', {
      get: () => 'x'.repeat(5000),
      put: ({ payload }) => {
        bodies.push(toHex(payload));
        return undefined;
      },
    });
    const able = new Endpoint({ transport: await udp(), handler: router.handler, qBlock: {} });
    try {
      const uri = `coap://127.0.0.1:${able.local.port}/body`;
      const file = join(folder, 'body');
      writeFileSync(file, 'y'.repeat(3000));
      const put = await aceExits(0, ['put', uri, '--payload-file', file, '--q-block', '--non', '-v']);
      assert.match(put.stderr, /Q-Block1/);
      assert.deepEqual(bodies, [toHex(utf8('y'.repeat(3000)))]);
      assert.equal((await aceExits(0, ['get', uri, '--q-block'])).stdout, `${'x'.repeat(5000)}\n`);
      assert.equal((await aceExits(0, ['get', `${base}/long`, '--q-block', '--non'])).stdout, `${'x'.repeat(5000)}\n`);
    } finally {
      await able.close();
    }
  });

  test('RFC 9177: ace-coap serve --q-block takes and gives long bodies so', async () => {
    const port = await freePort();
    const serving = new Server('serve', '--listen', `coap://127.0.0.1:${port}`, '--value', '/note', '--q-block');
    await serving.start();
    try {
      const file = join(folder, 'note');
      writeFileSync(file, 'z'.repeat(3000));
      const uri = `coap://127.0.0.1:${port}/note`;
      assert.match((await aceExits(0, ['put', uri, '--payload-file', file, '--q-block', '--non', '-v'])).stderr, /Q-Block1/);
      const got = await aceExits(0, ['get', uri, '--q-block', '--non', '-v']);
      assert.equal(got.stdout, `${'z'.repeat(3000)}\n`);
      assert.match(got.stderr, /Q-Block2/);
    } finally {
      await serving.stop();
    }
  });

  test('--json prints the answer as one object', async () => {
    const json = async (code: number, path: string): Promise<unknown> => {
      const { stdout, stderr } = await aceExits(code, ['get', `${base}${path}`, '--json']);
      assert.equal(stderr, '');
      assert.match(stdout, /^\{.*\}\n$/);
      return JSON.parse(stdout);
    };
    const ok = { code: '2.05', name: 'Content', protected: false };
    assert.deepEqual(await json(0, '/text'), { ...ok, content_format: 0, payload_bytes: 10, payload: 'plain text' });
    assert.deepEqual(await json(0, '/cbor'), { ...ok, content_format: 60, payload_bytes: 3, payload_hex: 'a10103' });
    assert.deepEqual(await json(1, '/none'), { code: '4.04', name: 'Not Found', protected: false, payload_bytes: 0, payload: '' });
  });

  test('payloads: text with a line end, other bytes as they are, to a pipe and to a file; blocks are put together', async () => {
    assert.equal((await aceExits(0, ['get', `${base}/text`])).stdout, 'plain text\n');
    assert.equal((await aceExits(0, ['get', `${base}/long`])).stdout, `${'x'.repeat(5000)}\n`);
    for (const [path, bytes] of [
      ['/cbor', cbor],
      ['/binary', binary],
    ] as const) {
      assert.equal(toHex((await aceExits(0, ['get', `${base}${path}`])).bytes), toHex(bytes));
      const file = join(folder, 'output');
      assert.equal((await aceExits(0, ['get', `${base}${path}`, '-o', file])).stdout, '');
      assert.equal(toHex(new Uint8Array(readFileSync(file))), toHex(bytes));
    }
    assert.match((await aceExits(2, ['get', `${base}/text`, '-o', join(folder, 'no', 'such')])).stderr, /no\/such: cannot be written \(ENOENT\)/);
  });

  test('a large payload goes up in blocks', async () => {
    const { stderr } = await aceExits(0, ['put', `${base}/long?case=long`, '--payload-file', '-', '-v'], { input: 'y'.repeat(3000) });
    assert.match(stderr, /Block1: 0\/more\/1024/);
    assert.match(stderr, /Block1: 2\/last\/1024/);
    assert.equal(asked.find(({ query }) => query[0] === 'case=long')?.payload.length, 6000);
  });

  test('exit code 1: the peer said no; what it said is shown, and no file is written', async () => {
    const file = join(folder, 'never');
    const { stdout, stderr } = await aceExits(1, ['get', `${base}/refused`, '-o', file]);
    assert.equal(stdout, '');
    assert.match(stderr, /^4\.03 Forbidden /);
    assert.match(stderr, /payload \(11 bytes\): "not for you"/);
    assert.equal(existsSync(file), false);
    assert.match((await aceExits(1, ['put', `${base}/text`, '-d', 'x'])).stderr, /^4\.05 Method Not Allowed/);
    assert.match((await aceExits(1, ['get', `${base}/text`, '--accept', '60'])).stderr, /^4\.06 Not Acceptable/);
  });

  test('exit code 3: nobody answers, the resource does not, the name is unknown', async () => {
    const nobody = `coap://127.0.0.1:${await freePort()}`;
    const runs = await Promise.all([
      aceExits(3, ['get', `${nobody}/`, '--timeout', '0.5']),
      aceExits(3, ['get', `${base}/silent`, '--timeout', '0.5']),
      aceExits(3, ['observe', `${base}/silent`, '--timeout', '0.5']),
      aceExits(3, ['ping', nobody, '--timeout', '0.5']),
      aceExits(3, ['discover', nobody, '--timeout', '0.5']),
    ]);
    for (const { stdout, stderr } of runs) {
      assert.equal(stdout, '');
      assert.match(stderr, /^error: expected a response within 500 ms, got none \(ERR_COAP_TIMEOUT\)$/m);
    }
    assert.match((await aceExits(3, ['get', 'coap://no-such-host.invalid/', '--timeout', '5'])).stderr, /cannot resolve no-such-host\.invalid/);
  });

  test('ping: alive, and how fast', async () => {
    assert.match((await aceExits(0, ['ping', base])).stdout, /^alive, answered in [\d.]+ ms\n$/);
    const { alive, milliseconds } = JSON.parse((await aceExits(0, ['ping', base, '--json'])).stdout) as Record<string, unknown>;
    assert.ok(alive === true && typeof milliseconds === 'number' && milliseconds > 0);
  });

  test('discover: links as a table, filtered, and as JSON lines', async () => {
    const all = (await aceExits(0, ['discover', base])).stdout.split('\n');
    assert.match(all[0]!, /^path +observe +rt +.*title/);
    assert.ok(all.some((line) => /^\/text +text +.*A text$/.test(line)));
    assert.ok(all.some((line) => /^\/clock +yes/.test(line)));
    const filtered = await aceExits(0, ['discover', `${base}?rt=text`, '--json']);
    assert.deepEqual(JSON.parse(filtered.stdout), { target: '/text', rt: 'text', title: 'A text' });
  });

  test('observe: a line for each value; --count ends it', async () => {
    const { stdout } = await aceExits(0, ['observe', `${base}/clock`, '--count', '3']);
    const ticks = stdout.trimEnd().split('\n');
    assert.equal(ticks.length, 3);
    for (const tick of ticks) assert.match(tick, /^tick \d+$/);
    assert.equal(new Set(ticks).size, 3);
    const lines = (await aceExits(0, ['observe', `${base}/clock`, '--count', '2', '--json'])).stdout.trimEnd().split('\n');
    for (const line of lines) {
      const { code, observe, payload } = JSON.parse(line) as Record<string, unknown>;
      assert.ok(code === '2.05' && typeof observe === 'number' && /^tick /.test(String(payload)), line);
    }
  });

  test('observe: bytes that are no text are a line of hexadecimal each', async () => {
    assert.equal((await aceExits(0, ['observe', `${base}/binary`, '--count', '1'])).stdout, '00ff10\n');
  });

  test('observe: a resource that cannot be observed answers once, and that is said', async () => {
    const { stdout, stderr } = await aceExits(0, ['observe', `${base}/text`]);
    assert.equal(stdout, 'plain text\n');
    assert.match(stderr, /the resource cannot be observed/);
    await aceExits(1, ['observe', `${base}/none`]);
  });

  test('observe: Ctrl-C ends it with exit code 0 and tells the server', async () => {
    const run = await ace(['observe', `${base}/bell`, '-v'], {
      onOutput: (_, child) => {
        // Once: a second signal ends the process at once.
        if (child.killed) return;
        assert.equal(bell.observers, 1);
        child.kill('SIGINT');
      },
    });
    assert.equal(run.code, 0, run.stderr);
    assert.equal(run.stdout, 'ding\n');
    assert.match(run.stderr, /Observe: 1\n/);
    assert.doesNotMatch(run.stderr, /error/);
    assert.equal(bell.observers, 0);
  });

  test('a reader that goes away ends it quietly', async () => {
    const run = await ace(['observe', `${base}/clock`], { onOutput: (_, child) => child.stdout!.destroy() });
    assert.equal(run.code, 0);
    assert.doesNotMatch(run.stderr, /EPIPE|error/);
  });
});
