import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { systemEnv } from '../../src/core/env.ts';
import { type IssuedCertificate, LabAuthority } from '../../src/pki/index.ts';
import { type HttpBounds, type HttpExchange, type HttpServer, type HttpsServer, serveHttp, serveHttps } from '../../src/transport/index.ts';
import { HttpWire, head } from '../support/http-wire.ts';
import { until } from '../support/wait.ts';

const authority = await LabAuthority.make('lab', systemEnv);
const own = await issue();

function issue(notAfter?: number): Promise<IssuedCertificate> {
  const init = { commonName: 'server', names: [{ type: 'ip' as const, value: '127.0.0.1' }], usage: ['server' as const] };
  return authority.issue(notAfter === undefined ? init : { ...init, notAfter });
}

interface Bench {
  readonly server: HttpServer;
  readonly answered: HttpExchange[];
  readonly dropped: string[];
  /** Let those answers go that wait for it. */
  release(): void;
  wire(from?: string): Promise<HttpWire>;
}

/** A server that echoes bodies, and keeps `/slow` waiting. */
async function within(scheme: 'http' | 'https', bounds: Partial<HttpBounds>, use: (bench: Bench) => Promise<void>): Promise<void> {
  const answered: HttpExchange[] = [];
  const dropped: string[] = [];
  const waiting: (() => void)[] = [];
  const options = { bounds, answered: (exchange: HttpExchange) => answered.push(exchange), dropped: (_from: string, reason: string) => dropped.push(reason) };
  const handler: Parameters<typeof serveHttp>[1] = (request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('error', () => {});
    request.on('end', () => {
      const answer = (): void => void response.end(Buffer.concat(parts));
      if (request.url!.startsWith('/slow')) waiting.push(answer);
      else answer();
    });
  };
  const server = scheme === 'http' ? await serveHttp(options, handler) : await serveHttps({ ...options, ...own }, handler);
  const wires: HttpWire[] = [];
  const wire = async (from?: string): Promise<HttpWire> => {
    const opened = await HttpWire.open(server.port, scheme === 'http' ? undefined : authority.cert, from);
    wires.push(opened);
    return opened;
  };
  try {
    await use({ server, answered, dropped, release: () => waiting.splice(0).forEach((answer) => void answer()), wire });
  } finally {
    for (const each of wires) each.close();
    await server.close();
  }
}

/** No more than there are may come: who does is told so, and far beyond that hears nothing. The result are those that are there to be told. */
async function turnedAway({ wire, dropped }: Pick<Bench, 'wire' | 'dropped'>): Promise<readonly HttpWire[]> {
  const surplus = await wire();
  surplus.request('/');
  assert.match(await surplus.rest(), /^HTTP\/1\.1 503 .*retry-after: \d+\r\n.*connection: close/is);
  const more = await Promise.all(Array.from({ length: 8 }, () => wire()));
  const beyond = await wire().then(
    (opened) => opened.rest(),
    () => '',
  );
  assert.equal(beyond, '');
  assert.deepEqual(new Set(dropped), new Set(['connections']));
  return more;
}

