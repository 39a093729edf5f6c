import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Code, findOption, Method, OptionNumber, readUint } from '../../src/coap/index.ts';
import { systemEnv } from '../../src/core/env.ts';
import { testsWith } from './matrix.ts';
import { body, type Passed, plainServer } from './ours.ts';
import { runCommand, scratch } from './processes.ts';
import { coapClient } from './tools.ts';

const test = testsWith({ peer: 'libcoap', transport: 'UDP', security: 'none' });

interface Heard {
  /** What it printed of the payload; it ends each with a line feed. */
  readonly text: string;
  /** The code of a response that is no success; it prints it. */
  readonly refusal: string;
}

/** One run of coap-client. */
async function coap(method: string, uri: string, ...args: string[]): Promise<Heard> {
  const { status, stdout, stderr } = await runCommand(coapClient, ['-B', '10', '-m', method, ...args, uri]);
  assert.equal(status, 0, stderr);
  return { text: stdout.toString().replace(/\n+$/, ''), refusal: /^\d\.\d\d/m.exec(stderr)?.[0] ?? '' };
}

/** Sizes of the payloads of the messages with a code, in one direction. */
function sizes(passed: readonly Passed[], direction: 'in' | 'out', ...codes: number[]): number[] {
  return passed.filter(({ direction: way, message }) => way === direction && codes.includes(message.code)).map(({ message }) => message.payload.length);
}

function file(t: TestContext, text: string): string {
  const path = join(scratch(t), 'payload');
  writeFileSync(path, text);
  return path;
}

test('libcoap client -> our server: GET, with a query', 'methods', async (t) => {
  const server = await plainServer(t);
  assert.deepEqual(await coap('get', server.uri('/hello')), { text: 'Hello World!', refusal: '' });
  assert.deepEqual(await coap('get', server.uri('/query?a=1&b=2')), { text: 'a=1|b=2', refusal: '' });
});

test('libcoap client -> our server: non-confirmable GET', ['NON', 'methods'], async (t) => {
  const server = await plainServer(t);
  assert.equal((await coap('get', server.uri('/hello'), '-N')).text, 'Hello World!');
  assert.deepEqual(
    server.passed.map(({ message }) => message.type),
    [1, 1],
  );
});

test('libcoap client -> our server: PUT, POST and DELETE', 'methods', async (t) => {
  const server = await plainServer(t);
  const value = server.uri('/value');
  assert.deepEqual(await coap('put', value, '-e', 'first'), { text: '', refusal: '' });
  assert.equal((await coap('get', value)).text, 'first');
  assert.equal((await coap('post', value, '-e', 'second')).text, '6 bytes');
  assert.deepEqual(server.bodies, ['first', 'second']);
  assert.deepEqual(await coap('delete', value), { text: '', refusal: '' });
  assert.equal((await coap('get', value)).refusal, '4.04');
  await coap('put', value, '-e', 'third');
  assert.deepEqual(
    server.passed.filter(({ direction }) => direction === 'out').map(({ message }) => message.code),
    [Code.Changed, Code.Content, Code.Changed, Code.Deleted, Code.NotFound, Code.Created],
  );
});

test('libcoap client -> our server: FETCH, PATCH and iPATCH', 'methods', async (t) => {
  const server = await plainServer(t);
  const value = server.uri('/value');
  assert.equal((await coap('fetch', value, '-t', '0', '-e', 'this')).text, 'fetched this');
  assert.deepEqual(await coap('patch', value, '-t', '0', '-e', 'one'), { text: '', refusal: '' });
  assert.deepEqual(await coap('ipatch', value, '-t', '0', '-e', 'two'), { text: '', refusal: '' });
  assert.deepEqual(server.bodies, ['one', 'two']);
});

test('libcoap client -> our server: /.well-known/core, whole and filtered', 'discovery', async (t) => {
  const server = await plainServer(t);
  const all = (await coap('get', server.uri('/.well-known/core'))).text.split(',');
  assert.deepEqual(all, ['</hello>;ct=0;title="A greeting"', '</query>', '</value>', '</large>', '</slow>', '</clock>;obs']);
  assert.equal((await coap('get', server.uri('/.well-known/core?href=/h*'))).text, '</hello>;ct=0;title="A greeting"');
});

test('libcoap client -> our server: 4.04, 4.05, 4.06', 'errors', async (t) => {
  const server = await plainServer(t);
  assert.equal((await coap('get', server.uri('/nothing'))).refusal, '4.04');
  assert.equal((await coap('put', server.uri('/hello'), '-e', 'x')).refusal, '4.05');
  assert.equal((await coap('get', server.uri('/hello'), '-A', '60')).refusal, '4.06');
});

test('libcoap client -> our server: an unknown critical option is answered with 4.02, an elective one ignored', 'errors', async (t) => {
  const server = await plainServer(t);
  assert.equal((await coap('get', server.uri('/hello'), '-O', '2049,x')).refusal, '4.02');
  assert.equal((await coap('get', server.uri('/hello'), '-O', '2050,x')).text, 'Hello World!');
});

