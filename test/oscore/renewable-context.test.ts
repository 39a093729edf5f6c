import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../../src/coap/index.ts';
import { fromHex } from '../../src/core/bytes.ts';
import { decode } from '../../src/core/cbor.ts';
import { ContextTable, deriveContext, oscore, RenewableContext } from '../../src/oscore/index.ts';
import { ends, heardCodes, kidContextOf } from './renewal-support.ts';
import { answering, ask, FakeStore, fakeEnv, mirrored, parameters, request, Side, settle, Wire } from './support.ts';

test('the server knows its client by the credential of the input parameters, before and after', async () => {
  const { seen, renewable, ask: asked } = ends({}, { credential: 'client 1' });
  asked('x');
  await settle();
  renewable.renew();
  asked('y');
  await settle();
  assert.deepEqual(
    seen.map(({ association }) => [association!.kind, association!.credential]),
    [
      ['oscore', 'client 1'],
      ['oscore', 'client 1'],
    ],
  );
});

test('RFC 8613 B.2.1: a server whose table is full answers request #2 with an unprotected 5.03, unless an old context makes room', async () => {
  for (const [given, expected] of [
    [false, Code.ServiceUnavailable],
    [true, Code.Content],
  ] as const) {
    const client = new Side([]);
    const renewable = new RenewableContext(parameters);
    client.contexts.addRenewable(renewable);
    const contexts = new ContextTable({ limit: 1 });
    contexts.addRenewable(new RenewableContext(mirrored(parameters), given ? { current: deriveContext(mirrored(parameters)) } : {}));
    if (!given) contexts.add(deriveContext({ ...parameters, recipientId: fromHex('77') }));
    const layer = oscore({ contexts, store: new FakeStore(), env: fakeEnv() });
    const wire = new Wire(client.layer, layer, answering('ok'));
    const heard = ask(wire.requester, request(renewable));
    await settle();
    assert.deepEqual(heardCodes([heard]), [expected]);
    assert.equal(contexts.size, 1);
  }
});

test('RFC 8613 B.2: parameters that cannot be renewed are refused', () => {
  const wrong: (readonly [string, () => unknown])[] = [
    ['ERR_OSCORE_PARAMETERS', () => new RenewableContext({ ...parameters, idContext: fromHex('01') } as typeof parameters)],
    ['ERR_OSCORE_PARAMETERS', () => new RenewableContext(parameters, { nonceLength: 7 })],
    ['ERR_OSCORE_PARAMETERS', () => new RenewableContext(parameters, { nonceLength: 33 })],
    ['ERR_OSCORE_PARAMETERS', () => new RenewableContext(parameters, { current: deriveContext(mirrored(parameters)) })],
    ['ERR_OSCORE_PARAMETERS', () => new RenewableContext({ ...parameters, recipientId: parameters.senderId })],
    [
      'ERR_OSCORE_COLLISION',
      () => {
        const contexts = new ContextTable();
        contexts.addRenewable(new RenewableContext(parameters));
        contexts.addRenewable(new RenewableContext(parameters));
      },
    ],
    [
      'ERR_OSCORE_LIMIT',
      () => {
        const contexts = new ContextTable({ limit: 1 });
        contexts.addRenewable(new RenewableContext(parameters));
        contexts.addRenewable(new RenewableContext(mirrored(parameters)));
      },
    ],
  ];
  for (const [code, make] of wrong) assert.throws(make, { code });
});

test('the ID of renewable input parameters is not given away', () => {
  const contexts = new ContextTable();
  contexts.addRenewable(new RenewableContext({ ...parameters, recipientId: fromHex('51') }));
  assert.deepEqual(
    contexts.freeRecipientId(() => fromHex('51')),
    fromHex('52'),
  );
});

test('nonces of another length: R1, S2 and R3 have it', async () => {
  const { wire, ask: asked } = ends({ nonceLength: 16 }, { nonceLength: 12 });
  const heard = asked('x');
  await settle();
  assert.deepEqual(heardCodes([heard]), [Code.Content]);
  assert.deepEqual(
    [kidContextOf(wire.requests[0]!), kidContextOf(wire.responses[0]!), kidContextOf(wire.requests[1]!)].map((id) => (decode(id!) as Uint8Array).length),
    [16, 20, 36],
  );
});
