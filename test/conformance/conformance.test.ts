import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CaseResult, conformanceCases, missing, renderReport, runCases } from '../../src/conformance/index.ts';
import { ownTarget, patience } from './target.ts';

test('conformance: our own server passes every case that fits it', async () => {
  const { target, close } = await ownTarget();
  const results: CaseResult[] = [];
  try {
    const cases = conformanceCases.filter(({ needs }) => missing(target, needs) === undefined);
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
