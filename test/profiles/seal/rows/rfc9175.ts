import assert from 'node:assert/strict';
import {
  blockwise,
  Code,
  type DatagramTransport,
  decodeMessage,
  EchoTimestamps,
  Endpoint,
  echo,
  encodeMessage,
  findOption,
  isRequest,
  type Message,
  MessageType,
  Method,
  OptionNumber,
  opaqueOption,
  type Peer,
  pathOptions,
} from '../../../../src/coap/index.ts';
import { concat, fromUtf8, toHex, utf8 } from '../../../../src/core/bytes.ts';
import { authenticatorOf, dtlsOver } from '../../../../src/transport/index.ts';
import { ask, association, block1, body, brief, Listener, option, peer, request, response, Wire } from '../../../coap/harness.ts';
import { trafficOf } from '../../../support/amplification.ts';
import { type Packet, Simulator } from '../../../support/simulator.ts';
import { inLab, type Lab, type Rows, serverAddress } from './lab.ts';

const freshness = { required: ({ code }: { readonly code: number }): boolean => code !== Method.GET, window: 1000 };
const echoOption = (value: Uint8Array) => opaqueOption(OptionNumber.Echo, value);
const tagged = (hex: string) => opaqueOption(OptionNumber.RequestTag, Uint8Array.from(Buffer.from(hex, 'hex')));

/** OSCORE requests to the SEAL server. */
function requestsTo(lab: Lab, since = 0): Packet[] {
  return lab.simulator.wire.slice(since).filter(({ to, datagram }) => {
    const { code, options } = decodeMessage(datagram);
    return to === serverAddress && isRequest(code) && findOption(options, OptionNumber.Oscore) !== undefined;
  });
}

/** RFC 9175, Section 2.3: what changes something is carried out when it is fresh, after one challenge, and not when it was held back. */
async function stateChangesAreFresh(): Promise<void> {
  await inLab({ server: { freshness } }, async (lab) => {
    await lab.fetch('/note', { scope: 'note:read note:write' });
    const before = lab.simulator.wire.length;
    assert.equal((await lab.fetch('/note', { method: 'PUT', payload: 'fresh' })).codeText, '2.04');
    assert.equal(requestsTo(lab, before).length, 2, 'the request, and the request with the Echo');
    // What answers the next challenge is lost, and comes again when its Echo is old.
    let sent = 0;
    lab.simulator.filter = ({ to, datagram }) => to !== serverAddress || !isRequest(decodeMessage(datagram).code) || ++sent !== 2;
    const late = await lab.fetch('/note', { method: 'PUT', payload: 'stale' });
    assert.deepEqual([late.codeText, late.protected, lab.note], ['4.01', true, 'fresh']);
    assert.deepEqual(lab.handled, ['GET /note', 'PUT /note']);
    lab.simulator.filter = undefined;
    assert.equal((await lab.fetch('/note', { method: 'PUT', payload: 'again' })).codeText, '2.04', 'it is challenged anew');
  });
}

/** RFC 9175, Sections 2.2 and 2.3: a value has 1 to 40 bytes, and is good for one endpoint, for a time, and for one life of the server. */
async function valuesAreBound(): Promise<void> {
  const simulator = new Simulator();
  const values = new EchoTimestamps(simulator.env('one life'), 1000);
  const [mine, other, bare] = [{ peer: peer(1), association: association('x') }, { peer: peer(1), association: association('y') }, { peer: peer(1) }];
  const value = values.issue(mine);
  assert.ok(value.length >= 1 && value.length <= 40);
  assert.deepEqual(
    [mine, other, bare].map((endpoint) => values.verify(value, endpoint)),
    [true, false, false],
  );
  assert.equal(values.verify(values.issue(bare), { peer: peer(2) }), false, 'another address');
  assert.equal(new EchoTimestamps(simulator.env('another life'), 1000).verify(value, mine), false, 'the key is a new one after a restart');
  await simulator.sleep(1001);
  assert.equal(values.verify(value, mine), false, 'an old value');
}

