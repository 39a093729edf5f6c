import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { GuardRefusal, type HttpAnswer, SealHttpsServer } from '../../../../profiles/seal/https/index.ts';
import { HttpWire, head } from '../../../support/http-wire.ts';
import { until } from '../../../support/wait.ts';
import { FaceLab, sharedTrust } from './face-lab.ts';
import { appSecret, inOpenIdLab, OpenIdLab, serverSecret } from './openid/openid-lab.ts';

const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
const basic = (id: string, secret: string): { Authorization: string } => ({
  Authorization: `Basic ${Buffer.from([id, secret].map(encodeURIComponent).join(':')).toString('base64')}`,
});
const retryAfter = /\r\nretry-after: [1-9]\d*\r\n/i;

describe('overload of a SIM-S over HTTPS', () => {
  test('429 with Retry-After: a client over its rate, at each endpoint, once it is known who it is', () =>
    inOpenIdLab(
      async (lab) => {
        // Whoever only says that he is the client uses nothing up.
        for (let i = 0; i < 5; i++) assert.equal((await lab.post('/introspect', { token: 'x' }, 'val1', 'wrong')).status, 401);
        const ask = [
          () => lab.post('/token', { grant_type: 'client_credentials', scope: 'km' }, 'val1', serverSecret),
          () => lab.post('/introspect', { token: 'x' }, 'val1', serverSecret),
          () => lab.post('/revoke', { token: 'x' }, 'val1', serverSecret),
        ];
        for (const each of ask) assert.equal((await each()).status, 200);
        for (const each of ask) {
          const { status, headers, body } = await each();
          assert.deepEqual([status, body['error']], [429, 'temporarily_unavailable']);
          assert.ok(Number(headers['retry-after']) >= 1);
        }
        assert.equal((await lab.post('/introspect', { token: 'x' })).status, 200);
        const refused = lab.events.filter((event) => event.type === 'refused' && event.reason === 'rate-client');
        assert.deepEqual(
          refused.map((event) => event.type === 'refused' && event.peer),
          Array(3).fill('client:val1'),
        );
      },
      { simS: { limits: { rate: { client: { burst: 3, rate: 0.001 } } } } },
    ));

  test('429 with Retry-After: an address over the rate of the server, and one that begins too many logins', () =>
    inOpenIdLab(async (lab) => {
      const begin = (): Promise<{ readonly status: number; readonly headers: Readonly<Record<string, unknown>> }> => lab.fetch(lab.authorizationUri());
      const now = lab.env.now();
      lab.env.now = () => now;
      const answers: Awaited<ReturnType<typeof begin>>[] = [];
      for (let i = 0; i < 8; i++) answers.push(...(await Promise.all(Array.from({ length: 20 }, begin))));
      const late = answers.filter(({ status }) => status === 429);
      assert.ok(late.length === 40 && late.every(({ headers }) => Number(headers['retry-after']) >= 1));
      assert.equal((await lab.fetch(`${lab.issuer}/jwks`)).status, 200);
    }));

  test('a reload of the limits counts from then on', () =>
    inOpenIdLab(async (lab) => {
      const status = async (): Promise<number> => (await lab.fetch(`${lab.issuer}/jwks`)).status;
      for (let i = 0; i < 5; i++) assert.equal(await status(), 200);
      await lab.simS.reconfigure({ clients: [], resourceServers: [], limits: { rate: { address: { burst: 1, rate: 0.001 } } } });
      assert.deepEqual([await status(), await status()], [200, 429]);
    }));

  test('503 with Retry-After: too many requests under way, and a server that drains; then it ends in order', () =>
    inOpenIdLab(
      async (lab) => {
        const wires = await Promise.all([1, 2, 3].map((host) => HttpWire.open(lab.server.port, lab.ca, `127.0.0.${host}`)));
        const [first, second, third] = wires as [HttpWire, HttpWire, HttpWire];
        for (const wire of [first, second]) wire.write(head('POST', '/introspect', { ...form, ...basic('app', appSecret), 'Content-Length': '7' }));
        await until(() => lab.face.stats()['pending'] === 2);
        third.request('/jwks');
        assert.match(await third.until(/\r\n\r\n/), /^HTTP\/1\.1 503 /);
        assert.match(third.text, retryAfter);
        const drained = lab.server.drain(5_000);
        await third.ended;
        for (const wire of [first, second]) wire.write('token=x');
        for (const wire of [first, second]) assert.match(await wire.rest(), /^HTTP\/1\.1 200 .*connection: close.*"active":false/is);
        assert.equal(await drained, true);
      },
      { face: { pending: 2 } },
    ));

  test('one address has half of the requests that are worked on at once, however long it takes with its bodies', () =>
    inOpenIdLab(
      async (lab) => {
        const wires = await Promise.all(Array.from({ length: 4 }, () => HttpWire.open(lab.server.port, lab.ca)));
        for (const wire of wires.slice(0, 2)) wire.write(head('POST', '/token', { ...form, 'Content-Length': '7' }));
        await until(() => lab.face.stats()['pending'] === 2);
        wires[2]!.request('/jwks');
        assert.match(await wires[2]!.until(/\r\n\r\n/), /^HTTP\/1\.1 429 /);
        assert.match(wires[2]!.text, retryAfter);
        const other = await HttpWire.open(lab.server.port, lab.ca, '127.0.0.2');
        other.request('/jwks');
        assert.match(await other.until(/\r\n\r\n/), /^HTTP\/1\.1 200 /);
        for (const wire of [...wires, other]) wire.close();
        await until(() => lab.face.stats()['pending'] === 0);
        assert.equal((await lab.fetch(`${lab.issuer}/jwks`)).status, 200);
      },
      { face: { pending: 4 } },
    ));

  test('slow heads and bodies are cut off with 408, longer ones refused with 431 and 413', () =>
    inOpenIdLab(
      async (lab) => {
        const open = (): Promise<HttpWire> => HttpWire.open(lab.server.port, lab.ca);
        const [slowHead, slowBody, longHead, longBody, endless] = await Promise.all([open(), open(), open(), open(), open()]);
        slowHead.write('GET /jwks HTTP/1.1\r\n');
        slowBody.write(head('POST', '/token', { ...form, ...basic('app', appSecret), 'Content-Length': '100' }));
        longHead.request('/jwks', { Cookie: 'a'.repeat(20_000) });
        longBody.write(head('POST', '/token', { ...form, ...basic('app', appSecret), 'Content-Length': '20000' }));
        endless.write(head('POST', '/introspect', { ...form, ...basic('app', appSecret), 'Transfer-Encoding': 'chunked' }));
        for (let i = 0; i < 5; i++) endless.write(`1000\r\n${'a'.repeat(4096)}\r\n`);
        assert.match(await slowHead.rest(), /^HTTP\/1\.1 408 /);
        assert.match(await slowBody.rest(), /^HTTP\/1\.1 408 /);
        assert.match(await longHead.rest(), /^HTTP\/1\.1 431 /);
        assert.match(await longBody.rest(), /^HTTP\/1\.1 413 .*connection: close/is);
        assert.match(await endless.rest(), /^HTTP\/1\.1 413 .*connection: close/is);
        assert.equal((await lab.fetch(`${lab.issuer}/jwks`)).status, 200);
        // The client may have the answer before the server knows that it is gone.
        await until(() => lab.face.stats()['pending'] === 0);
      },
      { listen: { bounds: { headTimeout: 400, requestTimeout: 800 } } },
    ));

  test('a body in chunks at the token endpoint, whose end nobody sees: 400, and the connection ends', () =>
    inOpenIdLab(async (lab) => {
      const wire = await HttpWire.open(lab.server.port, lab.ca);
      wire.write(head('POST', '/token', { ...form, ...basic('app', appSecret), 'Transfer-Encoding': 'chunked' }));
      for (let i = 0; i < 15; i++) wire.write(`1000\r\n${'a'.repeat(4096)}\r\n`);
      assert.match(await wire.rest(), /^HTTP\/1\.1 400 .*connection: close.*"error":"invalid_request"/is);
      assert.equal(lab.face.stats()['pending'], 0);
      assert.equal((await lab.post('/token', { grant_type: 'client_credentials', scope: 'km' }, 'val1', serverSecret)).status, 200);
    }));

  test('connections: one more than may be is told 503 with Retry-After', async () => {
    const lab = await OpenIdLab.start({ listen: { bounds: { connections: 2 } } });
    const wires = await Promise.all([HttpWire.open(lab.server.port, lab.ca), HttpWire.open(lab.server.port, lab.ca)]);
    const surplus = await HttpWire.open(lab.server.port, lab.ca);
    surplus.request('/jwks');
    assert.match(await surplus.rest(), /^HTTP\/1\.1 503 /);
    assert.match(surplus.text, retryAfter);
    for (const wire of wires) wire.close();
    await lab.close();
  });
});

