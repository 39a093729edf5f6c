import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  Code,
  type DatagramTransport,
  findOption,
  type Handler,
  Method,
  OptionNumber,
  type Peer,
  pathOptions,
  type Request,
  Router,
} from '../../src/coap/index.ts';
import { fromUtf8, utf8 } from '../../src/core/bytes.ts';
import { type ClientConfig, type Connection, clientConnection, type DtlsAssociation, type Session } from '../../src/dtls/index.ts';
import { block1, body, brief } from '../coap/harness.ts';
import { Simulator } from '../support/simulator.ts';
import { alice, bob, clientAddress, identity, known, type Party, port, reach, serverAddress, serverKey, simulated, whoami } from './dtls-parties.ts';

const at = (address: string): string => `${address}:${port}`;
const empty = { sessions: 0, accepted: 0, admitted: 0, places: 0, handshakes: 0, failures: 0 };

/** Requests in the order in which a handler got them, by whom and for what. */
function recording(handler: Handler): { readonly asked: string[]; readonly handler: Handler } {
  const asked: string[] = [];
  return {
    asked,
    handler: (request, reply) => {
      asked.push(`${request.association?.credential} ${brief(request)}`);
      handler(request, reply);
    },
  };
}

async function ask(sim: Simulator, client: Party, fields: Partial<Request> = {}): Promise<string> {
  const peer = await sim.finish(reach(client));
  const response = await sim.finish(client.endpoint.request({ peer, ...fields }));
  return fromUtf8(response.payload);
}

/** A client that starts anew at the same address, with the same chances: it takes the same tokens and message ids as the one before. */
async function reborn(sim: Simulator, before: Party | undefined, options: Parameters<typeof simulated>[2]): Promise<Party> {
  if (before !== undefined) {
    // It says no word, as one that lost its power.
    sim.filter = ({ from }) => from !== at(clientAddress);
    await before.endpoint.close();
    sim.filter = undefined;
  }
  return simulated(sim, clientAddress, { name: 'the same', ...options });
}

