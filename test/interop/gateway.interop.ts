import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, type TestContext } from 'node:test';
import { allowTargets, Endpoint } from '../../src/coap/index.ts';
import { Gateway } from '../../src/gateway/index.ts';
import { udp } from '../../src/transport/index.ts';
import { freePort } from '../support/ports.ts';
import { Californium } from './californium.ts';
import { testsWith } from './matrix.ts';
import { Background, runCommand, scratch, within } from './processes.ts';
import { coapServer } from './tools.ts';

const libcoap = testsWith({ peer: 'libcoap', role: 'server', transport: 'UDP', security: 'none' });
const californiumTest = testsWith({ peer: 'Californium', role: 'server', transport: 'UDP', security: 'none' });
const californium = new Californium({ after });

/** A gateway for a server on loopback, and curl before it. */
async function curlTo(t: TestContext, port: number): Promise<(path: string, ...args: readonly string[]) => Promise<{ head: string; body: string }>> {
  const upstream = new Endpoint({ transport: await udp({ address: '127.0.0.1' }) });
  const gateway = new Gateway({ authorize: false, allow: allowTargets(`127.0.0.1:${port}`), upstreams: { coap: upstream } });
  const listener = await gateway.listen();
  t.after(async () => {
    await listener.close();
    gateway.close();
    await upstream.close();
  });
  await within(10_000, `a server at port ${port}`, upstream.ping(await upstream.resolve('127.0.0.1', port)));
  return async (path, ...args) => {
    const uri = `http://127.0.0.1:${listener.port}/hc/coap://127.0.0.1:${port}${path}`;
    const { stdout: bytes } = await runCommand('curl', ['--silent', '--show-error', '--include', '--path-as-is', '--header', 'Expect:', ...args, uri]);
    const stdout = bytes.toString();
    const at = stdout.indexOf('\r\n\r\n');
    return { head: stdout.slice(0, at).toLowerCase(), body: stdout.slice(at + 4) };
  };
}

libcoap('curl -> our gateway -> libcoap server: GET, PUT, DELETE, and a body in blocks', ['methods', 'block-wise', 'proxy'], async (t) => {
  const port = await freePort();
  new Background(t, coapServer, ['-A', '127.0.0.1', '-p', String(port), '-d', '10', '-e']);
  const curl = await curlTo(t, port);
  const time = await curl('/time');
  assert.match(time.head, /^http\/1\.1 200 ok/);
  assert.match(time.body, /^\w{3} \d\d \d\d:\d\d:\d\d$/);
  assert.match((await curl('/.well-known/core')).head, /content-type: application\/link-format/);
  const large = 'x'.repeat(20_000);
  const file = join(scratch(t), 'large');
  writeFileSync(file, large);
  const created = await curl('/from-curl', '--request', 'PUT', '--header', 'Content-Type: text/plain', '--data-binary', `@${file}`);
  assert.match(created.head, /^http\/1\.1 201 created/);
  assert.equal((await curl('/from-curl')).body, large);
  assert.match((await curl('/from-curl', '--request', 'DELETE')).head, /^http\/1\.1 204 no content/);
  assert.match((await curl('/from-curl')).head, /^http\/1\.1 404 not found/);
});

californiumTest('curl -> our gateway -> Californium server: GET and an error', ['methods', 'errors', 'proxy'], async (t) => {
  const curl = await curlTo(t, await californium.serve(t));
  const hello = await curl('/oscore/hello/coap');
  assert.match(hello.head, /^http\/1\.1 200 ok/);
  assert.match(hello.body, /Hello World/);
  assert.match((await curl('/nothing-there')).head, /^http\/1\.1 404 not found/);
  assert.match((await curl('/oscore/hello/coap', '--request', 'DELETE')).head, /^http\/1\.1 400 coap server returned 4\.05/);
});
