import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AceResponse } from '../../../src/client/index.ts';
import { ContentFormat, decodeMessage, Endpoint, formatCode, Method, OptionNumber, pathOptions, uintOption } from '../../../src/coap/index.ts';
import { DtlsError } from '../../../src/dtls/index.ts';
import { keepSessions, takeSessions } from '../../../src/operate/index.ts';
import { memoryStore } from '../../../src/store/index.ts';
import { DtlsParties, type Mode } from './parties.ts';

const modes: readonly Mode[] = ['psk', 'psk-identity', 'derived', 'rpk'];

/** Records of handshakes in the clear that went to the RS or another, since then. */
function handshakes({ simulator }: DtlsParties, since: number, at = '10.0.0.2:5684'): number {
  return simulator.wire.slice(since).filter(({ to, datagram }) => to === at && datagram[0] === 22 && datagram[4] === 0).length;
}

for (const mode of modes) {
  test(`RFC 9202, ${mode}: an RS restarts, its client goes on in the same session with the rights of its token, and gets more of them`, async () => {
    const parties = await new DtlsParties(mode).start();
    assert.equal(await parties.fetch('/temperature'), '2.05 21.5');
    const since = parties.simulator.wire.length;
    await parties.stopRs();
    assert.deepEqual(await parties.startRs(), { taken: 2, refused: 0, passed: {} });
    assert.deepEqual(
      await takeSessions(parties.stores.rs, 'rs', parties.rsSessions),
      { taken: 0, refused: 0, passed: {} },
      'nothing is left to be taken twice',
    );
    parties.steps.length = 0;
    assert.equal(await parties.fetch('/temperature'), '2.05 21.5');
    assert.deepEqual(parties.steps, ['request', 'response']);
    assert.equal(await parties.fetch('/led', { method: 'PUT', payload: 'on' }), '2.04');
    assert.ok(parties.steps.includes('update'));
    assert.equal(handshakes(parties, since), 0);
    assert.equal(parties.rsSessions.stats()['accepted'], 1);
    await parties.close();
  });

  test(`RFC 9202 5, ${mode}: a session whose token ends while the RS is away does not go on; its client is told, and gets another token`, async () => {
    const parties = await new DtlsParties(mode, { tokenLifetime: 20 }).start();
    assert.equal(await parties.fetch('/temperature'), '2.05 21.5');
    await parties.stopRs();
    await parties.simulator.sleep(30_000);
    assert.deepEqual(await parties.startRs(), { taken: 1, refused: 1, passed: {} }, 'what may be resumed is asked about when it is');
    assert.equal(parties.rsSessions.stats()['accepted'], 0);
    await parties.simulator.sleep(100);
    parties.steps.length = 0;
    assert.equal(await parties.fetch('/temperature'), '2.05 21.5');
    assert.ok(parties.steps.includes('token-request'));
    await parties.close();
  });
}

test('RFC 9202 7.2: an older token, which anybody may have seen on its way, brings no rights back after a restart of the RS either', async () => {
  const parties = await new DtlsParties('psk', { tokenLifetime: 1000 }).start();
  assert.equal(await parties.fetch('/temperature'), '2.05 21.5');
  const uploads = parties.simulator.wire.filter(({ to }) => to === '10.0.0.2:5683').map(({ datagram }) => decodeMessage(datagram));
  const { payload } = uploads.find((message) => message.code === Method.POST && message.payload.length > 0)!;
  await parties.simulator.sleep(5000);
  assert.equal(await parties.fetch('/led', { method: 'PUT', payload: 'on' }), '2.04');
  assert.ok(parties.steps.includes('update'));
  const stranger = new Endpoint({ transport: parties.simulator.transport('10.0.0.9', 5683), env: parties.simulator.env('stranger') });
  const options = [...pathOptions(['authz-info']), uintOption(OptionNumber.ContentFormat, ContentFormat.Cwt)];
  const again = async (): Promise<string> => {
    const request = { code: Method.POST, peer: parties.simulator.peer('10.0.0.2', 5683), options, payload };
    return formatCode((await parties.finish(stranger.request(request))).code);
  };
  assert.equal(await again(), '4.01');
  await parties.stopRs();
  await parties.startRs();
  assert.equal(await again(), '4.01');
  await stranger.close();
  await parties.close();
});

test('RFC 9770 11: a session whose token was revoked does not go on, and one whose token is revoked while the RS is away ends once the RS hears of it', async () => {
  for (const isHeard of [true, false]) {
    const parties = await new DtlsParties('psk', { follow: true }).start();
    assert.equal(await parties.fetch('/temperature'), '2.05 21.5');
    await parties.simulator.sleep(1000);
    const revoke = (): Promise<boolean> => parties.finish(parties.as.revoke(parties.issued[0]!));
    if (isHeard) {
      await revoke();
      await parties.simulator.sleep(1000);
    }
    await parties.stopRs();
    if (!isHeard) await revoke();
    const { refused } = await parties.startRs();
    assert.equal(refused, isHeard ? 1 : 0);
    await parties.simulator.sleep(10_000);
    assert.equal(parties.rsSessions.stats()['accepted'], 0);
    assert.equal(parties.rs.stats()['profile1.keys'], 0);
    await parties.close();
  }
});

