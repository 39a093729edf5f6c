import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import {
  AanfClient,
  type AanfClientOptions,
  AanfSimulator,
  ApplicationKeys,
  aanfPaths,
  deriveApplicationKey,
  serveAanf,
} from '../../../../profiles/seal/akma/index.ts';
import { toHex } from '../../../../src/core/bytes.ts';
import { Simulator } from '../../../support/simulator.ts';
import { afId, anchorOfSubscriber, anna, bert } from './lab.ts';

const anchor = anchorOfSubscriber(anna);
const aKid = anchor.aKid;

async function aanfThat(t: TestContext, answer: RequestListener, options: Partial<AanfClientOptions> = {}): Promise<AanfClient> {
  const server = createServer(answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return new AanfClient({ apiRoot: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, ...options });
}

test('TS 29.535 5.2.2: register, retrieve and remove, over HTTP', async (t) => {
  const aanf = new AanfSimulator({ lifetime: 60 });
  const server = await serveAanf(aanf);
  t.after(() => server.close());
  const client = new AanfClient({ apiRoot: `${server.apiRoot}/` });
  assert.equal(await client.retrieveApplicationKey(aKid, afId), undefined);
  await client.registerAnchorKey({ ...anchor, ...anna, supi: anna.supi, kAkma: anchor.kAkma });
  const key = await client.retrieveApplicationKey(aKid, afId);
  assert.deepEqual(key, { ...(await aanf.retrieveApplicationKey(aKid, afId)), expiresAt: key?.expiresAt });
  assert.deepEqual(key?.kAf, deriveApplicationKey(anchor.kAkma, afId));
  // A new anchor key of the UE takes the place of the one before.
  const next = { aKid: anchorOfSubscriber({ ...anna, kAusf: new Uint8Array(32) }).aKid, kAkma: new Uint8Array(32).fill(5), supi: anna.supi };
  await client.registerAnchorKey(next);
  assert.equal(await client.retrieveApplicationKey(aKid, afId), undefined);
  assert.equal((await client.retrieveApplicationKey(next.aKid, afId))?.gpsi, undefined);
  await client.removeContext(anna.supi);
  assert.equal(await client.retrieveApplicationKey(next.aKid, afId), undefined);
  await client.removeContext(anna.supi);
  assert.equal(aanf.size, 0);
  assert.deepEqual(client.stats(), { underWay: 0 });
});

test('TS 29.535 6.1: the simulator answers what is no request with problem details, and holds as many contexts as it is told', async (t) => {
  const aanf = new AanfSimulator({ contexts: 2 });
  const server = await serveAanf(aanf);
  t.after(() => server.close());
  const post = async (path: string, body: string, method = 'POST'): Promise<readonly [number | undefined, string | undefined]> => {
    const sent = request(`${server.apiRoot}${path}`, { method });
    sent.end(body);
    const [response] = await once(sent, 'response');
    response.resume();
    return [response.statusCode, response.headers['content-type']];
  };
  const problem = 'application/problem+json';
  assert.deepEqual(await post('/naanf-akma/v1/other', '{}'), [404, problem]);
  assert.deepEqual(await post(aanfPaths.retrieve, '', 'GET'), [405, problem]);
  for (const body of ['', '[]', 'null', '{', '{"aKId":7,"afId":"x"}', JSON.stringify({ aKId: aKid, afId: 'x' }), 'x'.repeat(5000)])
    assert.deepEqual(await post(aanfPaths.retrieve, body), [400, problem], body);
  for (const kAkma of ['', '00', 'zz'.repeat(32)])
    assert.deepEqual(await post(aanfPaths.register, JSON.stringify({ aKId: aKid, kAkma, supi: anna.supi })), [400, problem]);
  assert.deepEqual(await post(aanfPaths.register, JSON.stringify({ aKId: 'no A-KID', kAkma: '00'.repeat(32), supi: anna.supi })), [400, problem]);
  for (let i = 1; i <= 3; i++) await aanf.registerAnchorKey({ aKid: `a${i}@realm.example`, kAkma: anchor.kAkma, supi: `imsi-0010100000000${i}0` });
  assert.equal(aanf.size, 2);
  assert.equal(await aanf.retrieveApplicationKey('a1@realm.example', afId), undefined);
  await assert.rejects(serveAanf(aanf, { address: '192.0.2.1' }), { code: 'ERR_AKMA_BIND' });
});

test('Naanf_AKMA: an AAnF that errs, is slow, says too much or something else is no key and one error, without a secret in it', async (t) => {
  const secret = toHex(anchor.kAkma);
  const json = (status: number, body: unknown, type = 'application/json'): RequestListener => {
    return (_, response) => response.writeHead(status, { 'content-type': type }).end(JSON.stringify(body));
  };
  const good = { kaf: secret, expiry: '2100-01-01T00:00:00Z', supi: anna.supi };
  const cases: readonly (readonly [name: string, answer: RequestListener, error: RegExp])[] = [
    ['problem', json(403, { status: 403, cause: 'AKMA_NOT_ALLOWED', detail: secret }, 'application/problem+json'), /it answers 403 \(AKMA_NOT_ALLOWED\)$/],
    ['a cause that is a sentence', json(500, { cause: `it was ${secret}` }, 'application/problem+json'), /it answers 500$/],
    ['no JSON', (_, response) => response.writeHead(200, { 'content-type': 'application/json' }).end(secret.slice(1)), /no JSON$/],
    ['text', json(200, good, 'text/plain'), /no JSON$/],
    ['too much', json(200, { ...good, more: secret.repeat(300) }), /more than 16384 bytes$/],
    ['a redirect', (_, response) => response.writeHead(307, { location: 'http://127.0.0.1/' }).end(), /it answers 307$/],
    ['nothing', (_, response) => response.destroy(), /it cannot be reached$/],
    ['half', (_, response) => response.writeHead(200, { 'content-length': 100 }).write('{', () => response.destroy()), /broke off$/],
    ['a list', json(200, [good]), /AkmaAfKeyData: expected an object/],
    ['no key', json(200, { ...good, kaf: undefined }), /kaf: expected a text, got none$/],
    ['a short key', json(200, { ...good, kaf: secret.slice(2) }), /kaf: expected a text of its form/],
    ['no date', json(200, { ...good, expiry: secret }), /expiry: expected a date-time/],
    ['a SUPI of no form', json(200, { ...good, supi: secret }), /supi: expected a text of its form/],
  ];
  for (const [name, answer, expected] of cases) {
    const client = await aanfThat(t, answer);
    await assert.rejects(client.retrieveApplicationKey(aKid, afId), (error: Error) => {
      assert.match(error.message, expected, name);
      assert.ok(!error.message.includes(secret.slice(2)), name);
      assert.equal((error as Error & { readonly code?: string }).code, 'ERR_AKMA_AANF', name);
      return error.name === 'AkmaError';
    });
    assert.deepEqual(client.stats(), { underWay: 0 });
  }
  const gone = await aanfThat(t, json(404, { cause: 'K_AKMA_NOT_PRESENT' }, 'application/problem+json'));
  assert.equal(await gone.retrieveApplicationKey(aKid, afId), undefined);
  const slow = await aanfThat(t, () => {}, { timeout: 20, requests: 1 });
  const first = slow.retrieveApplicationKey(aKid, afId);
  await assert.rejects(slow.retrieveApplicationKey(aKid, afId), /too many requests/);
  await assert.rejects(first, /no answer within 20 ms$/);
  const dripping = await aanfThat(t, (_, response) => response.writeHead(200).write('{'), { timeout: 20 });
  await assert.rejects(dripping.retrieveApplicationKey(aKid, afId), { code: 'ERR_AKMA_AANF' });
});

test('Naanf_AKMA: keys go over plain HTTP to this host alone, unless it is said', () => {
  for (const apiRoot of [
    '',
    'aanf.example',
    'ftp://127.0.0.1',
    'http://aanf.example',
    'http://10.0.0.1',
    'https://user@aanf.example',
    'https://aanf.example/?x',
  ])
    assert.throws(() => new AanfClient({ apiRoot }), { code: 'ERR_AKMA_CONFIG' }, apiRoot);
  for (const apiRoot of ['http://127.0.0.1:1', 'http://[::1]/root', 'http://localhost', 'https://aanf.example/root']) assert.ok(new AanfClient({ apiRoot }));
  assert.ok(new AanfClient({ apiRoot: 'http://10.0.0.1', plain: true }));
});

test('TS 33.535 6.2: an application key is fetched once, kept until it expires, and no longer', async () => {
  const simulator = new Simulator();
  const aanf = new AanfSimulator({ lifetime: 10, env: simulator.env() });
  for (const subscriber of [anna, bert]) await aanf.registerAnchorKey({ ...anchorOfSubscriber(subscriber), supi: subscriber.supi });
  let asked = 0;
  const retrieveApplicationKey: AanfSimulator['retrieveApplicationKey'] = async (...args) => {
    asked++;
    return aanf.retrieveApplicationKey(...args);
  };
  const keys = new ApplicationKeys({ aanf: { retrieveApplicationKey }, afId, limit: 1, env: simulator.env() });
  await Promise.all([keys.get(aKid), keys.get(aKid), keys.get(aKid)]);
  assert.equal(asked, 1);
  await simulator.sleep(9000);
  await keys.get(aKid);
  assert.equal(asked, 1);
  await simulator.sleep(1000);
  assert.deepEqual(keys.stats(), { keys: 0, fetching: 0 });
  await keys.get(aKid);
  assert.equal(asked, 2);
  // One more than are kept.
  await keys.get(anchorOfSubscriber(bert).aKid);
  await keys.get(aKid);
  assert.equal(asked, 4);
  assert.deepEqual(keys.stats(), { keys: 1, fetching: 0 });
  // The clock is set past the end.
  simulator.clockSet = 100;
  await keys.get(aKid);
  assert.equal(asked, 5);
  await assert.rejects(keys.get('no A-KID'), { code: 'ERR_AKMA_A_KID' });
  assert.equal(asked, 5);
  keys.close();
  assert.deepEqual(keys.stats(), { keys: 0, fetching: 0 });
  assert.equal(simulator.pending, 0);
  assert.throws(() => new ApplicationKeys({ aanf, afId: { ...afId, fqdn: '' } }), { code: 'ERR_AKMA_AF_ID' });
});

test('TS 33.535 6.2: an AAnF that fails before it gives a promise is asked again by the next request', async () => {
  let asked = 0;
  const broken = {
    retrieveApplicationKey: (): never => {
      asked++;
      throw new Error('no AAnF');
    },
  };
  const keys = new ApplicationKeys({ aanf: broken, afId });
  for (let i = 0; i < 2; i++) await assert.rejects(keys.get(aKid), /no AAnF/);
  assert.equal(asked, 2);
  assert.deepEqual(keys.stats(), { keys: 0, fetching: 0 });
});

test('TS 33.535 6.2: a key whose time is over when it comes is none', async () => {
  const expired = { kAf: new Uint8Array(32), expiresAt: 1 };
  const events: unknown[] = [];
  const keys = new ApplicationKeys({ aanf: { retrieveApplicationKey: async () => expired }, afId, emit: (event) => events.push(event) });
  assert.equal(await keys.get(aKid), undefined);
  assert.deepEqual(events, [{ type: 'key-unknown', aKid }]);
});
