import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import express, { type ErrorRequestHandler, type Express } from 'express';
import { tlsSettings } from '../../../../../src/transport/index.ts';
import { eightWays, GuardLab, makeTrust, text } from './guard-lab.ts';

const trust = await makeTrust();

/** An application that reads bodies before it asks who sends them; all but `/open` is behind the guard. */
function application({ guard, passed }: GuardLab): Express {
  const app = express();
  app.use(express.json(), express.urlencoded());
  app.get('/open', (_request, response) => void response.send('open'));
  const behind = express.Router();
  behind.use(guard.middleware, (request, _response, next) => {
    passed.push(request);
    next();
  });
  behind.get(['/', '/me'], (request, response) => void response.json({ client: guard.callerOf(request)?.clientId }));
  behind.post('/echo', (request, response) => void response.json(request.body));
  app.use('/api', behind);
  app.use(behind);
  const failed: ErrorRequestHandler = (_error, _request, response, _next) => void response.status(500).end();
  app.use(failed);
  return app;
}

test('Express: eight ways not to be let in, each with its reason', () => GuardLab.within(trust, {}, eightWays, application));

test('Express: whoever is let in is known to the handlers, below a path too, and what is not behind the guard is open', () =>
  GuardLab.within(
    trust,
    {},
    async (lab) => {
      for (const path of ['/me', '/api/me']) assert.deepEqual(JSON.parse(text((await lab.fetch({ path })).body)), { client: 'val-a.example' }, path);
      assert.equal(text((await lab.fetch({ path: '/open', headers: {} })).body), 'open');
      assert.equal((await lab.fetch({ path: '/nothing' })).status, 404);
      assert.equal((await lab.fetch({ path: '/nothing', headers: {} })).status, 401);
    },
    application,
  ));

test('Express: a token in the query or in the body is refused, also beside one in the header; other bodies pass', () =>
  GuardLab.within(
    trust,
    {},
    async (lab) => {
      const token = await lab.token();
      const authorization = `Bearer ${token}`;
      const post = async (type: string, body: string): Promise<{ readonly status: number; readonly said: unknown }> => {
        const answer = await lab.fetch({ path: '/api/echo', method: 'POST', headers: { authorization, 'content-type': type }, body });
        return { status: answer.status, said: JSON.parse(text(answer.body)) };
      };
      const [form, json] = ['application/x-www-form-urlencoded', 'application/json'];
      for (const [type, body] of [
        [form, `access_token=${token}`],
        [json, JSON.stringify({ access_token: token })],
      ] as const)
        assert.equal((await post(type, body)).status, 400, type);
      assert.deepEqual(await post(form, 'a=1'), { status: 200, said: { a: '1' } });
      assert.deepEqual(await post(json, '{"a":1}'), { status: 200, said: { a: 1 } });
      for (const path of ['/me', '/api/me']) assert.equal((await lab.fetch({ path: `${path}?access_token=${token}` })).status, 400, path);
      assert.deepEqual(
        lab.events.map(({ reason }) => reason),
        ['place', 'place', 'place', 'place'],
      );
    },
    application,
  ));

test('Express: what the verifier did not foresee goes to the error handler', () =>
  GuardLab.within(
    trust,
    { verifier: { verify: () => Promise.reject(new Error('unforeseen')) } },
    async (lab) => assert.deepEqual([(await lab.fetch({ path: '/me' })).status, lab.passed.length], [500, 0]),
    application,
  ));

test('Express: the log has the address that a trusted proxy tells of', () =>
  GuardLab.within(
    trust,
    { addressOf: (request) => (request as express.Request).ip },
    async (lab) => {
      assert.equal((await lab.fetch({ path: '/me', headers: { 'x-forwarded-for': '192.0.2.1, 192.0.2.7' } })).status, 401);
      assert.deepEqual(
        lab.events.map((event) => event.address),
        ['192.0.2.7'],
      );
    },
    (lab) => application(lab).set('trust proxy', 'loopback'),
  ));

test('Express: behind a server of node:https that asks for certificates', () =>
  GuardLab.within(trust, {}, async (lab) => {
    const ca = trust.authority.cert;
    const server = createServer({ ...tlsSettings, ...trust.server, ca, requestCert: true, rejectUnauthorized: true }, application(lab));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    try {
      assert.equal((await lab.fetch({ port, path: '/me' })).status, 200);
      assert.equal((await lab.fetch({ port, path: '/me', headers: {} })).status, 401);
      await assert.rejects(lab.fetch({ port, path: '/me', cert: '', key: '' }), { code: 'ERR_TRANSPORT_HTTPS' });
    } finally {
      server.close();
      server.closeAllConnections();
    }
  }));
