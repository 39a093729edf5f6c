import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Code, findOption, formatCode, Method, OptionNumber, type Peer, pathOptions } from '../../src/coap/index.ts';
import { fromUtf8, utf8 } from '../../src/core/bytes.ts';
import { freePort } from '../support/ports.ts';
import { testsWith } from './matrix.ts';
import { body, type Ours, ours, plainServer } from './ours.ts';
import { Background, runCommand, scratch, within } from './processes.ts';
import { coapClient, coapServer } from './tools.ts';

const test = testsWith({ peer: 'libcoap', transport: 'UDP', security: 'none' });

// libcoap has Q-Block from 4.3.2 on. The 4.3.1 of Debian 12 does not know the options, and neither do aiocoap 0.4.17 and node-coap 1.5.0: with them only the
// ways around can be shown.

async function libcoapServer(t: TestContext): Promise<{ readonly client: Ours; readonly peer: Peer }> {
  const port = await freePort();
  const client = await ours(t, { qBlock: {} });
  new Background(t, coapServer, ['-A', '127.0.0.1', '-p', String(port), '-d', '10', '-e']);
  const peer = await client.peer(port);
  await within(10_000, `${coapServer} at port ${port}`, client.endpoint.ping(peer));
  client.passed.splice(0);
  return { client, peer };
}

const codes = ({ passed }: Ours, direction: 'in' | 'out'): string[] =>
  passed.filter(({ direction: way }) => way === direction).map(({ message }) => formatCode(message.code));

test(
  'our client with Q-Block -> libcoap server without: a Non-confirmable body goes by Block1, a large response by Block2',
  ['Q-Block', 'block-wise'],
  async (t) => {
    const { client, peer } = await libcoapServer(t);
    const options = pathOptions(['example_data']);
    const put = await client.endpoint.request({ code: Method.PUT, peer, options, payload: utf8(body(3000)), nonConfirmable: true }, { timeout: 20_000 });
    assert.match(formatCode(put.code), /^2\.0[14]$/);
    assert.equal(codes(client, 'in')[0], '4.02');
    assert.ok(client.passed.every(({ message }) => findOption(message.options, OptionNumber.QBlock1) === undefined));
    const got = await client.endpoint.request({ peer, options }, { timeout: 20_000 });
    assert.equal(fromUtf8(got.payload), body(3000));
    assert.equal(codes(client, 'in').filter((code) => code === '4.02').length, 1, 'asked once');
  },
);

test(
  'our client with Q-Block -> libcoap server without: a Confirmable GET is sent again without the option after 4.02',
  ['Q-Block', 'block-wise'],
  async (t) => {
    const { client, peer } = await libcoapServer(t);
    const got = await client.endpoint.request({ peer, options: pathOptions(['time']) }, { timeout: 20_000 });
    assert.equal(got.code, Code.Content);
    assert.deepEqual(codes(client, 'in'), ['4.02', '2.05']);
  },
);

test('libcoap client without -> our server with Q-Block: Block1 and Block2 as ever', ['Q-Block', 'block-wise'], async (t) => {
  const server = await plainServer(t, { qBlock: {} });
  const folder = scratch(t);
  writeFileSync(join(folder, 'payload'), body(4000));
  const put = await runCommand(coapClient, ['-B', '10', '-m', 'put', '-f', join(folder, 'payload'), server.uri('/value')]);
  assert.equal(put.status, 0, put.stderr);
  assert.deepEqual(server.bodies, [body(4000)]);
  await runCommand(coapClient, ['-B', '10', '-m', 'get', '-o', join(folder, 'large'), server.uri('/large')]);
  assert.equal(readFileSync(join(folder, 'large'), 'utf8'), body(3000));
});
