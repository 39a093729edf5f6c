import assert from 'node:assert/strict';
import { after, type TestContext } from 'node:test';
import { Code, Method, pathOptions } from '../../src/coap/index.ts';
import { deriveContext } from '../../src/oscore/index.ts';
import { Californium, type CaliforniumClient } from './californium.ts';
import { testsWith } from './matrix.ts';
import { contextA, contextC, mirrored } from './oscore-peers.ts';
import { asking, options, renewing, serverOf, steps } from './renewal.ts';

const test = testsWith({ peer: 'Californium', transport: 'UDP', security: 'OSCORE' });

const californium = new Californium({ after });

async function told(client: CaliforniumClient, payload: string): Promise<readonly unknown[]> {
  const shown = await client.ask({ method: 'POST', path: '/told', payload, contentFormat: 0 });
  return [shown?.code, shown?.text, shown?.protected];
}

test('Californium client -> our server: RFC 8613 B.2, begun by the client', 'Appendix B.2', async (t) => {
  const server = await serverOf(t);
  const client = await californium.connect(t, server.uri(''), contextA, { change: { rederivation: 'CLIENT_INITIATE' } });
  assert.deepEqual(await told(client, 'one'), ['2.04', 'one', true]);
  assert.deepEqual(await told(client, 'two'), ['2.04', 'two', true]);
  assert.deepEqual(server.executed, ['one', 'two']);
  assert.deepEqual(steps(server), ['response-1', 'renewed']);
  assert.deepEqual(
    options(server).map(({ kidContext }) => kidContext?.length),
    [9, 17, 26, undefined, undefined, undefined],
  );
});

test('Californium client -> our server: RFC 8613 B.2, begun by our server, which has no context', 'Appendix B.2', async (t) => {
  const server = await serverOf(t);
  const client = await californium.connect(t, server.uri(''), contextC, { change: { rederivation: 'INACTIVE' } });
  // It leaves it to the application to ask again.
  assert.deepEqual(await told(client, 'one'), ['4.01', '', true]);
  assert.deepEqual(await told(client, 'two'), ['2.04', 'two', true]);
  assert.deepEqual(await told(client, 'three'), ['2.04', 'three', true]);
  assert.deepEqual(server.executed, ['two', 'three']);
  assert.deepEqual(steps(server), ['response-1', 'renewed']);
});

/** A Californium server that takes part in the procedure. */
function serve(t: TestContext, rederivation: 'INACTIVE' | 'SERVER_INITIATE', port = 0): Promise<number> {
  const of = rederivation === 'INACTIVE' ? contextA : contextC;
  return californium.serve(t, mirrored(of), { port, change: { rederivation } });
}

test('our client -> Californium server: RFC 8613 B.2, begun by our client', 'Appendix B.2', async (t) => {
  const port = await serve(t, 'INACTIVE');
  const client = await renewing(t, contextA, {});
  for (const payload of ['one', 'two', 'three']) assert.equal(await asking(client, port, payload), payload);
  assert.deepEqual(steps(client), ['request-1', 'request-2', 'renewed']);
  assert.deepEqual(Object.keys(options(client)[1]!), ['kidContext'], 'the nonce of request #1');
  client.renewable.renew();
  assert.equal(await asking(client, port, 'four'), 'four');
  assert.equal(steps(client).filter((step) => step === 'renewed').length, 2);
});

test('our client -> Californium server: RFC 8613 B.2, begun by Californium, which has lost a part of the context', 'Appendix B.2', async (t) => {
  const port = await serve(t, 'SERVER_INITIATE');
  const client = await renewing(t, contextA, { current: deriveContext(contextC) });
  for (const payload of ['one', 'two', 'three']) assert.equal(await asking(client, port, payload), payload);
  assert.deepEqual(steps(client), ['request-2', 'renewed']);
});

test('our client -> Californium server: RFC 8613 B.2, begun by our client after Californium lost the established context', 'Appendix B.2', async (t) => {
  const port = await serve(t, 'INACTIVE');
  const client = await renewing(t, contextA, {});
  assert.equal(await asking(client, port, 'one'), 'one');
  await californium.stop(port);
  await serve(t, 'INACTIVE', port);
  // It answers an ID Context that is no byte string with an unprotected 4.00, which anybody may have made: a GET begins anew by itself, a POST does not.
  const request = { peer: await client.peer(port), code: Method.GET, options: pathOptions(['oscore', 'hello', '1']), association: client.renewable };
  assert.equal((await client.endpoint.request(request, { timeout: 10_000 })).code, Code.Content);
  assert.equal(await asking(client, port, 'two'), 'two');
  assert.equal(steps(client).filter((step) => step === 'renewed').length, 2);
});

for (const direction of ['Californium client -> our server, begun by our server', 'our client -> Californium server, begun by Californium']) {
  const reason = 'Californium 3.13.0 joins R2 to the ID Context of the context that was lost, and fails where that had none';
  console.log(`RFC 8613 B.2, ${direction}, with a context without ID Context: cannot run: ${reason}`);
}
