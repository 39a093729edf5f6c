import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  Code,
  decodeMessage,
  Endpoint,
  type Handler,
  Method,
  OptionNumber,
  pathOptions,
  type Response,
  Router,
  uintOf,
  uintOption,
} from '../../../src/coap/index.ts';
import { emptyBytes, fromHex, toHex, utf8 } from '../../../src/core/bytes.ts';
import { RawPeer } from '../../support/raw-peer.ts';
import { Simulator } from '../../support/simulator.ts';

const answering =
  (code: number): Handler =>
  (_request, reply) =>
    reply.respond({ code, options: [], payload: utf8('x') });

/** A server and a raw peer. */
function serverOf(handler: Handler) {
  const sim = new Simulator({ seed: 4 });
  const server = new Endpoint({ transport: sim.transport('10.0.0.1', 5683), env: sim.env('server'), handler });
  return { sim, server, raw: new RawPeer(sim, '10.0.0.2', sim.peer('10.0.0.1', 5683)) };
}

/** GET with No-Response, 258: delta 13+245, one byte; empty for 0. */
const get = (type: 'CON' | 'NON', value: number, id = '1234'): string =>
  `${type === 'CON' ? '41' : '51'}01${id}aa${value === 0 ? 'd0f5' : `d1f5${value.toString(16).padStart(2, '0')}`}`;

describe('RFC 7967 2.1: the server', () => {
  const classes = [
    [Code.Content, 2],
    [Code.NotFound, 8],
    [Code.InternalServerError, 16],
  ] as const;

  test('leaves out the classes whose bits are set, and no others', async () => {
    for (const [code, bit] of classes) {
      for (const value of [0, 2, 8, 16, 10, 18, 24, 26]) {
        const { raw, server } = serverOf(answering(code));
        const replies = await raw.exchange(get('NON', value));
        assert.equal(replies.length, (value & bit) === 0 ? 1 : 0, `${code} ${value}`);
        assert.equal(server.stats()['replies'], 0);
      }
    }
  });

  test('a Confirmable request gets its Empty acknowledgement, and a duplicate too', async () => {
    const { raw } = serverOf(answering(Code.Content));
    assert.deepEqual(await raw.exchange(get('CON', 26)), ['60001234']);
    assert.deepEqual(await raw.exchange(get('CON', 26)), ['60001234']);
  });

  test('bits without a meaning are ignored, and so is an option that is too long', async () => {
    const { raw } = serverOf(answering(Code.Content));
    assert.equal((await raw.exchange(get('NON', 0xe5))).length, 1);
    assert.equal((await raw.exchange('51011235aad2f5021a')).length, 1);
  });

  test('holds for a separate response', async () => {
    const sim = new Simulator();
    new Endpoint({
      transport: sim.transport('10.0.0.1', 5683),
      env: sim.env('server'),
      handler: (request, reply) => sim.env('x').schedule(3000, () => answering(Code.Content)(request, reply)),
    });
    const raw = new RawPeer(sim, '10.0.0.2', sim.peer('10.0.0.1', 5683));
    raw.send(get('CON', 2));
    await sim.sleep(100_000);
    assert.deepEqual(raw.received, ['60001234']);
  });

  test('a registration that wants no success is none; one that wants no errors ends without a word', async () => {
    const router = new Router();
    const handle = router.resource('/t', { get: () => '21', observable: true });
    const { raw, server, sim } = serverOf(router.handler);
    // Observe 0, Uri-Path t, No-Response: deltas 6, 5, 247.
    assert.deepEqual(await raw.exchange('51011234aa605174d1ea02'), []);
    assert.equal(handle.observers, 0);
    assert.equal(server.stats()['observers'], 0);
    assert.equal((await raw.exchange('51011235bb605174d1ea18')).length, 1);
    assert.equal(handle.observers, 1);
    handle.remove();
    await sim.sleep(20_000);
    assert.ok(raw.received.every((hex) => decodeMessage(fromHex(hex)).code === Code.Content));
    assert.equal(server.stats()['observers'], 0);
  });
});

/** A client and the raw peer it asks. */
function clientOf() {
  const sim = new Simulator({ seed: 4 });
  const client = new Endpoint({ transport: sim.transport('10.0.0.1', 5683), env: sim.env('client') });
  const raw = new RawPeer(sim, '10.0.0.2', sim.peer('10.0.0.1', 5683));
  return { sim, client, raw };
}

