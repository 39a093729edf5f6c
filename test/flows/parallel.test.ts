import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { oscoreProfile, oscoreProfileWith } from '../../profiles/oscore/index.ts';
import type { ProfileEvent } from '../../src/ace/index.ts';
import { AuthorizationServer } from '../../src/as/index.ts';
import { AceClient } from '../../src/client/index.ts';
import type { DatagramTransport } from '../../src/coap/index.ts';
import type { SecurityContext } from '../../src/oscore/index.ts';
import { ResourceServer } from '../../src/rs/index.ts';
import { lmdbStore, type Store } from '../../src/store/index.ts';
import { tap, udp } from '../../src/transport/index.ts';
import { repeat } from '../support/scale.ts';
import { clientKeyAtAs, mirrored, scopes, tokenKey } from './parties.ts';
import { auditWire, type RecordedDatagram, type WireAudit } from './wire-audit.ts';

const base = mkdtempSync(join(tmpdir(), 'ace-coap-parallel-'));
after(() => rmSync(base, { recursive: true, force: true }));

let folders = 0;

/** AS and RS on loopback, and runs of a client that have one store in common, on disk; everything that a client sends or gets is recorded. */
class Lab {
  readonly wire: RecordedDatagram[] = [];
  readonly contexts: Map<string, SecurityContext> = new Map();
  readonly written: string[] = [];
  readonly #folder: string = join(base, `${folders++}`);
  readonly #stores: Store[] = [];
  as!: AuthorizationServer;
  rs!: ResourceServer;
  asUri = '';
  rsUri = '';

  #store(name: string): Store {
    const store = lmdbStore(join(this.#folder, name));
    this.#stores.push(store);
    return store;
  }

  async start(): Promise<this> {
    this.as = new AuthorizationServer({
      store: this.#store('as'),
      profiles: [oscoreProfile],
      clients: [{ id: 'c1', credentials: clientKeyAtAs(1), grants: [{ audience: 'rs1', scope: Object.keys(scopes).join(' ') }] }],
      resourceServers: [{ id: 'rs1', audiences: ['rs1'], tokenKeys: [tokenKey] }],
    });
    this.asUri = `coap://127.0.0.1:${(await this.as.listen(await udp())).local.port}/token`;
    this.rs = new ResourceServer({
      audience: 'rs1',
      issuers: [{ uri: this.asUri, tokenKeys: [tokenKey] }],
      store: this.#store('rs'),
      profiles: [oscoreProfile],
      scopes,
    });
    this.rs.resource('/temperature', { get: () => '21.5' });
    this.rs.resource('/led', { get: () => 'off', put: (request) => void this.written.push(request.text()) });
    this.rsUri = `coap://127.0.0.1:${(await this.rs.listen(await udp())).local.port}`;
    return this;
  }

  /** One run: a client of its own on a port of its own, with the store that all runs share; it ends when it has its answers. */
  async run(number: number): Promise<void> {
    const store = lmdbStore(join(this.#folder, 'client'));
    const client = new AceClient({
      transport: this.#recorded(await udp()),
      store,
      profiles: [oscoreProfileWith({ block: 1 })],
      authorizationServers: [{ uri: this.asUri, credentials: mirrored(clientKeyAtAs(1)) }],
      emit: (event) => {
        if (event.type === 'profile') this.#note(event.event);
      },
    });
    try {
      const got = await client.fetch(`${this.rsUri}/temperature`);
      assert.deepEqual([got.codeText, got.text(), got.protected], ['2.05', '21.5', true], `run ${number}`);
      const put = await client.fetch(`${this.rsUri}/led`, { method: 'PUT', payload: `run ${number}` });
      assert.deepEqual([put.codeText, put.protected], ['2.04', true], `run ${number}`);
    } finally {
      await client.close();
      await store.close();
    }
  }

  #recorded(transport: DatagramTransport): DatagramTransport {
    const own = `127.0.0.1:${transport.local.port}`;
    return tap(transport, ({ direction, datagram, peer }) => {
      const [from, to] = direction === 'out' ? [own, peer.key] : [peer.key, own];
      this.wire.push({ from, to, datagram: datagram.slice() });
    });
  }

  #note(event: ProfileEvent & { readonly context?: SecurityContext }): void {
    if (event.type === 'protected' && event.context !== undefined) this.contexts.set(event.context.senderKeyId, event.context);
  }

  audit(): WireAudit {
    return auditWire(this.wire, this.contexts.values());
  }

  async close(): Promise<void> {
    await this.rs.close();
    await this.as.close();
    for (const store of this.#stores) await store.close();
  }
}

const runs = 20;
const numbers = Array.from({ length: runs }, (_, i) => i);

test('RFC 8613 7.5: 20 runs of a client in turn, with one store on disk: all succeed, and no (key, nonce) pair is used twice', async () => {
  const lab = await new Lab().start();
  for (const number of numbers) await lab.run(number);
  const { keys, messages } = lab.audit();
  assert.deepEqual(
    lab.written,
    numbers.map((number) => `run ${number}`),
  );
  assert.ok(messages > 4 * runs);
  assert.equal(keys, 4, 'one context with the AS, and one with the RS, that all runs shared');
  await lab.close();
});

test('RFC 8613 7.5: 20 runs of a client at once, with one store on disk: all succeed, and no (key, nonce) pair is used twice', async () => {
  const totals = await repeat('parallel-clients', { quick: 1, full: 30 }, async () => {
    const lab = await new Lab().start();
    const outcomes = await Promise.allSettled(numbers.map((number) => lab.run(number)));
    const failures = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [String(outcome.reason)] : []));
    assert.deepEqual(failures, []);
    const { keys, messages, pairs } = lab.audit();
    assert.deepEqual(new Set(lab.written), new Set(numbers.map((number) => `run ${number}`)));
    // And again, with what those left in the store.
    await Promise.all(numbers.map((number) => lab.run(runs + number)));
    lab.audit();
    await lab.close();
    return { keys, messages, pairs };
  });
  assert.ok(totals['messages']! > 4 * runs);
});
