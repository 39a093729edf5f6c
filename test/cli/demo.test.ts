import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { scale } from '../support/scale.ts';
import { aceExits } from './lab.ts';

/** By profile, the answer to a replay: OSCORE says that it is one, and repeats its answer to a duplicate; DTLS is silent. */
const profiles: Readonly<Record<string, readonly (string | null)[]>> = {
  oscore: ['4.01', '2.05'],
  'dtls-rpk': [null, null],
  ...(scale === 'full' ? { 'dtls-psk': [null, null] } : {}),
};

/** The codes of the steps of a demo, each of which is as it should be and has a name of its own. */
async function codesOf(...flags: readonly string[]): Promise<readonly unknown[]> {
  const { stdout } = await aceExits(0, ['demo', ...flags, '--json']);
  const steps = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  for (const step of steps) {
    assert.deepEqual(Object.keys(step), ['step', 'code', 'request_bytes', 'response_bytes', 'ok']);
    assert.equal(step['ok'], true, JSON.stringify(step));
    assert.ok(typeof step['step'] === 'string' && (step['code'] === null || /^(?:[245]\.\d\d|[2345]\d\d)$/.test(String(step['code']))), JSON.stringify(step));
    assert.ok(Number.isInteger(step['request_bytes']) && Number.isInteger(step['response_bytes']), JSON.stringify(step));
  }
  assert.equal(new Set(steps.map(({ step }) => step)).size, steps.length);
  return steps.map(({ code }) => code);
}

for (const [profile, replays] of Object.entries(profiles)) {
  test(`ace-coap demo --profile ${profile} --json: each step comes out as it should, one JSON object a line, and the page has all of it open`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'ace-coap-demo-page-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const page = join(folder, 'demo.html');
    const codes = await codesOf('--profile', profile, '--html', page);
    assert.match(readFileSync(page, 'utf8'), /<p class="facts">\d+ messages, \d+ bytes, [\d.]+ s; \d+ protected, all opened<\/p>/);
    // Hints, token, upload, GET; outside the scope; more rights; replay and duplicate; restart; before and after expiry; refresh; after revocation.
    assert.deepEqual(codes, [
      '4.01',
      '2.01',
      '2.01',
      '2.05',
      '4.05',
      '4.03',
      '2.01',
      '2.01',
      '2.04',
      ...replays,
      '2.05',
      '2.05',
      '2.05',
      '4.01',
      '2.01',
      '4.01',
    ]);
  });
}

test('ace-coap demo --seal --json: SIM-S, SKM-S, spatial anchors, a proxy, a T8 gateway, CAPIF and MSGin5G; each step comes out as it should', async () => {
  const codes = await codesOf('--seal');
  // Who is not known; what is provisioned; through the proxy; over DTLS; what the spatial server, the SKM-S and the SIM-S refuse, and when a token ends.
  // Over HTTPS: a login, a VAL server with its certificate, an SCS/AS at a T8 gateway, and an API invoker of CAPIF. Over TLS: a UE with a key of its SIM.
  const km = ['4.00', '4.00', '4.00', '4.00', '4.00', '4.03', '4.04', '4.03'];
  assert.deepEqual(codes, [
    ...['4.01', '4.00', null, null],
    ...['2.01', '2.01', '2.05', '2.01', '2.05', null],
    ...['2.05', '2.05'],
    ...['4.05', '4.03', ...km, '4.01', '4.03', '4.00', '2.05', '4.01', '4.00'],
    ...['403', '303', null, '200', '200'],
    ...['200', '200', '403', '403', '401', '403', '403'],
    ...['201', '201', '200', '403', '403', '500'],
    ...['200', '201', '403', '401', '400'],
    ...['2.04', '4.03'],
  ]);
});