describe('overload of a SEAL server over HTTPS', () => {
  test('429 with Retry-After: a client over its rate, and an address over its own, before anybody is asked for a token', () =>
    FaceLab.within({ config: { rate: { client: { burst: 3, rate: 0.001 }, address: { burst: 8, rate: 0.001 } } } }, async (lab) => {
      const told: (readonly [status: number, wait: number])[] = [];
      for (let i = 0; i < 10; i++) {
        const { status, headers } = await lab.fetch('/spatial-anchors', { claims: { client_id: 'app', scope: 'nothing' } });
        told.push([status, Number(headers['retry-after'] ?? 0)]);
      }
      assert.deepEqual(
        told.map(([status]) => status),
        [...Array(3).fill(told[0]![0]), ...Array(7).fill(429)],
      );
      assert.ok(told.slice(3).every(([, wait]) => wait >= 1));
      const reasons = lab.refusals();
      assert.deepEqual(reasons.slice(-7), [...Array(5).fill('rate'), 'rate-address', 'rate-address']);
      assert.equal((await lab.fetch('/km', { claims: null })).status, 429);
    }));

  test('one address has half of the requests that are worked on at once: a refusal may have to wait for its body, though nobody was let in', async () => {
    const { authority, server: own } = await sharedTrust();
    const refusal = new GuardRefusal('no-token', 'expected an access token, got none', { status: 401, realm: 'seal' });
    const answer = async (): Promise<HttpAnswer> => ({ status: 204 });
    const server = new SealHttpsServer({
      listen: own,
      guard: { check: () => Promise.reject(refusal) },
      endpoints: [{ path: '/km', methods: ['POST'], largest: 100, answer, refuse: ({ status }) => ({ status }) }],
      pending: 4,
    });
    await server.listen();
    try {
      const wires = await Promise.all(Array.from({ length: 3 }, () => HttpWire.open(server.port, authority.cert)));
      for (const wire of wires.slice(0, 2)) wire.write(head('POST', '/km', { 'Content-Length': '7' }));
      await until(() => server.stats()['requests'] === 2);
      wires[2]!.request('/km', {}, 'x');
      assert.match(await wires[2]!.until(/\r\n\r\n/), /^HTTP\/1\.1 429 /);
      assert.match(wires[2]!.text, retryAfter);
      const other = await HttpWire.open(server.port, authority.cert, '127.0.0.2');
      other.request('/km', {}, 'x');
      assert.match(await other.until(/\r\n\r\n/), /^HTTP\/1\.1 401 /);
      for (const wire of [...wires, other]) wire.close();
      await until(() => server.stats()['requests'] === 0);
    } finally {
      await server.close();
    }
  });

  test('slow heads and bodies 408, longer ones 431 and 413, too many connections 503, and an end in order', () =>
    FaceLab.within({ listen: { bounds: { headTimeout: 1_500, requestTimeout: 3_000, connections: 6 } } }, async (lab) => {
      const bearer = { Authorization: `Bearer ${await lab.token()}`, 'Content-Type': 'application/json' };
      const open = (): Promise<HttpWire> => HttpWire.open(lab.port, lab.authority.cert);
      const [slowHead, slowBody, longHead, longBody, endless] = await Promise.all([open(), open(), open(), open(), open()]);
      slowHead.write('GET /km HTTP/1.1\r\n');
      slowBody.write(head('POST', '/km', { ...bearer, 'Content-Length': '100' }));
      longHead.request('/km', { 'X-Long': 'a'.repeat(20_000) });
      longBody.write(head('POST', '/km', { ...bearer, 'Content-Length': '200000' }));
      endless.write(head('POST', '/km', { ...bearer, 'Transfer-Encoding': 'chunked' }));
      for (let i = 0; i < 40; i++) endless.write(`1000\r\n${'a'.repeat(4096)}\r\n`);
      assert.match(await slowHead.rest(), /^HTTP\/1\.1 408 /);
      assert.match(await slowBody.rest(), /^HTTP\/1\.1 408 /);
      assert.match(await longHead.rest(), /^HTTP\/1\.1 431 /);
      assert.match(await longBody.rest(), /^HTTP\/1\.1 413 .*connection: close/is);
      assert.match(await endless.rest(), /^HTTP\/1\.1 413 .*connection: close/is);

      await until(() => lab.face.stats()['connections'] === 0);
      const within = await Promise.all(Array.from({ length: 6 }, open));
      const surplus = await open();
      surplus.request('/km');
      assert.match(await surplus.rest(), /^HTTP\/1\.1 503 /);
      assert.match(surplus.text, retryAfter);
      const [busy, late, idle] = within as [HttpWire, HttpWire, HttpWire];
      idle.request('/km');
      await idle.until(/\r\n\r\n/);
      busy.write(head('POST', '/km', { ...bearer, 'Content-Length': '2' }));
      late.write('GET /km HTTP/1.1\r\n');
      await until(() => lab.face.stats()['requests'] === 1);
      const drained = lab.face.drain(5_000);
      await idle.ended;
      late.write('Host: a\r\n\r\n');
      assert.match(await late.rest(), /^HTTP\/1\.1 503 /);
      busy.write('{}');
      assert.match(await busy.rest(), /^HTTP\/1\.1 4\d\d .*connection: close/is);
      assert.equal(await drained, true);
    }));
});