test('libcoap client -> our server: Proxy-Uri is answered with 5.05 by what is no proxy', 'errors', async (t) => {
  const server = await plainServer(t);
  assert.equal((await coap('get', 'coap://proxied.example/hello', '-P', `coap://127.0.0.1:${server.port}`)).refusal, '5.05');
});

test('libcoap client -> our server: separate response', 'separate response', async (t) => {
  const server = await plainServer(t);
  assert.equal((await coap('get', server.uri('/slow'))).text, 'slow');
  const [request, acknowledgement, response, last] = server.passed.map(({ message }) => message);
  assert.deepEqual([request?.code, acknowledgement?.code, response?.code, last?.code], [Method.GET, 0, Code.Content, 0]);
  assert.equal(acknowledgement?.id, request?.id);
  assert.equal(last?.id, response?.id);
});

test('libcoap client -> our server: observe, and its cancellation', 'observe', async (t) => {
  const server = await plainServer(t);
  const beat = (): void => {
    server.clock.changed();
    stop = systemEnv.schedule(400, beat);
  };
  let stop = systemEnv.schedule(400, beat);
  t.after(() => stop());
  const { text } = await coap('get', server.uri('/clock'), '-s', '2', '-w');
  const lines = text.split('\n').filter((line) => line !== '');
  assert.ok(lines.length >= 4, text);
  assert.deepEqual(
    lines,
    lines.map((_, index) => `tick ${index}`),
  );
  assert.equal(server.clock.observers, 0, 'the client cancelled');
  const numbers = server.passed
    .filter(({ direction, message }) => direction === 'out' && findOption(message.options, OptionNumber.Observe) !== undefined)
    .map(({ message }) => readUint(findOption(message.options, OptionNumber.Observe)!.value));
  assert.ok(numbers.length >= 4);
  assert.ok(
    numbers.every((number, index) => index === 0 || number > numbers[index - 1]!),
    numbers.join(' '),
  );
});

test('libcoap client -> our server: block-wise PUT in blocks of 64 bytes', 'block-wise', async (t) => {
  const server = await plainServer(t);
  assert.deepEqual(await coap('put', server.uri('/value'), '-f', file(t, body(1000)), '-b', '64'), { text: '', refusal: '' });
  assert.deepEqual(server.bodies, [body(1000)]);
  assert.deepEqual(sizes(server.passed, 'in', Method.PUT), [...new Array<number>(15).fill(64), 40]);
  assert.equal(sizes(server.passed, 'out', Code.Continue).length, 15);
});

test('libcoap client -> our server: block-wise PUT in blocks that the server makes smaller', 'block-wise', async (t) => {
  const server = await plainServer(t, { blockwise: { szx: 3 } });
  await coap('put', server.uri('/value'), '-f', file(t, body(3000)), '-b', '1024');
  assert.deepEqual(server.bodies, [body(3000)]);
});

test('libcoap client -> our server: block-wise PUT of the size that needs no option', 'block-wise', async (t) => {
  const server = await plainServer(t);
  await coap('put', server.uri('/value'), '-f', file(t, body(4000)));
  assert.deepEqual(server.bodies, [body(4000)]);
});

test('libcoap client -> our server: block-wise GET in blocks of 64 bytes', 'block-wise', async (t) => {
  const server = await plainServer(t);
  const into = join(scratch(t), 'large');
  await coap('get', server.uri('/large'), '-b', '64', '-o', into);
  assert.equal(readFileSync(into, 'utf8'), body(3000));
  assert.deepEqual(sizes(server.passed, 'out', Code.Content), [...new Array<number>(46).fill(64), 56]);
});

test('libcoap client -> our server: block-wise GET in blocks of the size that the server chooses', 'block-wise', async (t) => {
  const server = await plainServer(t, { amplification: 'unlimited' });
  const into = join(scratch(t), 'large');
  await coap('get', server.uri('/large'), '-o', into);
  assert.equal(readFileSync(into, 'utf8'), body(3000));
  assert.deepEqual(sizes(server.passed, 'out', Code.Content), [1024, 1024, 952]);
});

test('libcoap client -> our server: a large body in small blocks, since the client has not shown its address', 'block-wise', async (t) => {
  const server = await plainServer(t);
  const into = join(scratch(t), 'large');
  await coap('get', server.uri('/large'), '-o', into);
  assert.equal(readFileSync(into, 'utf8'), body(3000));
  assert.deepEqual(new Set(sizes(server.passed, 'out', Code.Content).slice(0, -1)), new Set([64]));
});

test('libcoap client -> our server: block-wise PUT with datagrams lost', 'block-wise', async (t) => {
  const server = await plainServer(t);
  const { status } = await runCommand(coapClient, ['-B', '60', '-m', 'put', '-f', file(t, body(500)), '-b', '64', '-l', '3,6,9', server.uri('/value')], 70_000);
  assert.equal(status, 0);
  assert.deepEqual(server.bodies, [body(500)]);
});
