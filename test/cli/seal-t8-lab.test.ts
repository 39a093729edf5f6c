/** A lab of `ace-coap seal init`: the T8 gateway in it works at once, and its certificates have the profile of TS 33.310. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { fromUtf8 } from '../../src/core/bytes.ts';
import { crlsOfPem } from '../../src/core/pem.ts';
import { sendHttp } from '../gateway/support.ts';
import { freePort } from '../support/ports.ts';
import { until } from '../support/wait.ts';
import { aceExits, type Run, Server } from './lab.ts';
import { runHere } from './run-here.ts';

const main = fileURLToPath(new URL('../../bundle/cli/main.js', import.meta.url));
const fromLatin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const meter = 'meter1@op.example';

/** `ace-coap seal t8 serve`, until it is told to stop. */
async function serveT8(folder: string): Promise<{ log(): string; stop(): Promise<void> }> {
  const child: ChildProcess = spawn(process.execPath, [main, 'seal', 't8', 'serve', folder, '--json'], { stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  const listens = new Promise<void>((resolve) => {
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      if (text.includes('listens on')) resolve();
    });
  });
  const ended = once(child, 'close');
  await Promise.race([listens, ended.then(([code]) => Promise.reject(new Error(`it ended with ${code}: ${log}`)))]);
  return {
    log: () => log,
    stop: async () => {
      child.kill('SIGINT');
      assert.equal((await ended)[0], 0, log);
    },
  };
}

describe('ace-coap seal init: a lab with a T8 gateway', () => {
  let parent: string;
  let lab: string;
  let said: string;
  const ports: Record<string, number> = {};
  before(async () => {
    parent = mkdtempSync(join(tmpdir(), 'ace-coap-t8-lab-'));
    lab = join(parent, 'lab');
    for (const name of ['as', 'rs', 'meter']) ports[name] = await freePort();
    for (const name of ['as-https', 'rs-https', 'capif', 'capif-core', 'msgin5g', 't8', 'notify', 'crl']) ports[name] = await freePort();
    const flags = Object.entries(ports).flatMap(([name, port]) => [`--${name}-port`, `${port}`]);
    said = (await aceExits(0, ['seal', 'init', lab, ...flags])).stdout;
  });
  after(() => rmSync(parent, { recursive: true, force: true }));

  test('a port that is given twice is told with both flags', async () => {
    for (const [flags, expected] of [
      [['--as-port', '5000', '--meter-port', '5000'], /--as-port and --meter-port: expected two ports, got 5000 twice/],
      [['--t8-port', '10448'], /--t8-port and --notify-port: expected two ports, got 10448 twice/],
    ] as const) {
      const { code, stderr } = await runHere(['seal', 'init', join(parent, 'other'), ...flags]);
      assert.equal(code, 2);
      assert.match(stderr, expected);
    }
  });

  test('certificate lint finds nothing in its certificates', async () => {
    for (const [name, roles] of Object.entries({
      ca: ['ca'],
      sims: ['server'],
      seal1: ['server'],
      val1: ['client'],
      scef: ['server', 'client'],
      scs1: ['server', 'client'],
    }))
      for (const role of roles) {
        const { code, stdout } = await runHere(['seal', 'certificate', 'lint', join(lab, 'tls', `${name}.pem`), '--as', role, '--json']);
        assert.deepEqual([code, JSON.parse(stdout)], [0, { certificates: [{ as: role, findings: [] }] }], name);
      }
  });

  test('devices and rules are there, and the SUPI is not shown', async () => {
    const list = await runHere(['seal', 't8', 'device', 'list', '--config', lab, '--json']);
    assert.deepEqual(JSON.parse(list.stdout), { external_id: meter, uri: `coap://127.0.0.1:${ports['meter']}`, has_supi: true });
    const rules = await runHere(['seal', 't8', 'list', '--config', lab, '--json']);
    assert.deepEqual(JSON.parse(rules.stdout), { scs_as: 'scs1', devices: 'meter*@op.example', api: '*', effect: 'allow' });
  });

  test('what it says comes next triggers the device; what no rule allows is refused; the SEAL server follows the list of the SIM-S', async () => {
    const [as, device, rs] = [new Server('as', lab), new Server('rs', join(lab, 'meter.yaml')), new Server('rs', lab)];
    await as.start();
    await Promise.all([device.start(), rs.start()]);
    const gateway = await serveT8(lab);
    try {
      const line = said.split('\n').find((one) => one.includes('seal t8 trigger'))!;
      const words = [...line.trim().matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!).slice(1);
      const trigger = (code: number, change: (words: readonly string[]) => readonly string[] = (same) => same): Promise<Run> =>
        aceExits(code, [...change(words), '--json']);
      const { result, transaction } = JSON.parse((await trigger(0)).stdout) as Readonly<Record<string, string>>;
      assert.equal(result, 'SUCCESS');
      assert.match(transaction!, new RegExp(`^https://127\\.0\\.0\\.1:${ports['t8']}/3gpp-device-triggering/v1/scs1/transactions/`));
      const refused = await trigger(1, (all) => all.map((word) => (word === meter ? 'pump1@op.example' : word)));
      assert.match(refused.stderr, /expected 201, got 403 \(expected a device that this SCS\/AS may address/);
      const stranger = await trigger(3, (all) => all.map((word) => word.replace(/scs1\.(pem|key)$/, 'sims.$1')));
      assert.match(stranger.stderr, /ERR_TRANSPORT_HTTPS/);
      await until(() => gateway.log().includes('"certificate-purpose"'));
      assert.doesNotMatch(gateway.log(), /00101000000000/);
      assert.doesNotMatch(said, /001010000000002/);

      const crl = await sendHttp(ports['crl']!, '/ca.crl');
      assert.deepEqual([crl.status, crl.headers['content-type']], [200, 'application/pkix-crl']);
      assert.deepEqual(Uint8Array.from(crl.body), crlsOfPem(readFileSync(join(lab, 'tls', 'ca.crl'), 'utf8'))[0]);

      const point = new X509Certificate(readFileSync(join(lab, 'tls', 'val1.pem'))).raw;
      assert.ok(fromLatin1(point).includes(`http://127.0.0.1:${ports['crl']}/ca.crl`));
      assert.deepEqual([(await sendHttp(ports['crl']!, '/')).status, (await sendHttp(ports['crl']!, '/ca.crl', { method: 'POST' })).status], [404, 405]);
      await aceExits(0, ['get', `coap://127.0.0.1:${ports['rs']}/notes`, '--config', lab]);
      await until(() => rs.log().some(({ msg, reason }) => msg === 'revocation-list' && reason === 'reached'));
    } finally {
      await gateway.stop();
      await Promise.all([as, device, rs].map((server) => server.stop()));
    }
  });

  test('the settings of the T8 gateway stand in t8.yaml with what they are', () => {
    const text = fromUtf8(readFileSync(join(lab, 't8.yaml')));
    for (const line of ['crl_file: tls/ca.crl', 'certificate_profile: true', 'per_device: { burst: 50, rate: 10 }']) assert.ok(text.includes(line), line);
  });
});
