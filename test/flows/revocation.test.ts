import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type RevocationList, tokenHashText } from '../../src/ace/index.ts';
import { Revocations } from '../../src/as/index.ts';
import type { AceClient } from '../../src/client/index.ts';
import { Simulator } from '../support/simulator.ts';
import { asAddress, asUri, Parties, type PartiesOptions, rsUri } from './parties.ts';

/** Three roles, and an RS that follows the list over a channel of its own. */
class Site extends Parties {
  follower: AceClient | undefined;

  constructor(simulator: Simulator, options: PartiesOptions = {}, follow: { readonly observe?: boolean; readonly interval?: number } = {}) {
    const site = (): Site => this;
    const list: RevocationList = {
      query: (query) => site().follower!.revocationList().query(query),
      observe: (query, signal) => site().follower!.revocationList().observe(query, signal),
    };
    super(simulator, { ...options, rs: { ...options.rs, revocation: { ...follow, lists: { [asUri]: list } } } });
  }

  override async start(): Promise<this> {
    this.follower = this.startIntrospector();
    return super.start();
  }

  async get(path = '/temperature'): Promise<string> {
    return (await this.finish(this.client.fetch(rsUri + path))).codeText;
  }

  /** The token hash of the last token. */
  get issued(): string {
    const last = this.asEvents.findLast((event) => event.type === 'token-issued');
    assert.ok(last?.type === 'token-issued');
    return last.token;
  }

  get ended(): string[] {
    return this.rsEvents.flatMap((event) => (event.type === 'token-ended' ? [event.reason] : []));
  }

  pass(milliseconds: number): Promise<void> {
    return this.finish(new Promise((resolve) => this.simulator.env().schedule(milliseconds, () => resolve())));
  }

  override async close(): Promise<void> {
    await this.follower?.close();
    await super.close();
  }
}

test('RFC 9770 11: revocation reaches an observing RS, which ends the context; the client gets another token by itself', async () => {
  const site = await new Site(new Simulator()).start();
  assert.equal(await site.get(), '2.05');
  const first = site.issued;
  assert.equal(await site.finish(site.as.revoke(first)), true);
  await site.pass(100);
  assert.deepEqual(site.ended, ['revoked']);
  assert.equal(site.rs.stats()['tokens'], 0);
  site.steps();
  assert.equal(await site.get(), '2.05');
  const steps = site.steps();
  assert.ok(steps.includes('forgotten'), 'the RS does not know the context any more');
  assert.ok(steps.includes('token-request'), 'with a new token');
  assert.notEqual(site.issued, first);
  assert.ok(
    site.rsEvents.some((event) => event.type === 'token-refused' && event.reason === 'ERR_RS_REVOKED'),
    'the old one was not taken again',
  );
  assert.deepEqual(site.faults(), []);
  await site.close();
});

test('RFC 9770 11.1: an observation ends with its token', async () => {
  const site = await new Site(new Simulator()).start();
  const observation = site.client.observe(`${rsUri}/temperature`);
  await site.finish(observation.next());
  assert.equal(site.rs.stats()['lasting'], 1);
  await site.finish(site.as.revoke(site.issued));
  await site.pass(100);
  assert.equal(site.rs.stats()['lasting'], 0);
  await site.finish(observation.return());
  await site.close();
});

test('RFC 9770 11: without notifications, the RS hears of it within its interval', async () => {
  for (const follow of [
    { observe: false, interval: 20 },
    { observe: true, interval: 20 },
  ]) {
    const simulator = new Simulator();
    const site = await new Site(simulator, {}, follow).start();
    assert.equal(await site.get(), '2.05');
    await site.pass(1000);
    // An attacker on the path suppresses what the AS sends by itself (Section 13.3).
    let suppressed = 0;
    const quiet = simulator.now;
    simulator.filter = ({ from, time }) => {
      if (from !== asAddress || time > quiet + 15_000) return true;
      suppressed++;
      return false;
    };
    await site.finish(site.as.revoke(site.issued));
    await site.pass(10_000);
    assert.deepEqual(site.ended, []);
    await site.pass(60_000);
    assert.deepEqual(site.ended, ['revoked']);
    assert.ok(follow.observe ? suppressed > 0 : true);
    await site.close();
  }
});