for (const scheme of ['http', 'https'] as const) {
  describe(`bounds of a server of ${scheme}`, () => {
    test('a head and a body that come too slowly end with 408', () =>
      within(scheme, { headTimeout: 300, requestTimeout: 600 }, async ({ wire, dropped }) => {
        const [slowHead, slowBody] = [await wire(), await wire()];
        const since = performance.now();
        slowHead.write('GET / HTTP/1.1\r\nHost: a\r\nX-More: ');
        slowBody.write(head('POST', '/', { 'Content-Length': '100' }));
        slowBody.write('a little');
        assert.match(await slowHead.rest(), /^HTTP\/1\.1 408 /);
        assert.match(await slowBody.rest(), /^HTTP\/1\.1 408 /);
        assert.ok(performance.now() - since < 3_000);
        assert.deepEqual(dropped, ['timeout', 'timeout']);
      }));

    test('a head that is too long is 431, one that is none 400, and CONNECT 501', () =>
      within(scheme, { head: 2_048 }, async ({ wire, dropped }) => {
        const [long, none, tunnel, right] = [await wire(), await wire(), await wire(), await wire()];
        long.request('/', { 'X-Long': 'a'.repeat(3_000) });
        none.write('this is no request\r\n\r\n');
        tunnel.write(head('CONNECT', '10.0.0.1:22', {}));
        right.request('/', { 'X-Short': 'a'.repeat(1_000) });
        assert.match(await long.rest(), /^HTTP\/1\.1 431 /);
        assert.match(await none.rest(), /^HTTP\/1\.1 400 /);
        assert.match(await tunnel.rest(), /^HTTP\/1\.1 501 /);
        assert.match(await right.until(/\r\n\r\n/), /^HTTP\/1\.1 200 /);
        assert.deepEqual([...dropped].sort(), ['head-size', 'malformed']);
      }));

    test('more connections than may be: 503 with Retry-After, and far beyond that none at all; with room there is an answer again', () =>
      within(scheme, { connections: 4 }, async ({ server, wire, dropped }) => {
        const first = await Promise.all(Array.from({ length: 4 }, () => wire()));
        const more = await turnedAway({ wire, dropped });
        first[0]!.request('/');
        assert.match(await first[0]!.until(/\r\n\r\n/), /^HTTP\/1\.1 200 /);
        for (const each of [...first, ...more]) each.close();
        await until(() => server.stats()['connections'] === 0);
        const later = await wire();
        later.request('/');
        assert.match(await later.until(/\r\n\r\n/), /^HTTP\/1\.1 200 /);
      }));

    test('one address takes no more than its share of the connections, and others are served meanwhile', () =>
      within(scheme, { connectionsPerAddress: 2 }, async ({ server, wire, dropped }) => {
        const first = [await wire(), await wire()];
        const more = await turnedAway({ wire, dropped });
        const other = await wire('127.0.0.2');
        other.request('/');
        assert.match(await other.until(/\r\n\r\n/), /^HTTP\/1\.1 200 /);
        first[0]!.request('/');
        assert.match(await first[0]!.until(/\r\n\r\n/), /^HTTP\/1\.1 200 /);
        for (const each of [...first, ...more]) each.close();
        await until(() => server.stats()['connections'] === 1);
        const later = await wire();
        later.request('/');
        assert.match(await later.until(/\r\n\r\n/), /^HTTP\/1\.1 200 /);
      }));

    test('drain: what is under way is answered, idle connections end, what comes is 503, and it says whether all was done in time', () =>
      within(scheme, {}, async ({ server, wire, answered, dropped, release }) => {
        const [idle, busy, late] = [await wire(), await wire(), await wire()];
        idle.request('/');
        await idle.until(/\r\n\r\n/);
        busy.request('/slow', {}, 'what was asked');
        late.write('GET /late HTTP/1.1\r\n');
        await until(() => server.stats()['requests'] === 1);
        const drained = server.drain(5_000);
        await idle.ended;
        assert.notEqual(server.fault(0), undefined);
        await assert.rejects(wire());
        late.write('Host: a\r\n\r\n');
        assert.match(await late.rest(), /^HTTP\/1\.1 503 .*retry-after: \d+/is);
        release();
        assert.match(await busy.rest(), /^HTTP\/1\.1 200 .*connection: close.*what was asked$/is);
        assert.equal(await drained, true);
        await until(() => answered.length === 3);
        assert.deepEqual(
          answered.map(({ path, status }) => [path, status]),
          [
            ['/', 200],
            ['/late', 503],
            ['/slow', 200],
          ],
        );
        assert.deepEqual(dropped, ['draining']);
      }));

    test('close: a request that is never answered, and one that never ends, keep it no longer than it waits', () =>
      within(scheme, {}, async ({ server, wire, answered }) => {
        const [busy, cut] = [await wire(), await wire()];
        busy.request('/slow?secret=1');
        cut.write('POST / HTTP/1.1\r\n');
        await until(() => server.stats()['requests'] === 1);
        const since = performance.now();
        assert.equal(await server.drain(200), false);
        await server.close();
        assert.ok(performance.now() - since < 2_000);
        await Promise.all([busy.ended, cut.ended]);
        await until(() => answered.length > 0);
        assert.deepEqual(
          answered.map(({ method, path, status }) => [method, path, status]),
          [['GET', '/slow', 0]],
        );
      }));
  });
}

test('a handshake that is not finished keeps a server of https from nothing', async () => {
  const server = await serveHttps(own, (_request, response) => response.end());
  const half = await HttpWire.open(server.port);
  half.write('\x16\x03\x01');
  await until(() => server.stats()['connections'] === 1);
  const since = performance.now();
  await server.close(0);
  assert.ok(performance.now() - since < 2_000);
  await half.ended;
});

test('renew: new connections see the new certificate, old ones go on, and what is none changes nothing; an ended certificate is told', async () => {
  const server: HttpsServer = await serveHttps(own, (_request, response) => response.end('here'));
  try {
    const old = await HttpWire.open(server.port, authority.cert);
    assert.equal(server.fault(systemEnv.epoch()), undefined);
    const soon = await issue(systemEnv.epoch() + 60);
    server.renew(soon);
    assert.equal(server.fault(systemEnv.epoch()), undefined);
    assert.equal(server.fault(systemEnv.epoch() + 120), 'its certificate has ended');
    assert.throws(() => server.renew({ cert: own.cert, key: soon.key }), { code: 'ERR_TRANSPORT_TLS' });
    assert.throws(() => server.renew({ cert: 'none', key: soon.key }), { code: 'ERR_TRANSPORT_TLS' });
    const serialOf = (wire: HttpWire): string =>
      (wire.socket as unknown as { getPeerCertificate(): { serialNumber: string } }).getPeerCertificate().serialNumber;
    const fresh = await HttpWire.open(server.port, authority.cert);
    assert.notEqual(serialOf(fresh), serialOf(old));
    for (const wire of [old, fresh]) {
      wire.request('/');
      assert.match(await wire.until(/here/), /here/);
      wire.close();
    }
  } finally {
    await server.close();
  }
});
