import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decodeIntrospectionResponse, decodeTokenResponse, encodeIntrospectionRequest } from '../../src/ace/index.ts';
import type { AuditedEvent, AuditSink, ClientRegistration } from '../../src/as/index.ts';
import { formatCode, Method, OptionNumber, pathOptions, type Response, uintOf } from '../../src/coap/index.ts';
import { fromHex, toBase64Url } from '../../src/core/bytes.ts';
import { ProtocolError } from '../../src/core/errors.ts';
import type { Store } from '../../src/store/index.ts';
import { asPeer, Flow } from './flow.ts';
import { clients, encryptKey, rs1, rs2 } from './support.ts';

const request = { audience: 'rs1', scope: 'r_temp' } as const;

/** An audit log that takes what it gets when the test lets it. */
class Sink implements AuditSink {
  readonly events: AuditedEvent[] = [];
  readonly #waiting: { readonly done: () => void; readonly failed: (error: unknown) => void }[] = [];
  holds = false;
  fails = false;

  append(event: AuditedEvent): Promise<void> {
    if (this.fails) return Promise.reject(new ProtocolError('ERR_AUDIT_WRITE', 'no space left'));
    this.events.push(event);
    if (!this.holds) return Promise.resolve();
    return new Promise((done, failed) => this.#waiting.push({ done, failed }));
  }

  release(): void {
    this.holds = false;
    for (const { done } of this.#waiting.splice(0)) done();
  }

  types(): string[] {
    return this.events.map(({ type }) => type);
  }
}

async function close(flow: Flow, ...parties: { close(): Promise<void> }[]): Promise<void> {
  for (const party of parties) await party.close();
  await flow.server?.close();
}

describe('audit', () => {
  test('an answer goes out when its entry is durable, and not before', async () => {
    const audit = new Sink();
    const flow = new Flow({ audit });
    await flow.start();
    const client = flow.peer(clients[0]!.credentials, 1);
    await client.token(request);
    audit.holds = true;
    let answer: Response | undefined;
    void client.tokenLater(request).then((response) => {
      answer = response;
    });
    await flow.sim.sleep(5_000);
    assert.equal(answer, undefined);
    assert.deepEqual(audit.types(), ['token-issued', 'token-issued']);
    audit.release();
    await flow.sim.sleep(100);
    assert.equal(formatCode(answer!.code), '2.01');
    await close(flow, client);
  });

  test('each issuance, refusal and introspection has one entry; single messages have none', async () => {
    const audit = new Sink();
    const flow = new Flow({ audit });
    await flow.start();
    const client = flow.peer(clients[0]!.credentials, 1);
    const rs = flow.peer(rs1.credentials, 2);
    const { accessToken } = decodeTokenResponse((await client.token(request)).payload);
    await client.token({ ...request, scope: 'w_door' });
    await rs.post('introspect', encodeIntrospectionRequest({ token: accessToken }));
    await client.post('introspect', fromHex('00'));
    await flow.sim.finish(flow.stranger(3).request({ code: Method.POST, peer: asPeer, options: pathOptions(['token']) }));
    assert.deepEqual(audit.types(), ['token-issued', 'token-refused', 'introspected', 'refused', 'refused']);
    assert.ok(flow.events.some(({ type }) => type === 'answered'));
    await close(flow, client, rs);
  });

  test('revoke() of a program is done when its entry is durable; where it cannot be written, the program hears of it and the token is revoked', async () => {
    const audit = new Sink();
    const flow = new Flow({ audit });
    await flow.start();
    const client = flow.peer(clients[0]!.credentials, 1);
    const tokens = [await client.token(request), await client.token(request)].map(({ payload }) => decodeTokenResponse(payload).accessToken);
    audit.holds = true;
    let revoked: boolean | undefined;
    void flow.server!.revoke(tokens[0]!).then((result) => {
      revoked = result;
    });
    await flow.sim.sleep(1000);
    assert.equal(revoked, undefined);
    audit.release();
    await flow.sim.sleep(10);
    assert.equal(revoked, true);
    assert.equal(audit.types().at(-1), 'token-revoked');
    audit.fails = true;
    await assert.rejects(flow.server!.revoke(tokens[1]!), { code: 'ERR_AS_AUDIT' });
    audit.fails = false;
    const answer = await client.post('introspect', encodeIntrospectionRequest({ token: tokens[1]! }));
    assert.equal(decodeIntrospectionResponse(answer.payload).active, false);
    await close(flow, client);
  });

  test('RFC 9770 11: a notification goes out when its entry is durable, and after that of the revocation', async () => {
    const audit = new Sink();
    const flow = new Flow({ audit });
    await flow.start();
    const client = flow.peer(clients[0]!.credentials, 1);
    const { accessToken } = decodeTokenResponse((await client.token(request)).payload);
    const told: Response[] = [];
    client.observe('revoke/trl', (response) => told.push(response));
    await flow.sim.sleep(1000);
    assert.equal(told.length, 1);
    audit.holds = true;
    void flow.server!.revoke(accessToken);
    await flow.sim.sleep(1000);
    assert.equal(told.length, 1);
    assert.deepEqual(audit.types().slice(-2), ['token-revoked', 'trl-queried']);
    audit.release();
    await flow.sim.sleep(1000);
    assert.equal(told.length, 2);
    await close(flow, client);
  });

  test('where the entry cannot be written the request is refused with 5.03, and service resumes by itself', async () => {
    const audit = new Sink();
    const flow = new Flow({ audit });
    await flow.start();
    const client = flow.peer(clients[0]!.credentials, 1);
    await client.token(request);
    audit.fails = true;
    const refused = await client.token(request);
    assert.equal(formatCode(refused.code), '5.03');
    assert.equal(refused.payload.length, 0);
    assert.equal(uintOf(refused.options, OptionNumber.MaxAge), 5);
    assert.deepEqual(flow.reasons().slice(-1), ['fault ERR_AUDIT_WRITE']);
    const stranger = flow.stranger(3);
    const unknown = await flow.sim.finish(stranger.request({ code: Method.POST, peer: asPeer, options: pathOptions(['token']) }));
    assert.equal(formatCode(unknown.code), '5.03');
    audit.fails = false;
    assert.equal(formatCode((await client.token(request)).code), '2.01');
    await close(flow, client, stranger);
  });

  test('a flood of strangers does not fill it: what is not written is not answered, and counted', async () => {
    const audit = new Sink();
    const flow = new Flow({ audit });
    const server = await flow.start();
    const datagram = fromHex('5002000ab5746f6b656e');
    for (let i = 0; i < 500; i++) flow.sim.inject(datagram.with(3, i).with(2, i >> 8), `10.0.0.9:${1000 + i}`, `${asPeer.address}:${asPeer.port}`);
    await flow.sim.sleep(1_000);
    const answered = flow.sim.wire.filter(({ from }) => from.startsWith(asPeer.address)).length;
    assert.equal(answered, audit.events.length);
    assert.equal(answered, 64);
    await server.close();
    const unrecorded = audit.events.reduce((sum, event) => sum + ('unrecorded' in event ? event.unrecorded! : 0), 0);
    assert.equal(unrecorded + answered, 500);
  });
});

describe('rate limits', () => {
  test('per client: 4.29 with Max-Age, whatever address it asks from, and no other client is touched', async () => {
    const flow = new Flow({ limits: { rate: { client: { burst: 3, rate: 0.5 } } } });
    await flow.start();
    const client = flow.peer(clients[0]!.credentials, 1);
    const other = flow.peer(clients[1]!.credentials, 2);
    const codes: string[] = [];
    for (let i = 0; i < 4; i++) codes.push(formatCode((await client.token(request)).code));
    assert.deepEqual(codes, ['2.01', '2.01', '2.01', '4.29']);
    const again = await client.token(request);
    assert.equal(uintOf(again.options, OptionNumber.MaxAge), 2);
    assert.equal(again.association?.kind, 'oscore');
    assert.equal(formatCode((await other.token(request)).code), '2.01');
    assert.equal(flow.reasons().at(-1), 'refused rate-client');
    await flow.sim.sleep(2_000);
    assert.equal(formatCode((await client.token(request)).code), '2.01');
    await close(flow, client, other);
  });

  test('per address: before anything is decrypted', async () => {
    const flow = new Flow({ limits: { rate: { address: { burst: 3, rate: 1 } } } });
    await flow.start();
    const stranger = flow.stranger(3);
    const garbage = { code: Method.POST, peer: asPeer, options: [{ number: OptionNumber.Oscore, value: fromHex('090199') }], payload: new Uint8Array(20) };
    const codes: string[] = [];
    for (let i = 0; i < 5; i++) codes.push(formatCode((await flow.sim.finish(stranger.request(garbage))).code));
    assert.deepEqual(codes, ['4.01', '4.01', '4.01', '4.29', '4.29']);
    const discarded = flow.events.filter((event) => event.type === 'profile' && event.event.type === 'oscore-discarded');
    assert.equal(discarded.length, 3);
    const client = flow.peer(clients[0]!.credentials, 1);
    assert.equal(formatCode((await client.token(request)).code), '2.01');
    await close(flow, client, stranger);
  });

  test('a clock that is set has no part in it', async () => {
    const flow = new Flow({ limits: { rate: { client: { burst: 1, rate: 0.1 } } } });
    await flow.start();
    const client = flow.peer(clients[0]!.credentials, 1);
    await client.token(request);
    flow.sim.clockSet = -3_600;
    assert.equal(uintOf((await client.token(request)).options, OptionNumber.MaxAge), 10);
    flow.sim.clockSet = 3_600;
    assert.equal(formatCode((await client.token(request)).code), '4.29');
    await close(flow, client);
  });
});

describe('drain', () => {
  test('what is under way is answered, what comes is told to come back', async () => {
    const audit = new Sink();
    const flow = new Flow({ audit });
    const server = await flow.start();
    const client = flow.peer(clients[0]!.credentials, 1);
    const late = flow.peer(clients[1]!.credentials, 2);
    await client.token(request);
    await late.token(request);
    audit.holds = true;
    let answer: Response | undefined;
    void client.tokenLater(request).then((response) => {
      answer = response;
    });
    await flow.sim.sleep(50);
    const drained = server.drain(10_000);
    let refusal: Response | undefined;
    void late.tokenLater(request).then((response) => {
      refusal = response;
    });
    await flow.sim.sleep(500);
    audit.release();
    assert.equal(await flow.sim.finish(drained), true);
    assert.equal(formatCode(answer!.code), '2.01');
    await flow.sim.sleep(100);
    assert.equal(formatCode(refusal!.code), '5.03');
    assert.deepEqual(flow.reasons().slice(-1), ['refused draining']);
    assert.equal(audit.types().at(-1), 'refused');
    await close(flow, client, late);
  });

  test('it ends within its bound', async () => {
    const audit = new Sink();
    const flow = new Flow({ audit });
    const server = await flow.start();
    const client = flow.peer(clients[0]!.credentials, 1);
    await client.token(request);
    audit.holds = true;
    client.tokenLater(request).catch(() => {});
    await flow.sim.sleep(50);
    assert.equal(await flow.sim.finish(server.drain(2_000)), false);
    audit.release();
    await close(flow, client);
  });
});

describe('reconfigure', () => {
  const setup = async () => {
    const flow = new Flow();
    const server = await flow.start();
    const first = flow.peer(clients[0]!.credentials, 1);
    await first.token(request);
    return { flow, server, first };
  };

  test('a peer that stays keeps its context: no Echo, and what was received once stays received', async () => {
    const { flow, server, first } = await setup();
    const changes = await server.reconfigure({ clients: clients.slice(0, 2), resourceServers: [rs1, rs2] });
    assert.deepEqual(changes, { added: [], changed: [], removed: ['client:c3', 'client:c4'] });
    const before = flow.sim.wire.length;
    assert.equal(formatCode((await first.token(request)).code), '2.01');
    assert.equal(flow.sim.wire.length - before, 2);
    const recorded = flow.sim.wire[before]!.datagram;
    const replayed = Uint8Array.from(recorded);
    // Another Message ID, so that it is no duplicate to the message layer.
    replayed[2]! ^= 0xff;
    const issued = flow.events.filter(({ type }) => type === 'token-issued').length;
    flow.sim.inject(replayed, '10.0.0.3:1', `${asPeer.address}:${asPeer.port}`);
    await flow.sim.sleep(1_000);
    assert.equal(flow.events.filter(({ type }) => type === 'token-issued').length, issued);
    await close(flow, first);
  });

  test('who is gone is refused, who is new is served, grants and limits change', async () => {
    const { flow, server, first } = await setup();
    const added: ClientRegistration = {
      id: 'c9',
      credentials: { masterSecret: new Uint8Array(16).fill(9), senderId: fromHex('00'), recipientId: fromHex('09') },
      grants: [{ audience: 'rs1', scope: 'w_led' }],
    };
    await server.reconfigure({
      clients: [{ ...clients[1]!, grants: [{ audience: 'rs1', scope: 'w_led' }] }, added],
      resourceServers: [rs1],
      limits: { tokensPerClient: 1 },
    });
    assert.equal(formatCode((await first.token(request)).code), '4.01');
    const second = flow.peer(clients[1]!.credentials, 2);
    assert.equal(formatCode((await second.token(request)).code), '4.00');
    const ninth = flow.peer(added.credentials, 9);
    assert.equal(formatCode((await ninth.token({ audience: 'rs1' })).code), '2.01');
    assert.equal(formatCode((await ninth.token({ audience: 'rs1' })).code), '4.29');
    assert.deepEqual(
      flow.events.find(({ type }) => type === 'reconfigured'),
      {
        type: 'reconfigured',
        added: ['client:c9'],
        changed: [],
        removed: ['client:c1', 'client:c3', 'client:c4', 'rs:rs2'],
      },
    );
    await close(flow, first, second, ninth);
  });

  test('who asks while the reload is under way that brings it is served after it', async () => {
    const added: ClientRegistration = {
      id: 'c9',
      credentials: { masterSecret: new Uint8Array(16).fill(9), senderId: fromHex('00'), recipientId: fromHex('09') },
      grants: [{ audience: 'rs1', scope: 'w_led' }],
    };
    const flow = new Flow();
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const batch: Store['batch'] = async (changes) => {
      if (changes.some(({ key }) => key.startsWith('as/removing/'))) await held;
      return flow.store.batch(changes);
    };
    const server = await flow.startWith({ store: { ...flow.store, batch } });
    const ninth = flow.peer(added.credentials, 9);
    const reloaded = server.reconfigure({ clients: [...clients.slice(1), added], resourceServers: [rs1, rs2] });
    assert.equal(formatCode((await ninth.token({ audience: 'rs1' })).code), '4.01');
    release();
    await reloaded;
    assert.equal(formatCode((await ninth.token({ audience: 'rs1' })).code), '2.01');
    await close(flow, ninth);
  });

  test('new keys of a peer: the old ones are refused', async () => {
    const { flow, server, first } = await setup();
    const credentials = { ...(clients[0]!.credentials as object), masterSecret: new Uint8Array(16).fill(77) };
    const changes = await server.reconfigure({ clients: [{ ...clients[0]!, credentials }, ...clients.slice(1)], resourceServers: [rs1, rs2] });
    assert.deepEqual(changes.changed, ['client:c1']);
    assert.equal(formatCode((await first.token(request)).code), '4.00');
    const renewed = flow.peer(credentials, 2);
    assert.equal(formatCode((await renewed.token(request)).code), '2.01');
    await close(flow, first, renewed);
  });

  test('registrations that contradict each other, or keys that do not work, change nothing', async () => {
    const { flow, server, first } = await setup();
    const foreign = { ...clients[1]!, grants: [{ audience: 'nowhere', scope: 'x' }] };
    await assert.rejects(server.reconfigure({ clients: [foreign], resourceServers: [rs1, rs2] }), { code: 'ERR_AS_CONFIG' });
    const broken = { ...encryptKey(1), algorithm: 999 };
    await assert.rejects(server.reconfigure({ clients: [clients[0]!], resourceServers: [{ ...rs1, tokenKeys: [broken] }] }), { code: 'ERR_AS_CONFIG' });
    const misshapen = { ...clients[1]!, credentials: { masterSecret: 'no' } };
    await assert.rejects(server.reconfigure({ clients: [clients[0]!, misshapen], resourceServers: [rs1, rs2] }), { code: 'ERR_OSCORE_PROFILE_CREDENTIALS' });
    const before = flow.sim.wire.length;
    assert.equal(formatCode((await first.token(request)).code), '2.01');
    assert.equal(flow.sim.wire.length - before, 2);
    const second = flow.peer(clients[1]!.credentials, 2);
    assert.equal(formatCode((await second.token(request)).code), '2.01');
    await close(flow, first, second);
  });
});

describe('a clock that is set back by an hour', () => {
  test('it is told; a token lives until its exp comes again, is counted until then, and new ones can be had', async () => {
    const flow = new Flow();
    const server = await flow.start();
    const client = flow.peer(clients[0]!.credentials, 1);
    const rs = flow.peer(rs1.credentials, 2);
    const { accessToken } = decodeTokenResponse((await client.token(request)).payload);
    const active = async (token: Uint8Array): Promise<boolean> =>
      decodeIntrospectionResponse((await rs.post('introspect', encodeIntrospectionRequest({ token }))).payload).active;
    await flow.sim.sleep(1_800_000);
    assert.equal(await active(accessToken), true);
    flow.sim.clockSet = -3_600;
    const later = decodeTokenResponse((await client.token(request)).payload);
    assert.deepEqual(
      flow.events.filter(({ type }) => type === 'clock'),
      [{ type: 'clock', reason: 'back', seconds: 3_600 }],
    );
    assert.equal(later.expiresIn, 3_600);
    assert.equal(await active(later.accessToken), false, 'its time has been already');
    assert.equal(await active(accessToken), true);
    await flow.sim.sleep(2_000_000);
    assert.equal(await active(accessToken), true);
    assert.equal(server.stats()['tokens'], 2);
    await flow.sim.sleep(3_500_000);
    assert.equal(await active(accessToken), false);
    assert.equal(await active(later.accessToken), false);
    assert.equal(server.stats()['tokens'], 0);
    await close(flow, client, rs);
  });

  test('a token that has expired stays so', async () => {
    const flow = new Flow();
    await flow.start();
    const client = flow.peer(clients[0]!.credentials, 1);
    const rs = flow.peer(rs1.credentials, 2);
    const { accessToken } = decodeTokenResponse((await client.token(request)).payload);
    const active = async (): Promise<boolean> =>
      decodeIntrospectionResponse((await rs.post('introspect', encodeIntrospectionRequest({ token: accessToken }))).payload).active;
    await flow.sim.sleep(3_700_000);
    assert.equal(await active(), false);
    flow.sim.clockSet = -3_600;
    assert.equal(await active(), false);
    await close(flow, client, rs);
  });

  test('forward and back: what ended stays ended for limits, and nothing that was made is lost', async () => {
    const flow = new Flow({ limits: { tokensPerClient: 1 } });
    const server = await flow.start();
    const client = flow.peer(clients[0]!.credentials, 1);
    await client.token(request);
    assert.equal(formatCode((await client.token(request)).code), '4.29');
    flow.sim.clockSet = 7_200;
    await flow.sim.sleep(61_000);
    assert.equal(server.stats()['tokens'], 0);
    flow.sim.clockSet = 0;
    await flow.sim.sleep(61_000);
    assert.equal(formatCode((await client.token(request)).code), '2.01');
    assert.deepEqual(
      flow.events.flatMap((event) => (event.type === 'clock' ? [event.reason] : [])),
      [],
      'nobody asked while it was wrong',
    );
    await close(flow, client);
  });
});

test('the events of the AS hold the hash of a token, and nothing of the token', async () => {
  const flow = new Flow();
  await flow.start();
  const client = flow.peer(clients[0]!.credentials, 1);
  const { accessToken } = decodeTokenResponse((await client.token(request)).payload);
  const [issued] = flow.events.filter(({ type }) => type === 'token-issued');
  assert.ok(issued?.type === 'token-issued' && /^[\w-]{44}$/.test(issued.token));
  assert.ok(!JSON.stringify(issued).includes(toBase64Url(accessToken)));
  await close(flow, client);
});
