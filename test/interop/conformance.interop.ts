import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
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

async function check(target: Target, except: readonly string[]): Promise<CaseResult[]> {
  const cases = conformanceCases.filter(({ id, needs }) => !except.includes(id) && missing(target, needs) === undefined);
  const results: CaseResult[] = [];
  for await (const result of runCases(target, cases, { patience })) results.push(result);
  return results;
}

describe('conformance: the checker accuses others of what was found by hand, and of nothing else', { concurrency: true }, () => {
  for (const { name, except, start } of conformancePeers(californium)) {
    test(name, async (t) => {
      const results = await check(await start(t), except);
      const folder = process.env['ACE_CONFORMANCE_REPORTS'];
      if (folder !== undefined) writeFileSync(join(folder, `${name}.txt`), renderReport(results));
      const accused = results.filter(({ outcome }) => outcome === 'fail').map(({ case: { id } }) => id);
      const run = new Set(results.map(({ case: { id } }) => id));
      const found = findings.filter((finding) => finding.peer === name && run.has(finding.case)).map((finding) => finding.case);
      assert.deepEqual(accused.toSorted(), found.toSorted(), renderReport(results));
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