describe('sessions of coaps', () => {
  it('RFC 7252 9.1.1: a message is no duplicate of one in another session from the same address', async () => {
    const sim = new Simulator();
    const { asked, handler } = recording(whoami);
    const server = simulated(sim, serverAddress, known, { handler });
    const first = await reborn(sim, undefined, { credentials: alice });
    assert.equal(await ask(sim, first), 'dtls alice');
    const second = await reborn(sim, first, { credentials: bob });
    assert.equal(await ask(sim, second), 'dtls bob');
    assert.deepEqual(asked, ['alice 0.01', 'bob 0.01']);
    assert.equal(server.transport.stats()['sessions'], 1, 'the second session has replaced the first');
    assert.equal(server.endpoint.stats()['peers'], 1);
  });

  it('blocks of one session do not go on with a body of another', async () => {
    const sim = new Simulator();
    const { asked, handler } = recording((_request, reply) => reply.respond({ code: Code.Changed, options: [], payload: utf8('') }));
    simulated(sim, serverAddress, known, { handler });
    const put = (client: Party, peer: Peer, num: number, more: number): Promise<{ readonly code: number }> =>
      sim.finish(
        client.endpoint.request({ peer, code: Method.PUT, options: [...pathOptions(['a']), block1(num, more, 16)], payload: body(16), oneBlock: true }),
      );
    const first = await reborn(sim, undefined, { credentials: alice });
    assert.equal((await put(first, await sim.finish(reach(first)), 0, 1)).code, Code.Continue);
    const second = await reborn(sim, first, { credentials: bob });
    assert.equal((await put(second, await sim.finish(reach(second)), 1, 0)).code, Code.RequestEntityIncomplete);
    assert.deepEqual(asked, []);
  });

  it('an observation ends with its session, at the server and at the client', async () => {
    const sim = new Simulator();
    const router = new Router();
    let state = 0;
    const resource = router.resource('/state', { get: () => `${state++}`, observable: true });
    const server = simulated(sim, serverAddress, known, { handler: router.handler });
    const first = await reborn(sim, undefined, { credentials: alice });
    const stream = first.endpoint.observe({ peer: await sim.finish(reach(first)), options: pathOptions(['state']) });
    assert.equal(fromUtf8((await sim.finish(stream.next())).value!.payload), '0');
    assert.equal(server.endpoint.stats()['observers'], 1);
    assert.equal(server.transport.end('alice'), 1);
    await assert.rejects(sim.finish(stream.next()), { code: 'ERR_COAP_SESSION' });
    assert.equal(server.endpoint.stats()['observers'], 0);
    assert.deepEqual([server.transport.stats(), first.transport.stats()], [empty, empty]);
    // A client that never said goodbye: the session of the next at its address takes the place.
    const again = first.endpoint.observe({ peer: await sim.finish(reach(first)), options: pathOptions(['state']) });
    await sim.finish(again.next());
    const second = await reborn(sim, first, { credentials: bob });
    assert.equal(await ask(sim, second, { options: pathOptions(['state']) }), '2');
    assert.equal(server.endpoint.stats()['observers'], 0);
    const before = sim.wire.length;
    resource.changed();
    await sim.sleep(1000);
    assert.equal(sim.wire.length, before, 'nobody is notified');
  });

  it('a server that has lost the session: the request fails, nothing is carried out twice, and the next opens another', async () => {
    const sim = new Simulator();
    const { asked, handler } = recording(whoami);
    const server = simulated(sim, serverAddress, known, { handler });
    const client = simulated(sim, clientAddress, { credentials: alice });
    assert.equal(await ask(sim, client, { code: Method.POST }), 'dtls alice');
    sim.filter = ({ from }) => from !== at(serverAddress);
    await server.endpoint.close();
    sim.filter = undefined;
    simulated(sim, serverAddress, known, { handler });
    const peer = await sim.finish(reach(client));
    const waiting = [client.endpoint.request({ peer, code: Method.POST }), client.endpoint.request({ peer, code: Method.POST })];
    const failed = await sim.finish(Promise.allSettled(waiting));
    assert.deepEqual(
      failed.map((result) => result.status === 'rejected' && result.reason.code),
      ['ERR_COAP_TIMEOUT', 'ERR_COAP_SESSION'],
      'the one that was sent tells the session to be lost, and nothing waits for it any more',
    );
    assert.ok(sim.now < 100_000, 'after MAX_TRANSMIT_WAIT');
    assert.equal(await ask(sim, client, { code: Method.POST }), 'dtls alice');
    assert.equal(asked.length, 2);
  });

  it('a session that ended in order leads to another with the next request', async () => {
    const sim = new Simulator();
    const server = simulated(sim, serverAddress, known, { handler: whoami });
    const client = simulated(sim, clientAddress, { credentials: alice });
    const peer = await sim.finish(reach(client));
    server.transport.end('alice');
    await sim.run(() => client.transport.stats()['sessions'] === 0);
    await assert.rejects(sim.finish(client.endpoint.request({ peer })), { code: 'ERR_COAP_SESSION' });
    const again = await sim.finish(reach(client));
    assert.notEqual(again.key, peer.key);
    assert.equal((again.association as DtlsAssociation).isResumed, true, 'by a short handshake');
    assert.equal(await ask(sim, client), 'dtls alice');
  });

  it('a handshake that nobody answers ends with ERR_DTLS_TIMEOUT, and no retransmission of CoAP runs meanwhile', async () => {
    const sim = new Simulator();
    const client = simulated(sim, clientAddress, { credentials: alice });
    await assert.rejects(sim.finish(reach(client)), { code: 'ERR_DTLS_TIMEOUT' });
    assert.equal(client.endpoint.stats()['deadlines'], 0);
    assert.deepEqual(client.transport.stats(), empty);
  });

  it('a session that is quiet for the idle time ends, and the other side hears of it', async () => {
    const sim = new Simulator();
    const server = simulated(sim, serverAddress, { ...known, server: { ...known.server, idleLifetime: 8000 } }, { handler: whoami });
    const client = simulated(sim, clientAddress, { credentials: alice });
    for (let i = 0; i < 4; i++) {
      await ask(sim, client);
      await sim.sleep(6000);
      assert.equal(server.transport.stats()['sessions'], 1);
    }
    await sim.sleep(4000);
    assert.deepEqual([server.transport.stats(), client.transport.stats()], [empty, empty]);
  });

  it('of the sessions that we open the quietest makes room, and no more than the bound are held', async () => {
    const sim = new Simulator();
    const servers = ['10.0.1.1', '10.0.1.2', '10.0.1.3'];
    for (const address of servers) simulated(sim, address, known, { handler: whoami });
    const client = simulated(sim, clientAddress, { credentials: alice, sessions: 2 });
    for (const address of servers) {
      await sim.finish(client.endpoint.resolve(address, port));
      await sim.sleep(15_000);
    }
    assert.equal(client.transport.stats()['sessions'], 2);
    const closed = client.events.flatMap((event) => (event.type === 'session' && event.state === 'closed' ? [event.peer.address] : []));
    assert.deepEqual(closed, ['10.0.1.1']);
  });

  it('who wants to resume as one who has another key by now, and then proves nothing, goes by no name', async () => {
    const sim = new Simulator();
    let key = utf8('the key of then.');
    const server = { psk: {}, rawPublicKey: { own: serverKey } };
    const { events } = simulated(sim, serverAddress, { server, authenticator: { psk: () => ({ key, credential: 'alice' }) } });
    const client = (name: string, session?: Session): Connection => {
      const below = sim.transport(name, port);
      const config: ClientConfig = { psk: { identity, key: utf8('the key of then.') }, rawPublicKey: {}, ...(session === undefined ? {} : { session }) };
      const connection = clientConnection({ ...config, ...(session === undefined ? { suites: ['TLS_PSK_WITH_AES_128_CCM_8'] } : {}) }, sim.env(name), {
        send: (datagram) => below.send(datagram, sim.peer(serverAddress, port)),
        emit: (event) => {
          if (event.type === 'peer-key') connection.acceptPeer();
        },
      });
      below.start((datagram) => connection.receive(datagram));
      connection.start();
      return connection;
    };
    const first = client('10.0.1.1');
    await sim.run(() => first.isConnected, 5000);
    key = utf8('the key of today');
    const second = client('10.0.1.2', first.session);
    await sim.run(() => second.isConnected, 5000);
    await sim.sleep(100);
    const opened = events.flatMap((event) => (event.type === 'session' && event.state === 'opened' ? [event.peer.association] : []));
    assert.deepEqual(
      opened.map((association) => [(association as DtlsAssociation).peerIdentity.type, association?.credential]),
      [
        ['psk', 'alice'],
        ['anonymous', undefined],
      ],
    );
  });

  it('two ends that open a session with each other have two', async () => {
    const sim = new Simulator();
    const left = simulated(sim, serverAddress, { ...known, credentials: alice }, { handler: whoami });
    const right = simulated(sim, clientAddress, { ...known, credentials: bob }, { handler: whoami });
    await sim.finish(Promise.all([left.endpoint.resolve(clientAddress, port), right.endpoint.resolve(serverAddress, port)]));
    const answers = await sim.finish(
      Promise.all([
        left.endpoint.request({ peer: await sim.finish(left.endpoint.resolve(clientAddress, port)) }),
        right.endpoint.request({ peer: await sim.finish(right.endpoint.resolve(serverAddress, port)) }),
      ]),
    );
    assert.deepEqual(
      answers.map(({ payload }) => fromUtf8(payload)),
      ['dtls alice', 'dtls bob'],
    );
    assert.deepEqual([left.transport.stats()['sessions'], right.transport.stats()['sessions']], [2, 2]);
  });
});