/** RFC 9175, Section 2.3: the client answers a challenge of its server once, and no other. */
function clientAnswersItsServer(): void {
  const sentAfter = (value: number, by?: string): number => {
    const layer = echo({}, new Simulator().env());
    const wire = new Wire((message, reply) => {
      const challenge = response(Code.Unauthorized, '', [echoOption(new Uint8Array(value).fill(1))]);
      reply.respond(by === undefined ? challenge : { ...challenge, association: association(by) });
      assert.ok(wire.requests.length < 3, `asked again ${message.code}`);
    });
    const listener = new Listener();
    layer.outbound(wire.requester)(request(Method.PUT, 'a', { association: association('x') }), listener);
    layer.close();
    return wire.requests.length;
  };
  assert.deepEqual(
    [0, 1, 40, 41].map((length) => sentAfter(length)),
    [1, 2, 2, 1],
    'lengths',
  );
  assert.equal(sentAfter(8, 'none'), 1, 'a challenge from outside the association');
}

/** RFC 9175, Section 2.4: three times at most to an address that has not shown itself, all of it to one that has. */
async function addressesAreVerified(): Promise<void> {
  await inLab({}, async (lab) => {
    for (let number = 0; number < 30; number++)
      lab.server.resource(`/large/${number}`, { get: () => '', attributes: { title: 'a resource with a long title' } });
    await lab.plain('GET', '/.well-known/core');
    const { wire } = lab.simulator;
    const answered = wire.find(({ from }) => from === serverAddress)!;
    assert.ok(trafficOf(lab.simulator, serverAddress, answered.to, answered.time).excess <= 0, 'more than three times what came');
    assert.ok(answered.datagram.length <= 136);
    const value = findOption(decodeMessage(answered.datagram).options, OptionNumber.Echo)?.value;
    assert.ok(value !== undefined && wire.some(({ to, datagram }) => to === serverAddress && toHex(datagram).includes(toHex(value))));
  });
}

/** RFC 8613, Appendix B.1.2: a SEAL server that has lost its replay window carries out nothing before an Echo came back. */
async function lostWindowIsRestored(): Promise<void> {
  await inLab({}, async (lab) => {
    await lab.fetch('/note', { method: 'PUT', payload: 'one' });
    const recorded = requestsTo(lab);
    await lab.restartServer();
    for (const { datagram, from } of recorded) lab.simulator.inject(datagram, from, serverAddress);
    await lab.simulator.sleep(1000);
    assert.deepEqual(lab.handled, ['PUT /note'], 'a recorded request was carried out by a server that was started anew');
    const before = lab.simulator.wire.length;
    await lab.fetch('/note', { method: 'PUT', payload: 'two' });
    assert.deepEqual([lab.note, requestsTo(lab, before).length], ['two', 2], 'challenged once');
  });
}

/** RFC 9175, Section 3.3: the server takes blocks of one Request-Tag list together, and no others. */
function blocksAreMatched(): void {
  const bodies: string[] = [];
  const inbound = blockwise({}, new Simulator().env()).inbound((message, reply) => {
    bodies.push(toHex(message.payload));
    reply.respond(response(Code.Changed));
  });
  const put = (number: number, more: number, start: number, tag?: string): string => {
    const options = [block1(number, more, 16), ...(tag === undefined ? [] : [tagged(tag)])];
    return brief(ask(inbound, request(Method.PUT, 'a', { options, payload: body(16, start), association: association('x') })).last);
  };
  assert.deepEqual([put(0, 1, 1), put(0, 1, 2, '01')], ['2.31 1:0/1/16', '2.31 1:0/1/16']);
  assert.equal(put(1, 0, 3, '02'), '4.08', 'a block of a third operation');
  assert.deepEqual([put(1, 0, 4, '01'), put(1, 0, 5)], ['2.04 1:1/0/16', '2.04 1:1/0/16']);
  assert.deepEqual(bodies, [toHex(concat(body(16, 2), body(16, 4))), toHex(concat(body(16, 1), body(16, 5)))]);
}

/** RFC 9175, Section 3.5: the client gives operations on one target, at one time, different lists, and none that an unfinished one had. */
function operationsAreTold(): void {
  const layer = blockwise({ szx: 0 }, new Simulator().env());
  const wire = new Wire(() => {});
  const put = (): (() => void) =>
    layer.outbound(wire.requester)(request(Method.PUT, 'a', { payload: body(20), association: association('x') }), new Listener());
  const cancel = put();
  put();
  cancel();
  put();
  const tags = wire.requests.map((message) => option(message, OptionNumber.RequestTag) ?? 'none');
  assert.equal(new Set(tags).size, 3, `expected three different tags, got ${tags}`);
}

