import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { after, before, describe, it } from 'node:test';
import { AceErrorCode, decodeTokenResponse, GrantType } from '../../../src/ace/index.ts';
import { formatCode, Method } from '../../../src/coap/index.ts';
import { checkTotals, crashDuringIssuance } from '../../as/crash.ts';
import { AsProcess, Party } from '../../as/processes/server-process.ts';
import { assertRefused, clients } from '../../as/support.ts';
import { auditWire } from '../../flows/wire-audit.ts';
import { repeat } from '../../support/scale.ts';
import { pause } from '../../support/wait.ts';
import { type PostgresServer, startPostgres } from './server.ts';

/** Seconds. */
const lease = 2;
const longer = lease * 1000 + 500;

let database: PostgresServer;
before(async () => {
  database = await startPostgres();
});
after(() => database?.close());

/** Two processes of one AS with one PostgreSQL, and a client whose requests go now to one and now to the other. */
class World {
  readonly a: AsProcess;
  readonly b: AsProcess;
  readonly client: Party;
  readonly #attacker = createSocket('udp4');
  #messageId = 1;

  private constructor(a: AsProcess, b: AsProcess, client: Party) {
    this.a = a;
    this.b = b;
    this.client = client;
  }

  static async start(): Promise<World> {
    const url = database.database();
    const [a, b] = await Promise.all([AsProcess.start('a', url, lease), AsProcess.start('b', url, lease)]);
    return new World(a, b, await Party.open(clients[0]!.credentials));
  }

  async token(server: AsProcess, party: Party = this.client): Promise<string> {
    return formatCode((await party.token(server, { audience: 'rs1', scope: 'r_temp' })).code);
  }

  /** Send a process the requests that went to another, or to itself, under message IDs that it has not seen; nothing of it is carried out. */
  async replay(from: AsProcess, to: AsProcess): Promise<void> {
    const before = [this.a.issued, this.b.issued];
    const requests = from.wire.filter(({ to: server, datagram }) => server === from.name && datagram[1] === Method.POST);
    assert.ok(requests.length > 0, 'there is something to replay');
    for (const { datagram } of requests) {
      const copy = datagram.slice();
      new DataView(copy.buffer).setUint16(2, this.#messageId++);
      this.#attacker.send(copy, to.port, '127.0.0.1');
    }
    await pause(longer);
    assert.deepEqual([this.a.issued, this.b.issued], before, `${from.name} to ${to.name}: something was carried out again`);
  }

  /** No number protected two messages, whichever process sent them. */
  audit(): void {
    auditWire([...this.a.wire, ...this.b.wire], [this.client.context]);
  }

  async close(): Promise<void> {
    this.#attacker.close();
    await this.client.close();
    await Promise.all([this.a.close(), this.b.close()]);
  }
}

describe('two processes of an AS on one PostgreSQL', () => {
  it('RFC 8613 B.1.2: a context moves from one to the other and back, and what one got is carried out by neither when it is replayed', async () => {
    const world = await World.start();
    const { a, b } = world;
    assert.equal(await world.token(a), '2.01');
    await world.replay(a, b);
    assert.equal(await world.token(b), '2.01');
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const)
      await world.replay(from, to);
    assert.equal(await world.token(a), '2.01');
    await world.replay(a, b);
    world.audit();
    await world.close();
  });

  it('RFC 8613 B.1.2: a process that stood still while another took its contexts carries nothing out that the other has', async () => {
    const world = await World.start();
    const { a, b } = world;
    assert.equal(await world.token(a), '2.01');
    a.pause();
    assert.equal(await world.token(b), '2.01');
    assert.equal(await world.token(b), '2.01');
    const replayed = world.replay(b, a);
    await pause(200);
    a.resume();
    await replayed;
    await world.replay(a, a);
    assert.deepEqual([a.issued, b.issued], [1, 2]);
    assert.equal(await world.token(a), '2.01', 'and it goes on');
    world.audit();
    await world.close();
  });

  it('what is registered or removed at one is seen by the other at once', async () => {
    const world = await World.start();
    const { a, b } = world;
    const credentials = { masterSecret: new Uint8Array(16).fill(0x77), senderId: Uint8Array.of(0), recipientId: Uint8Array.of(0x77) };
    await a.addClient({ id: 'new', profile: 2, credentials, grants: [{ audience: 'rs1', scope: 'r_temp' }] });
    const party = await Party.open(credentials);
    assert.equal(await world.token(b, party), '2.01');
    await a.removeClient('new');
    assert.equal(await world.token(b, party), '4.01');
    await party.close();
    await world.close();
  });

  it('RFC 6749 6: refresh tokens that one gave go with the client that is removed at the other', async () => {
    const world = await World.start();
    const { a, b } = world;
    const credentials = { masterSecret: new Uint8Array(16).fill(0x78), senderId: Uint8Array.of(0), recipientId: Uint8Array.of(0x78) };
    const grantTypes = ['client_credentials', 'refresh_token'] as const;
    const registration = { id: 'new', profile: 2, credentials, grants: [{ audience: 'rs1', scope: 'r_temp' }], grantTypes };
    await a.addClient(registration);
    const party = await Party.open(credentials);
    const { refreshToken } = decodeTokenResponse((await party.token(a, { audience: 'rs1', scope: 'r_temp' })).payload);
    assert.notEqual(refreshToken, undefined);
    await b.removeClient('new');
    await party.close();
    await b.addClient({ ...registration, credentials: { ...credentials, recipientId: Uint8Array.of(0x79) } });
    const another = await Party.open({ ...credentials, recipientId: Uint8Array.of(0x79) });
    const refused = await another.token(a, { grantType: GrantType.refresh_token, refreshToken: refreshToken! });
    assertRefused(refused, '4.00', AceErrorCode.invalid_grant);
    await another.close();
    await world.close();
  });

  it('many clients at both at once: no key identifier and no number is used twice', async () => {
    const world = await World.start();
    const parties = [world.client, await Party.open(clients[1]!.credentials)];
    await Promise.all(
      parties.map(async (party, index) => {
        for (let i = 0; i < 30; i++) assert.equal(await world.token(index === 0 ? world.a : world.b, party), '2.01');
      }),
    );
    auditWire(
      [...world.a.wire, ...world.b.wire],
      parties.map(({ context }) => context),
    );
    await parties[1]!.close();
    await world.close();
  });
});

it('kill -9 during issuance on PostgreSQL: no token and no refresh token that was answered is lost, no number, key id or code is used twice', async () => {
  checkTotals(await repeat('as-crash-postgres', { quick: 1, full: 60 }, (seed) => crashDuringIssuance(database.database(), seed)));
});
