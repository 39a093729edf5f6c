import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Audit } from '../../src/as/audit.ts';
import type { AuthorizationServerEvent } from '../../src/as/events.ts';
import { peersOnly } from '../../src/as/guard.ts';
import type { Registry } from '../../src/as/registry/registry.ts';
import { Code, type Handler, Method, type Reply, type Request } from '../../src/coap/index.ts';
import { emptyBytes } from '../../src/core/bytes.ts';
import { Clock } from '../ace/clock.ts';

const request: Request = {
  code: Method.POST,
  options: [],
  payload: emptyBytes,
  peer: { key: 'peer', address: '192.0.2.1', port: 5683 },
  association: { kind: 'oscore', id: '1', credential: 'client:c1#1' },
};

/** What the guard answers where the store is asked for the peer, and what it tells. */
async function passed(peer: () => Promise<unknown>, next: Handler, stale: () => void = () => {}) {
  const events: AuthorizationServerEvent[] = [];
  const codes: number[] = [];
  let pending = 1;
  const layer = peersOnly({
    registry: { fixedPeer: () => undefined, peer } as unknown as Registry,
    pending: () => pending,
    stale,
    audit: new Audit({ sink: undefined, env: new Clock(), tell: (event) => events.push(event) }),
  });
  const guard = layer.inbound(next);
  const reply = { respond: ({ code }: { readonly code: number }) => codes.push(code) } as unknown as Reply;
  guard(request, reply);
  await new Promise((resolve) => setImmediate(resolve));
  const said = { codes: [...codes], events: [...events] };
  // Whatever came of it, it waits no more.
  guard(request, reply);
  pending = 0;
  guard(request, reply);
  return { ...said, busy: codes.slice(said.codes.length).filter((code) => code === Code.ServiceUnavailable).length };
}

const fault = (detail: string): AuthorizationServerEvent => ({ type: 'fault', reason: 'TypeError', detail });

test('a handler that throws after the guard has looked at the store: 5.00 and a fault, and the process goes on', async () => {
  const next: Handler = () => {
    throw new TypeError('a handler');
  };
  assert.deepEqual(await passed(async () => ({}), next), { codes: [Code.InternalServerError], events: [fault('a handler')], busy: 1 });
});

test('a store that throws, and whoever is told that an association is stale: 5.00 or the refusal, and a fault', async () => {
  const fails = (detail: string) => (): never => {
    throw new TypeError(detail);
  };
  const none: Handler = () => assert.fail('it was let through');
  assert.deepEqual(await passed(async () => fails('the store')(), none), { codes: [Code.InternalServerError], events: [fault('the store')], busy: 1 });
  const { codes, events } = await passed(async () => undefined, none, fails('stale'));
  assert.equal(codes[0], Code.Unauthorized);
  assert.deepEqual(events.at(-1), fault('stale'));
});
