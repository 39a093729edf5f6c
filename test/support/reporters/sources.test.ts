import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { TestEvent } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';
import { inSources, stackInSources } from './sources.ts';

const compiled = fileURLToPath(import.meta.url);
const source = compiled.replace('/dist/', '/').replace(/\.js$/, '.ts');

/** The line of the source that a stack leads to. */
function lineOf(stack: string): string | undefined {
  const [, file, line] = /\((\/[^():]+):(\d+):\d+\)/.exec(stack) ?? [];
  return file === undefined ? undefined : readFileSync(file, 'utf8').split('\n')[Number(line) - 1]?.trim();
}

test('what a run reports has the files and lines of the sources, as have the errors and their causes', async () => {
  const fails = (): Error => new Error('outer', { cause: new Error('inner') }); // here
  const error = fails();
  assert.match(error.stack!, /sources\.test\.js:/);
  const data = { name: 'one', file: compiled, line: 1, column: 1, details: { error } };
  const pass = { type: 'test:pass', data: { name: 'other' } };
  const events: unknown[] = [];
  async function* run(): AsyncGenerator<TestEvent> {
    yield { type: 'test:fail', data } as unknown as TestEvent;
    yield pass as unknown as TestEvent;
  }
  for await (const event of inSources(run())) events.push(event);
  assert.deepEqual(events, [{ type: 'test:fail', data: { ...data, file: source } }, pass]);
  for (const { stack } of [error, error.cause as Error]) assert.match(lineOf(stack!) ?? stack!, /\/\/ here$/);
});

test('a place in a file without a source map stays as it is', () => {
  const stack = 'Error: x\n    at f (/nowhere/a.js:1:2)\n    at node:internal/main:3:4\n    at file:///nowhere/b.js:5:6';
  assert.equal(stackInSources(stack), stack.replace('file://', ''));
});
