import assert from 'node:assert/strict';
import { once } from 'node:events';
import { appendFileSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer, type Server as HttpsServer } from 'node:https';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { claimsOf } from '../profiles/seal/https/openid/openid-lab.ts';
import { freePort } from '../support/ports.ts';
import { aceExits } from './lab.ts';
import { SimSLab } from './sim-s-lab.ts';

let lab: SimSLab;
let proxy: HttpsServer;
/** Who the proxy says has asked. */
const visitor = '198.51.100.7';

/** A proxy of another make, as far as this is one: it ends TLS, and writes down who has asked. */
before(async () => {
  lab = await SimSLab.make();
  const backend = await freePort();
  lab.edit(`    listen: ${lab.issuer}\n`, `    listen: http://127.0.0.1:${backend}\n    proxy: { trusted: [127.0.0.1], public_url: "${lab.issuer}" }\n`);
  lab.edit('    cert_file: tls/sims.pem\n', '');
  lab.edit('    key_file: tls/sims.key', '');
  appendFileSync(lab.asYaml, 'audit: ./audit\n');
  const read = (name: string): string => readFileSync(join(lab.folder, 'tls', name), 'utf8');
  proxy = createServer({ cert: read('sims.pem'), key: read('sims.key') }, (incoming, outgoing) => {
    const { method, url, headers } = incoming;
    const forwarded = { ...headers, 'x-forwarded-for': [headers['x-forwarded-for'], visitor].filter(Boolean).join(', ') };
    const sent = request({ host: '127.0.0.1', port: backend, method, path: url, headers: forwarded }, (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.rawHeaders);
      answer.pipe(outgoing);
    });
    sent.on('error', () => outgoing.destroy());
    incoming.pipe(sent);
  });
  proxy.listen(lab.port, '127.0.0.1');
  await Promise.all([once(proxy, 'listening'), lab.as.start()]);
});
after(async () => {
  proxy.closeAllConnections();
  proxy.close();
  await lab.end();
});

test('ace-coap as over plain HTTP behind a proxy that ends TLS: a whole login, and the audit log has the address of who asked', async () => {
  assert.ok(lab.as.urls.some((url) => url.startsWith('http://127.0.0.1:')));
  const tokens = await lab.tokens();
  assert.equal(claimsOf(tokens['access_token'])['iss'], lab.issuer);
  assert.equal((await lab.refresh(tokens['refresh_token'])).status, 200);
  const { headers } = await lab.fetch(lab.authorizationUri(), { headers: { 'X-Forwarded-For': '203.0.113.9' } });
  assert.ok((headers['set-cookie'] ?? []).length > 0);
  for (const cookie of headers['set-cookie']!) assert.match(cookie, /; secure/i);
  await lab.fetch(lab.authorizationUri({ client_id: 'nobody' }), { headers: { 'X-Forwarded-For': '203.0.113.9' } });
  const { stdout } = await aceExits(0, ['audit', 'show', join(lab.folder, 'audit'), '--json']);
  const entries = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.equal(entries.find(({ type }) => type === 'login')?.['address'], visitor);
  assert.equal(entries.find(({ type }) => type === 'refused')?.['peer'], visitor);
  assert.ok(!stdout.includes('203.0.113.9'));
});
