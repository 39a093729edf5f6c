import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { type CaseResult, type ConformanceCase, conformanceCases, runCases, type Target } from '../../src/conformance/index.ts';
import { fromHex, toHex } from '../../src/core/bytes.ts';
import { symmetricKey } from '../../src/core/cwt.ts';
import { fixture } from '../support/fixtures.ts';
import { freePort } from '../support/ports.ts';
import { Californium } from './californium.ts';
import { AiocoapServer, contextA, contextFolder, mirrored, PythonPeer } from './oscore-peers.ts';

/** What was seen of a published implementation, and checked by hand against the section. */
interface Finding {
  readonly peer: string;
  readonly case: string;
}

const findings = fixture<readonly Finding[]>('conformance-findings.json');
const californium = new Californium({ after });
const patience = { answer: 1500, silence: 150, change: 1000 };
const oscoreCases: readonly ConformanceCase[] = conformanceCases.filter(({ id }) => id.startsWith('oscore-'));
const resources = { get: '/oscore/hello/1', put: '/oscore/hello/6', observe: '/oscore/observe2', large: '/large' } as const;
const at = (port: number): string => `coap://127.0.0.1:${port}`;

/** Cases that fail; what MAY be otherwise is no fault. At least `passing` of the others pass. */
async function failures(target: Target, cases: readonly ConformanceCase[], passing: number): Promise<readonly string[]> {
  const results: CaseResult[] = [];
  for await (const result of runCases(target, cases, { patience })) results.push(result);
  assert.deepEqual(
    results.filter(({ outcome, died }) => outcome === 'checker fault' || died === true),
    [],
  );
  assert.ok(results.filter(({ outcome }) => outcome === 'pass').length >= passing);
  return results.flatMap(({ outcome, case: { id, level } }) => (outcome === 'fail' && level !== 'MAY' ? [id] : []));
}

const found = (peer: string): readonly string[] => findings.filter((one) => one.peer === peer && one.case.startsWith('oscore-')).map((one) => one.case);

test('conformance: what is found of OSCORE in aiocoap is what was checked by hand', async (t) => {
  const { port } = await AiocoapServer.start(t, [contextFolder(t, 'server', mirrored(contextA))]);
  const target: Target = { coap: at(port), oscore: { contexts: [{ ...contextA, firstSequence: 0 }], resources } };
  assert.deepEqual(await failures(target, oscoreCases, 45), found('aiocoap'));
});

test('conformance: what is found of OSCORE in Californium is what was checked by hand', async (t) => {
  const targetAt = async (firstSequence: number): Promise<Target> => ({
    coap: at(await californium.serve(t, mirrored(contextA))),
    oscore: { contexts: [{ ...contextA, firstSequence }], resources: { ...resources, get: '/value' } },
  });
  const usual = await failures(await targetAt(0), oscoreCases, 35);
  const first = oscoreCases.filter(({ id }) => id === 'oscore-01');
  const high = await failures(await targetAt(2 ** 31), first, 0);
  assert.deepEqual([...high, ...usual], found('Californium'));
});

/** What the resource server of these tests, made of aiocoap and cbor2, leaves out: it takes what it is given, and does not end what has expired. */
const leftOut = [
  ...['upload-03', 'upload-04', 'token-03', 'token-04', 'token-09', 'token-10', 'token-11', 'access-04', 'access-07', 'hints-03', 'expiry-01'],
  ...['osc-02', 'osc-up-01', 'osc-up-02', 'osc-up-03', 'osc-up-04', 'osc-up-05', 'osc-up-06'],
  ...['osc-mat-01', 'osc-mat-02', 'osc-mat-03', 'osc-mat-04', 'osc-mat-05', 'osc-ctx-01', 'osc-ctx-04', 'osc-ctx-09', 'osc-ctx-10', 'osc-ctx-11'],
].map((id) => `rs-${id}`);

test('conformance: a resource server of aiocoap takes our tokens in every way that it is made for, and what it leaves out is found', async (t) => {
  const port = await freePort();
  const secret = fromHex('000102030405060708090a0b0c0d0e0f');
  const server = new PythonPeer(t, 'ace_server.py', '--port', String(port), '--audience', 'rs1', '--as', 'coap://127.0.0.1:1/token', '--key', toHex(secret));
  await server.hear();
  const target: Target = {
    coap: at(port),
    rs: {
      audience: 'rs1',
      scope: 'r_temp',
      otherScope: 'w_led',
      tokenKey: symmetricKey('AES-CCM-16-64-128', secret),
      profile: 'coap_oscore',
      allowed: '/temperature',
      observe: '/temperature',
      forbidden: '/led',
    },
  };
  const cases = conformanceCases.filter(({ id }) => id.startsWith('rs-') || id === 'oscore-win-08');
  assert.deepEqual(await failures(target, cases, 35), leftOut);
});
