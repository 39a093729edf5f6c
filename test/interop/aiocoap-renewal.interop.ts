import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { fromHex, fromUtf8, toHex, utf8 } from '../../src/core/bytes.ts';
import { type ContextParameters, deriveContext } from '../../src/oscore/index.ts';
import { freePort } from '../support/ports.ts';
import { testsWith } from './matrix.ts';
import { contextA, mirrored, PythonPeer, type Told } from './oscore-peers.ts';
import type { Ours } from './ours.ts';
import { asking, options, renewing, serverOf, steps } from './renewal.ts';

const test = testsWith({ peer: 'aiocoap', transport: 'UDP', security: 'OSCORE' });

/*
 * aiocoap 0.4.17 does not run Appendix B.2: it has a hook for the context of a response and one for the context of a request, and the exchange of IDs is in
 * aiocoap/renewal.py. What is foreign here is the derivation with the exchanged ID Contexts, the option, the AAD and the nonces.
 */

function text(of: ContextParameters): string {
  return [of.masterSecret, of.masterSalt!, of.senderId, of.recipientId].map(toHex).join(':');
}

async function aiocoapClient(t: TestContext, idContext?: string) {
  const client = new PythonPeer(t, 'renewal_client.py', text(contextA), 'coap://127.0.0.1:*', ...(idContext === undefined ? [] : [idContext]));
  await client.hear();
  return async (how: 'renew' | 'answer' | 'uri', server: Ours, payload: string): Promise<readonly [string, string]> => {
    const order = { method: 'POST', payload: toHex(utf8(payload)), [how]: server.uri('/told') };
    const told = await client.tell<Told & { readonly error?: string; readonly detail?: string }>(order);
    assert.equal(told.error, undefined, told.detail);
    assert.ok(told.protected);
    return [told.code, fromUtf8(fromHex(told.payload))];
  };
}

test('aiocoap client -> our server: RFC 8613 B.2, begun by the client', 'Appendix B.2', async (t) => {
  t.diagnostic('aiocoap has no procedure of its own: the exchange of IDs is a script on top of its contexts');
  const server = await serverOf(t);
  const ask = await aiocoapClient(t);
  assert.deepEqual(await ask('renew', server, 'one'), ['2.04', 'one']);
  assert.deepEqual(await ask('uri', server, 'two'), ['2.04', 'two']);
  assert.deepEqual(server.executed, ['one', 'two']);
  assert.deepEqual(steps(server), ['response-1', 'renewed']);
  assert.deepEqual(
    options(server).map(({ kidContext }) => kidContext?.length),
    [9, 17, 26, undefined, 24, undefined],
  );
  // Again, from the context in use.
  assert.deepEqual(await ask('renew', server, 'three'), ['2.04', 'three']);
  assert.deepEqual(server.executed, ['one', 'two', 'three']);
});

test('aiocoap client -> our server: RFC 8613 B.2, begun by our server, which has no context', 'Appendix B.2', async (t) => {
  for (const idContext of [undefined, '37cbf3210017a2d3']) {
    const server = await serverOf(t);
    const ask = await aiocoapClient(t, idContext);
    assert.deepEqual(await ask('answer', server, 'one'), ['2.04', 'one']);
    assert.deepEqual(await ask('uri', server, 'two'), ['2.04', 'two']);
    assert.deepEqual(server.executed, ['one', 'two']);
    assert.deepEqual(steps(server), ['response-1', 'renewed']);
  }
});

test('aiocoap client -> our server: RFC 8613 B.2, begun by our server after it lost an established context', 'Appendix B.2', async (t) => {
  const first = await serverOf(t);
  const ask = await aiocoapClient(t);
  await ask('renew', first, 'one');
  const second = await serverOf(t);
  assert.deepEqual(await ask('answer', second, 'two'), ['2.04', 'two']);
  assert.deepEqual([first.executed, second.executed], [['one'], ['two']]);
  assert.equal(options(second)[0]!.kidContext!.length, 24, 'the established ID Context, not wrapped');
});

async function aiocoapServer(t: TestContext, port: number, ...more: readonly string[]): Promise<PythonPeer> {
  const server = new PythonPeer(t, 'renewal_server.py', String(port), text(mirrored(contextA)), ...more);
  await server.hear();
  return server;
}

for (const [name, more] of [
  ['the nonce of the request', []],
  ['a Partial IV of its own', ['own-piv']],
] as const) {
  test(`our client -> aiocoap server: RFC 8613 B.2, begun by our client, response #1 with ${name}`, 'Appendix B.2', async (t) => {
    const port = await freePort();
    const server = await aiocoapServer(t, port, ...more);
    const client = await renewing(t, contextA, {});
    for (const payload of ['one', 'two', 'three']) {
      assert.equal(await asking(client, port, payload), payload);
      assert.deepEqual(await server.hear(), { executed: payload });
    }
    assert.deepEqual(steps(client), ['request-1', 'request-2', 'renewed']);
    assert.equal(options(client)[1]!.partialIv !== undefined, more.length > 0);
    client.renewable.renew();
    assert.equal(await asking(client, port, 'four'), 'four');
    assert.deepEqual(await server.hear(), { executed: 'four' });
  });

  test(`our client -> aiocoap server: RFC 8613 B.2, begun by aiocoap, which has no context, response #1 with ${name}`, 'Appendix B.2', async (t) => {
    for (const idContext of [undefined, fromHex('37cbf3210017a2d3')]) {
      const port = await freePort();
      const server = await aiocoapServer(t, port, ...more);
      const client = await renewing(t, contextA, { current: deriveContext(idContext === undefined ? contextA : { ...contextA, idContext }) });
      assert.equal(await asking(client, port, 'one'), 'one');
      assert.deepEqual(await server.hear(), { executed: 'one' });
      assert.deepEqual(steps(client), ['request-2', 'renewed']);
    }
  });
}

test('our client -> aiocoap server: RFC 8613 B.2, begun by aiocoap after it lost an established context', 'Appendix B.2', async (t) => {
  const port = await freePort();
  const first = await aiocoapServer(t, port);
  const client = await renewing(t, contextA, {});
  assert.equal(await asking(client, port, 'one'), 'one');
  assert.deepEqual(await first.hear(), { executed: 'one' });
  await first.process.stop('SIGKILL');
  const second = await aiocoapServer(t, port);
  // Many at once: each is answered with a response #1 of its own, and one run follows.
  const payloads = ['two', 'three', 'four'];
  assert.deepEqual(await Promise.all(payloads.map((payload) => asking(client, port, payload))), payloads);
  const executed: string[] = [];
  for (let i = 0; i < payloads.length; i++) executed.push((await second.hear<{ readonly executed: string }>()).executed);
  assert.deepEqual(executed.sort(), payloads.sort());
  assert.equal(steps(client).filter((step) => step === 'renewed').length, 2);
});