describe('RFC 7967: the client', () => {
  test('Non-confirmable and 26 unless it says otherwise; done as soon as it has left', async () => {
    const { sim, client, raw } = clientOf();
    assert.equal(await client.send({ peer: raw.peer, code: Method.PUT, options: pathOptions(['led']), payload: utf8('on') }), undefined);
    await sim.sleep(50);
    const { type, options, payload } = decodeMessage(fromHex(raw.received[0]!));
    assert.equal(type, 1);
    assert.equal(uintOf(options, OptionNumber.NoResponse), 26);
    assert.deepEqual(payload, utf8('on'));
    // It counts for congestion control until PROBING_RATE lets the next one go; then nothing is left of it.
    assert.equal(client.stats()['outstanding'], 1);
    await sim.sleep(60_000);
    assert.equal(client.stats()['requests'], 0);
    assert.equal(client.stats()['outstanding'], 0);
    await sim.run();
    assert.equal(raw.received.length, 1);
  });

  test('a response that comes all the same is taken and thrown away', async () => {
    const { sim, client, raw } = clientOf();
    raw.onDatagram = (hex) => raw.send(`5184 0001 ${hex.slice(8, 10)}`.replace('5184', `5${hex[1]}a4`) + hex.slice(10, 8 + 2 * Number(hex[1])));
    await client.send({ peer: raw.peer });
    await sim.sleep(1000);
    assert.equal(raw.received.length, 1);
    assert.equal(client.stats()['requests'], 0);
  });

  test('Confirmable: done when it is acknowledged, or an error when it is not', async () => {
    const { sim, client, raw } = clientOf();
    raw.onDatagram = (hex) => raw.send(`6000${hex.slice(4, 8)}`);
    assert.equal(await sim.finish(client.send({ peer: raw.peer, nonConfirmable: false })), undefined);
    assert.equal(client.stats()['requests'], 0);
    raw.onDatagram = undefined;
    await assert.rejects(sim.finish(client.send({ peer: raw.peer, nonConfirmable: false })), { code: 'ERR_COAP_TIMEOUT' });
  });

  const respond = (response: Partial<Response>) => {
    const parties = serverOf((_request, reply) => reply.respond({ code: Code.Changed, options: [], payload: emptyBytes, ...response }));
    const client = new Endpoint({ transport: parties.sim.transport('10.0.0.3', 5683), env: parties.sim.env('client') });
    return { ...parties, client, peer: parties.sim.peer('10.0.0.1', 5683) };
  };

  test('with classes that are wanted: the response, or undefined when the wait is over', async () => {
    const failing = respond({ code: Code.Forbidden });
    assert.equal((await failing.sim.finish(failing.client.send({ peer: failing.peer }, { noResponse: 2 })))?.code, Code.Forbidden);
    const fine = respond({});
    assert.equal(await fine.sim.finish(fine.client.send({ peer: fine.peer }, { noResponse: 2, wait: 500 })), undefined);
    assert.equal(fine.sim.now, 500);
    assert.equal(fine.client.stats()['requests'], 0);
    for (const nonConfirmable of [true, false]) {
      const patient = respond({});
      assert.equal(await patient.sim.finish(patient.client.send({ peer: patient.peer, nonConfirmable }, { noResponse: 2 })), undefined);
      assert.equal(patient.client.stats()['requests'], 0);
    }
  });

  test('with classes that are wanted: the wait ends with the response', async () => {
    const deadlines: (number | undefined)[] = [];
    for (const options of [{ noResponse: 2 }, { noResponse: 2, wait: 60_000 }]) {
      const { sim, client, peer } = respond({ code: Code.Forbidden });
      await sim.finish(client.send({ peer }, options));
      deadlines.push(client.stats()['deadlines']);
    }
    assert.equal(deadlines[1], deadlines[0]);
  });

  test('a body of many blocks lives on its responses', async () => {
    const { client, raw } = clientOf();
    await assert.rejects(client.send({ peer: raw.peer, code: Method.PUT, payload: new Uint8Array(1025) }), { code: 'ERR_COAP_REQUEST' });
  });

  test('the option that a request has already gives way', async () => {
    const { sim, client, raw } = clientOf();
    await client.send({ peer: raw.peer, options: [uintOption(OptionNumber.NoResponse, 2)] });
    await sim.sleep(50);
    assert.match(raw.received[0]!, /d1f51a$/, toHex(fromHex(raw.received[0]!)));
  });
});
