import assert from 'node:assert/strict';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { systemEnv } from '../../src/core/env.ts';
import { writeSealLab } from '../../src/operate/index.ts';
import { until } from '../support/wait.ts';
import { HttpsSide } from './https-side.ts';
import { aceExits, edit, Lab, type Run } from './lab.ts';

let lab: Lab;
let https: HttpsSide;
let sKmsUri = '';
const user = 'anna@val.example';

/** The deployment that `ace-coap seal init` makes. */
async function makeSeal({ folder, asPort, rsPort }: Lab): Promise<void> {
  sKmsUri = `coap://127.0.0.1:${rsPort}/km`;
  rmSync(folder, { recursive: true });
  await writeSealLab(folder, { random: systemEnv.random, asPort, rsPort });
  https.writeTo(folder);
}

before(async () => {
  https = await HttpsSide.start();
  lab = await Lab.start(makeSeal);
});
after(async () => {
  await lab.end();
  await https.close();
});

const records = (code: number, args: readonly string[], input?: Uint8Array): Promise<Run> =>
  aceExits(code, ['seal', 'km', ...args, '--config', lab.folder], input === undefined ? {} : { input });
const get = (code: number, ...args: readonly string[]): Promise<Run> => aceExits(code, ['km', 'get', ...args, '--config', lab.folder]);

test('ace-coap seal km and km get: records that are put while the server runs, and keys that come of them', async () => {
  assert.match((await get(1, '--service', 'v2x')).stderr, /answers 02 \(4\.04\): no key information/);
  const keys = Uint8Array.of(0, 1, 2, 0xff);
  assert.match((await records(0, ['put', '--service', 'v2x', '--device', 'ue1'], keys)).stdout, /kept the key record of v2x for device ue1/);
  await records(0, ['put', '--service', 'v2x', '--json'], Uint8Array.of(9));
  const file = join(lab.parent, 'keys.bin');
  const [listed, shown, got] = await Promise.all([
    records(0, ['list', '--json']),
    records(0, ['get', '--service', 'v2x', '--device', 'ue1', '-o', file]),
    get(0, '--service', 'v2x', '--device', 'ue1'),
  ]);
  assert.deepEqual(
    new Set(
      listed.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ),
    new Set([
      { service: 'v2x', payload_bytes: 1 },
      { service: 'v2x', device: 'ue1', payload_bytes: 4 },
    ]),
  );
  assert.equal(shown.stdout, '');
  assert.deepEqual(new Uint8Array(readFileSync(file)), keys);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.deepEqual(got.bytes, Buffer.from(keys));
  const { date_time: dateTime, ...said } = JSON.parse((await get(0, '--service', 'v2x', '--user', user, '--post', '--json')).stdout) as Record<string, unknown>;
  assert.ok(typeof dateTime === 'number');
  assert.deepEqual(said, {
    service: 'v2x',
    user,
    user_uri: 'acct:anna%40val.example@127.0.0.1',
    skms_uri: sKmsUri,
    payload_bytes: 1,
    payload_hex: '09',
  });
  const log = lab.rs.stderr;
  assert.match(log, /key-material-given/);
  assert.ok(!log.includes('000102ff'));
});

test('ace-coap km get: what is refused, with its ErrorCode and exit code', async () => {
  const [other, wrongUri, two] = await Promise.all([
    get(1, '--service', 'v2x', '--device', 'ue2'),
    get(1, '--service', 'v2x', '--skms', `${sKmsUri}/`, '--uri', sKmsUri),
    get(2, '--service', 'v2x', '--device', 'ue1', '--user', user),
  ]);
  assert.match(other.stderr, /answers 04 \(4\.03\)/);
  assert.match(wrongUri.stderr, /answers 04 \(4\.00\).*it goes by "coap:/);
  assert.match(two.stderr, /--device.*--user|--user.*--device/);
  const refusals = lab.rs.log().filter(({ event }) => event === 'key-request-refused');
  assert.deepEqual(new Set(refusals.map(({ level, reason }) => `${level} ${reason}`)), new Set(['warn identity', 'warn no-record', 'warn skms-uri']));
});

test('ace-coap rs over HTTPS: the same records, for a VAL server and for a client', async () => {
  assert.ok(lab.rs.urls.includes(https.uri));
  const asVal1 = (code: number, ...words: readonly string[]): Promise<Run> => https.records(code, lab.folder, 'val1', ...words);
  assert.deepEqual((await asVal1(0, '--service', 'v2x', '--device', 'ue1')).bytes, Buffer.of(0, 1, 2, 0xff));
  const { stdout } = await asVal1(0, '--service', 'v2x', '--json');
  assert.deepEqual(JSON.parse(stdout), { service: 'v2x', user_uri: 'acct:val1@127.0.0.1', payload_bytes: 1, payload_hex: '09' });
  assert.match((await asVal1(1, '--service', 'other')).stderr, /answers 403: service/);
  const other = await https.records(1, lab.folder, 'val2', '--service', 'v2x');
  assert.match(other.stderr, /answers 403: client: expected a token for the client of the certificate/);
  const fromHttps = (code: number, ...words: readonly string[]): Promise<Run> => get(code, '--service', 'v2x', '--skms', `${https.uri}/km`, ...words);
  assert.deepEqual((await fromHttps(0, '--client-credentials')).bytes, Buffer.of(9));
  assert.match((await fromHttps(1)).stderr, /nobody is logged in/);
  assert.match((await fromHttps(1, '--client-credentials', '--device', 'ue2')).stderr, /answers 04 \(403\)/);
  assert.match((await fromHttps(2, '--post')).stderr, /over CoAP alone/);
  const log = lab.rs.stderr;
  for (const event of ['"served"', '"caller-refused"']) assert.ok(log.includes(event), event);
  assert.doesNotMatch(log, /eyJ|000102ff/);
});

test('ace-coap rs over HTTPS: SIGHUP takes other clients, and not another issuer', async () => {
  const path = join(lab.folder, 'rs.yaml');
  edit(path, 'val1: [val1.val.example]', 'val1: [val2.val.example]');
  edit(path, `issuer: ${https.issuer}`, 'issuer: https://other.example');
  lab.rs.signal('SIGHUP');
  await until(() => lab.rs.stderr.includes('"reloaded"'));
  assert.ok(lab.rs.log().some(({ msg, setting }) => msg === 'needs a restart' && setting === 'seal.https.issuer'));
  await https.records(0, lab.folder, 'val2', '--service', 'v2x');
  assert.match((await https.records(1, lab.folder, 'val1', '--service', 'v2x')).stderr, /answers 403: client/);
});

test('ace-coap seal km: a record that is not there, a payload that is none, a key of others', async () => {
  await records(2, ['remove', '--service', 'nothing']);
  assert.match((await records(2, ['put', '--service', 'v2x'], new Uint8Array(0))).stderr, /payload of 1 to 61440 bytes/);
  const key = join(lab.folder, 'keys', 'seal1-records.key');
  writeFileSync(key, `${'7b'.repeat(32)}\n`);
  assert.match((await records(2, ['list'])).stderr, /expected the key that the records here are sealed with/);
});
