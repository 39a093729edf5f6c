import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CaseResult, conformanceCases, runCases, type Target } from '../../src/conformance/index.ts';
import { serve } from '../../src/transport/index.ts';

const patience = { answer: 1000, silence: 20 };

async function check(target: Target): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  for await (const result of runCases(target, conformanceCases, { patience })) results.push(result);
  return results;
}

test('conformance: our own server passes every case that fits it', async () => {
  const server = await serve({ listen: 'coap://127.0.0.1:0', resources: { '/hello': () => 'Hello World!' } });
  try {
    const results = await check({ coap: server.url, resources: { get: '/hello' } });
    assert.deepEqual(
      results.filter(({ outcome }) => outcome === 'fail' || outcome === 'checker fault'),
      [],
    );
  } finally {
    await server.close();
  }
});