/** Two bodies on their way at once from one SIM-C to one resource: each is whole. */
async function bodiesAreWhole(): Promise<void> {
  const taken: string[] = [];
  const resources = (server: Lab['server']): void => {
    server.resource('/note', { put: (message) => void taken.push(message.text()) });
  };
  await inLab({ resources }, async (lab) => {
    const put = (letter: string): Promise<unknown> => lab.simC.fetch(`${lab.serverUri}/note`, { method: 'PUT', payload: letter.repeat(2500) });
    await lab.finish(put('a'));
    await lab.finish(Promise.all([put('b'), put('c')]));
    assert.deepEqual(taken.map((text) => [...new Set(text)].join('') + text.length).sort(), ['a2500', 'b2500', 'c2500']);
  });
}

/** A CoAP client, and a server that answers when it is told, each time over a channel that is opened anew where the transport has any. */
interface Exchange {
  readonly client: Endpoint;
  readonly transport: DatagramTransport;
  reach(): Promise<Peer>;
  /** Give up the channel, if there is one. */
  reopen(): void;
}

function plainExchange(simulator: Simulator): Exchange {
  const client = new Endpoint({ transport: simulator.transport('10.0.0.3', 5683), env: simulator.env('client') });
  const there = simulator.peer('10.0.0.2', 5683);
  return { client, transport: simulator.transport('10.0.0.2', 5683), reach: () => Promise.resolve(there), reopen: () => {} };
}

function dtlsExchange(simulator: Simulator): Exchange {
  const psk = { identity: Uint8Array.of(1), key: new Uint8Array(16).fill(1) };
  const own = dtlsOver(simulator.transport('10.0.0.3', 5684), { env: simulator.env('client'), credentials: { psk } });
  const authenticator = authenticatorOf({ psk: [{ ...psk, credential: 'client' }] });
  const server = dtlsOver(simulator.transport('10.0.0.2', 5684), { env: simulator.env('server'), server: { psk: {} }, authenticator });
  const client = new Endpoint({ transport: own, env: simulator.env('client') });
  return { client, transport: server, reach: () => own.resolve('10.0.0.2', 5684), reopen: () => void server.end('client') };
}

/** RFC 9175, Sections 4.1 and 4.2: no token comes twice, so what is late for one request is nothing to another, in this session or the next. */
async function lateResponsesFindNothing(make: (simulator: Simulator) => Exchange): Promise<void> {
  const simulator = new Simulator();
  const { client, transport, reach, reopen } = make(simulator);
  const asked: { readonly token: Uint8Array; readonly from: Peer }[] = [];
  transport.start((datagram, from) => {
    const { code, token } = decodeMessage(datagram);
    if (isRequest(code)) asked.push({ token: token.slice(), from });
  });
  const options = pathOptions(['a']);
  for (let number = 0; number < 10; number++) {
    const controller = new AbortController();
    const given = client.request({ peer: await simulator.finish(reach()), options }, { signal: controller.signal });
    given.catch(() => {});
    await simulator.sleep(100);
    controller.abort();
    reopen();
    await simulator.sleep(100);
  }
  const late = asked.map(({ token }) => token);
  assert.equal(new Set(late.map(toHex)).size, 10, 'a token came twice');
  const pending = client.request({ peer: await simulator.finish(reach()), options });
  await simulator.sleep(100);
  const { token, from } = asked.at(-1)!;
  let id = 0x7000;
  for (const old of late) transport.send(encodeMessage(answer(old, ++id, 'late')), from);
  await simulator.sleep(100);
  transport.send(encodeMessage(answer(token, ++id, 'right')), from);
  assert.equal(fromUtf8((await simulator.finish(pending)).payload), 'right');
  await client.close();
  await transport.close();
}

function answer(token: Uint8Array, id: number, payload: string): Message {
  return { type: MessageType.NON, code: Code.Content, id, token, options: [], payload: utf8(payload) };
}

/** The enhancements of RFC 9175. */
export const rows: Rows = {
  'R-201': async () => {
    await stateChangesAreFresh();
    await valuesAreBound();
    clientAnswersItsServer();
    await addressesAreVerified();
    await lostWindowIsRestored();
  },
  'R-202': async () => {
    blocksAreMatched();
    operationsAreTold();
    await bodiesAreWhole();
  },
  'R-203': async () => {
    await lateResponsesFindNothing(plainExchange);
    await lateResponsesFindNothing(dtlsExchange);
  },
};