test('an AS restarts: its client gets a token in the same session; one that it does not know any more has none', async () => {
  const parties = await new DtlsParties('psk').start();
  const token = (): Promise<unknown> => parties.finish(parties.client.token({ audience: 'rs1' }));
  await token();
  let since = parties.simulator.wire.length;
  await parties.stopAs();
  assert.deepEqual(await parties.startAs(), { taken: 2, refused: 0, passed: {} });
  await token();
  assert.equal(handshakes(parties, since, '10.0.0.1:5684'), 0);
  await parties.stopAs();
  assert.deepEqual(await parties.startAs(['c2']), { taken: 1, refused: 1, passed: {} });
  await parties.simulator.sleep(100);
  since = parties.simulator.wire.length;
  await assert.rejects(token());
  assert.ok(handshakes(parties, since, '10.0.0.1:5684') > 0, 'it was told that the session has ended');
  await parties.close();
});

test('RFC 7641 4.2: who observes hears 5.03 when the RS ends, and registers again in the session that goes on', async () => {
  const parties = await new DtlsParties('psk').start();
  const observed = parties.client.observe('coap://10.0.0.2/temperature');
  const next = (): Promise<IteratorResult<AceResponse>> => parties.finish(observed.next());
  assert.equal((await next()).value.text(), '21.5');
  const since = parties.simulator.wire.length;
  await parties.stopRs();
  assert.equal((await parties.startRs()).taken, 2);
  const { value, done } = await next();
  assert.deepEqual([done, value?.codeText], [false, '5.03']);
  assert.equal((await next()).done, true);
  const again = parties.client.observe('coap://10.0.0.2/temperature');
  assert.equal(((await parties.finish(again.next())) as IteratorResult<AceResponse>).value.text(), '21.5');
  assert.equal(handshakes(parties, since), 0);
  await parties.close();
});

test('an RS that ends without a word leaves no sessions: its clients shake hands again', async () => {
  const parties = await new DtlsParties('psk').start();
  assert.equal(await parties.fetch('/temperature'), '2.05 21.5');
  parties.simulator.filter = ({ from }) => !from.startsWith('10.0.0.2:');
  await parties.rs.close();
  parties.simulator.filter = undefined;
  assert.deepEqual(await parties.startRs(), { taken: 0, refused: 0, passed: {} });
  const since = parties.simulator.wire.length;
  const lost = await parties.fetch('/temperature').catch((error: { code: string }) => error.code);
  assert.ok(['2.05 21.5', 'ERR_COAP_TIMEOUT'].includes(lost), lost);
  assert.equal(await parties.fetch('/temperature'), '2.05 21.5');
  assert.ok(handshakes(parties, since) > 0);
  await parties.close();
});

test('an entry that is damaged is passed over, and nothing else is lost; entries whose time is over are gone', async () => {
  const store = memoryStore({ env: { epoch: () => now } as never });
  let now = 1000;
  const state = (text: string, expiresAt: number): { bytes: Uint8Array; expiresAt: number } => ({ bytes: new TextEncoder().encode(text), expiresAt });
  const all = ['a', 'bad', 'c', 'late', 'refused'].map((text) => state(text, text === 'late' ? 1010 : 2000));
  assert.equal(await keepSessions(store, 'rs', { handOver: () => all }), 5);
  await store.put('dtls/as/00000000', new Uint8Array(1));
  now = 1020;
  const seen: string[] = [];
  const take = async (bytes: Uint8Array): Promise<'taken' | 'refused'> => {
    const text = new TextDecoder().decode(bytes);
    for await (const [key, value] of store.scan('dtls/rs/')) assert.notDeepEqual(value, bytes, `${key} is deleted before it is taken`);
    seen.push(text);
    if (text === 'bad') throw new DtlsError('ERR_DTLS_IMPORT', 'expected another, got this');
    return text === 'refused' ? 'refused' : 'taken';
  };
  assert.deepEqual(await takeSessions(store, 'rs', { take }), { taken: 2, refused: 1, passed: { ERR_DTLS_IMPORT: 1 } });
  assert.deepEqual(seen, ['a', 'bad', 'c', 'refused']);
  assert.deepEqual(await takeSessions(store, 'rs', { take }), { taken: 0, refused: 0, passed: {} });
  assert.notEqual(await store.get('dtls/as/00000000'), undefined, 'those of another role stay');
  await keepSessions(store, 'rs', { handOver: () => all });
  assert.deepEqual(await takeSessions(store, 'rs'), { taken: 0, refused: 0, passed: {} });
  assert.deepEqual(await takeSessions(store, 'rs', { take }), { taken: 0, refused: 0, passed: {} }, 'who keeps none deletes what is there');
});

test('two servers that take from one store at once take each session once', async () => {
  const store = memoryStore();
  const bytes = Array.from({ length: 700 }, (_, index) => Uint8Array.of(index >>> 8, index));
  await keepSessions(store, 'rs', { handOver: () => bytes.map((each) => ({ bytes: each, expiresAt: Date.now() })) });
  const seen = new Map<string, number>();
  const take = async (each: Uint8Array): Promise<'taken'> => {
    seen.set(`${each}`, (seen.get(`${each}`) ?? 0) + 1);
    return 'taken';
  };
  const both = await Promise.all([takeSessions(store, 'rs', { take }), takeSessions(store, 'rs', { take })]);
  assert.equal(both[0]!.taken + both[1]!.taken, 700);
  assert.ok(seen.size === 700 && [...seen.values()].every((count) => count === 1));
});