/** A client behind a NAT that gives it another address when it is told to. */
class Nat implements DatagramTransport {
  readonly local: DatagramTransport['local'];
  readonly #sim: Simulator;
  #outside: DatagramTransport;
  #receive: ((datagram: Uint8Array, peer: Peer) => void) | undefined;

  constructor(sim: Simulator, address: string) {
    this.#sim = sim;
    this.#outside = sim.transport(address, port);
    this.local = this.#outside.local;
  }

  start(receive: (datagram: Uint8Array, peer: Peer) => void): void {
    this.#receive = receive;
    this.#outside.start(receive);
  }

  rebind(address: string): void {
    void this.#outside.close();
    this.#outside = this.#sim.transport(address, port);
    this.#outside.start(this.#receive!);
  }

  send(datagram: Uint8Array, peer: Peer): void {
    this.#outside.send(datagram, peer);
  }

  resolve(host: string, at: number): Promise<Peer> {
    return this.#outside.resolve(host, at);
  }

  close(): Promise<void> {
    return this.#outside.close();
  }
}

describe('RFC 9146: a client whose address changes', () => {
  const withIds = { ...known, server: { ...known.server, connectionIdLength: 4 } };
  const moved = '10.0.0.9';

  it('is the same peer, and its observation goes on', async () => {
    const sim = new Simulator();
    const router = new Router();
    let state = 0;
    const resource = router.resource('/state', { get: () => `${state++}`, observable: true });
    router.resource('/who', { get: ({ association, peer }) => `${association?.credential} at ${peer.address}` });
    const server = simulated(sim, serverAddress, withIds, { handler: router.handler });
    const nat = new Nat(sim, clientAddress);
    const client = simulated(sim, clientAddress, { credentials: alice, below: nat });
    const stream = client.endpoint.observe({ peer: await sim.finish(reach(client)), options: pathOptions(['state']) });
    await sim.finish(stream.next());
    nat.rebind(moved);
    assert.equal(await ask(sim, client, { options: pathOptions(['who']) }), `alice at ${moved}`);
    resource.changed();
    assert.equal(fromUtf8((await sim.finish(stream.next())).value!.payload), '1');
    assert.equal(server.transport.stats()['sessions'], 1);
    assert.equal(server.endpoint.stats()['peers'], 1);
  });

  it('Section 6: is sent little until it has shown by an Echo that it receives there', async () => {
    const sim = new Simulator();
    const large = utf8('x'.repeat(900));
    const challenges: boolean[] = [];
    const { asked, handler } = recording((request, reply) => {
      challenges.push(findOption(request.options, OptionNumber.Echo) !== undefined);
      reply.respond({ code: Code.Content, options: [], payload: large });
    });
    simulated(sim, serverAddress, withIds, { handler });
    const nat = new Nat(sim, clientAddress);
    const client = simulated(sim, clientAddress, { credentials: alice, below: nat });
    assert.equal((await ask(sim, client)).length > 0, true);
    assert.equal(asked.length, 1, 'the handshake has shown the first address');
    nat.rebind(moved);
    // Somebody sends the client's newest record from an address that is not its own, and keeps the answers away from it.
    let sent = 0;
    let received = 0;
    let captive = true;
    sim.filter = ({ from, to, datagram }) => {
      if (from === at(moved)) sent += datagram.length + 42;
      if (to === at(moved)) received += datagram.length + 42;
      return !captive || to !== at(moved);
    };
    const peer = await sim.finish(reach(client));
    const response = client.endpoint.request({ peer });
    await sim.sleep(20_000);
    assert.ok(received <= 3 * sent, `${received} bytes went to an address that sent ${sent}`);
    captive = false;
    assert.deepEqual((await sim.finish(response)).payload, large);
  });

  it('Section 6: a record that is not the newest, or does not verify, moves nobody', async () => {
    const sim = new Simulator();
    const server = simulated(sim, serverAddress, withIds, { handler: whoami });
    const client = simulated(sim, clientAddress, { credentials: alice });
    await ask(sim, client);
    await ask(sim, client);
    const records = sim.wire.filter(({ from, datagram }) => from === at(clientAddress) && datagram[0] === 25);
    const [older, newest] = records.slice(-2).map(({ datagram }) => datagram);
    for (const datagram of [older!, newest!, newest!.map((byte, i) => (i === newest!.length - 1 ? byte ^ 1 : byte))])
      sim.inject(datagram, at('10.6.6.6'), at(serverAddress));
    await sim.sleep(1000);
    const { port: there } = client.endpoint.local;
    const peer = await sim.finish(server.endpoint.resolve(clientAddress, there));
    assert.equal(peer.address, clientAddress);
    assert.ok(!sim.wire.some(({ to }) => to === at('10.6.6.6')), 'nothing goes there');
  });
});