test('RFC 9770 11: an AS that was killed and started again is followed on; what another process revoked meanwhile is caught up with', async () => {
  const simulator = new Simulator();
  const site = await new Site(simulator, {}, { interval: 20 }).start();
  assert.equal(await site.get(), '2.05');
  const token = site.issued;
  await site.kill('as');
  await new Revocations({ store: site.stores.as, env: simulator.env() }).revoke(token);
  await site.startAs();
  await site.pass(120_000);
  assert.deepEqual(site.ended, ['revoked']);
  assert.equal(await site.get(), '2.05');
  const again = site.issued;
  await site.finish(site.as.revoke(again));
  await site.pass(1000);
  assert.deepEqual(site.ended, ['revoked', 'revoked'], 'observed again');
  await site.close();
});

test('RFC 9770 11: what another process revokes in the store is observed within a second', async () => {
  const simulator = new Simulator();
  const site = await new Site(simulator).start();
  assert.equal(await site.get(), '2.05');
  await site.pass(3000);
  await new Revocations({ store: site.stores.as, env: simulator.env() }).revoke(site.issued);
  await site.pass(1200);
  assert.deepEqual(site.ended, ['revoked']);
  await site.close();
});

test('RFC 9770 11.1: a restarted RS still refuses, and takes no token up that was revoked while it was down', async () => {
  const simulator = new Simulator();
  const site = await new Site(simulator, { tokenLifetime: 600 }).start();
  assert.equal(await site.get(), '2.05');
  const { accessToken } = await site.finish(site.client.token({ audience: 'rs1' }));
  await site.finish(site.as.revoke(accessToken));
  await site.pass(100);
  await site.rs.close();
  const first = site.asEvents.find((event) => event.type === 'token-issued');
  assert.ok(first?.type === 'token-issued');
  await site.finish(site.as.revoke(first.token));
  await site.startRs();
  assert.equal(site.rs.stats()['revoked'], 1, 'from the store, before the AS is asked');
  await site.pass(1000);
  assert.equal(site.rs.stats()['revoked'], 2);
  assert.deepEqual(site.ended, ['revoked']);
  await site.pass(700_000);
  // One was seen and has expired. Of the other the RS does not know that it will not come: it has left the list, and the RS never saw it.
  assert.equal(site.rs.stats()['revoked'], 1);
  await site.close();
});

test('RFC 9770 11.1: the client forgets what was revoked, here and in its store', async () => {
  const simulator = new Simulator();
  const site = await new Site(simulator, { client: { revocation: { interval: 30 } } }).start();
  assert.equal(await site.get(), '2.05');
  await site.pass(1000);
  assert.equal(site.client.stats()['sessions'], 1);
  const token = site.issued;
  await site.finish(site.as.revoke(token));
  await site.pass(200);
  assert.equal(site.client.stats()['sessions'], 0);
  for await (const [key] of site.stores.clients[0]!.scan('client/session/')) assert.fail(`${key} is still there`);
  site.steps();
  assert.equal(await site.get(), '2.05');
  assert.deepEqual(
    site.steps().filter((step) => step !== 'revocations'),
    ['probe', 'hints', 'token-request', 'token-response', 'upload', 'context', 'request', 'response'],
  );
  await site.close();
});

test('RFC 9770 4: client, AS and RS name a token by the same hash', async () => {
  const site = await new Site(new Simulator()).start();
  const { accessToken } = await site.finish(site.client.token({ audience: 'rs1' }));
  assert.equal(site.issued, tokenHashText(accessToken));
  assert.equal(await site.finish(site.as.revoke(accessToken)), true);
  assert.equal(await site.finish(site.as.revoke(accessToken)), true, 'and again');
  assert.equal(site.asEvents.filter((event) => event.type === 'token-revoked').length, 1);
  assert.equal(await site.finish(site.as.revoke('AQ')), false);
  await site.close();
});
