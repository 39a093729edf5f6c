import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CaseResult, conformanceCases, renderReport, runCases } from '../../src/conformance/index.ts';
import { ownTarget, patience } from './target.ts';

test('conformance: our own server passes every case that fits it', async () => {
  const { target, close } = await ownTarget();
  const results: CaseResult[] = [];
  try {
    const cases = conformanceCases.filter(({ needs }) => !needs.some((need) => ['dtls', 'oscore', 'rs', 'as'].includes(need)));
    for await (const result of runCases(target, cases, { patience })) results.push(result);
  } finally {
    await close();
  }
  assert.deepEqual(
    results.filter(({ outcome }) => outcome !== 'pass').map(({ case: { id }, outcome }) => `${id}: ${outcome}`),
    [],
    renderReport(results),
  );
});
