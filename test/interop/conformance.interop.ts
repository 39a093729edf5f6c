import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import { type CaseResult, conformanceCases, missing, type Patience, renderReport, runCases, type Target } from '../../src/conformance/index.ts';
import { fixture, root } from '../support/fixtures.ts';
import { freePortPair } from '../support/ports.ts';
import { Californium } from './californium.ts';
import { conformancePeers } from './conformance-peers.ts';
import { Background, runCommand, scratch } from './processes.ts';

/** What the checker finds in others; each was looked at by hand, with the section and the datagrams. */
interface Finding {
  readonly peer: string;
  readonly version: string;
  readonly case: string;
  readonly seen: string;
}

const findings = fixture<readonly Finding[]>('conformance-findings.json');
const patience: Partial<Patience> = { answer: 1000, silence: 250, retransmission: 3200, change: 2000, handshake: 3500 };
const californium = new Californium({ after });
const cli = join(root, 'dist', 'bundle', 'cli', 'main.js');

/** For a case that accuses where nothing was found by hand: that the machine was busy is not the peer's fault. */
const moreOf = 4;
const morePatience = Object.fromEntries(Object.entries(patience).map(([what, time]) => [what, moreOf * time]));

async function check(t: TestContext, target: Target, except: readonly string[], found: readonly string[]): Promise<CaseResult[]> {
  const cases = conformanceCases.filter(({ id, needs }) => !except.includes(id) && missing(target, needs) === undefined);
  const results: CaseResult[] = [];
  for await (const result of runCases(target, cases, { patience })) results.push(result);
  const surprising = results.filter(({ outcome, case: { id } }) => outcome === 'fail' && !found.includes(id)).map((result) => result.case);
  if (surprising.length === 0) return results;
  t.diagnostic(`run again with more patience: ${surprising.map(({ id }) => id).join(', ')}`);
  for await (const again of runCases(target, surprising, { patience: morePatience }))
    results.splice(
      results.findIndex((result) => result.case === again.case),
      1,
      again,
    );
  return results;
}

describe('conformance: the checker accuses others of what was found by hand, and of nothing else', { concurrency: true }, () => {
  for (const { name, except, start } of conformancePeers(californium)) {
    test(name, async (t) => {
      const found = findings.filter((finding) => finding.peer === name).map((finding) => finding.case);
      const results = await check(t, await start(t), except, found);
      const folder = process.env['ACE_CONFORMANCE_REPORTS'];
      if (folder !== undefined) writeFileSync(join(folder, `${name}.txt`), renderReport(results));
      const accused = results.filter(({ outcome }) => outcome === 'fail').map(({ case: { id } }) => id);
      const run = new Set(results.map(({ case: { id } }) => id));
      assert.deepEqual(accused.toSorted(), found.filter((id) => run.has(id)).toSorted(), renderReport(results));
      assert.deepEqual(
        results.filter(({ outcome }) => outcome === 'checker fault').map(({ case: { id } }) => id),
        [],
        renderReport(results),
      );
    });
  }

  test('ours, by the command line', async (t) => {
    const port = await freePortPair();
    const uris = [`coap://127.0.0.1:${port}`, `coap+tcp://127.0.0.1:${port}`, `coaps://127.0.0.1:${port + 1}`];
    const psk = ['--psk-identity', 'client', '--psk', 'sesame'];
    const server = new Background(t, process.execPath, [cli, 'serve', ...uris.flatMap((uri) => ['--listen', uri]), '--value', '/hello=world', ...psk]);
    await server.line();
    const report = join(scratch(t), 'report.xml');
    const { status, stdout } = await runCommand(process.execPath, [cli, 'conformance', ...uris, ...psk, '--silence', '0.2', '--junit', report], 90_000);
    assert.equal(status, 0, stdout.toString());
    assert.match(readFileSync(report, 'utf8'), /<testsuite name="RFC 7252" tests="\d+" failures="0" errors="0"/);
  });
});
