import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { root } from '../support/fixtures.ts';
import { type Output, runCommand, scratch } from './processes.ts';
import { python } from './tools.ts';

const vectors = join(root, 'fixtures', 'vectors');

const check = (folder: string): Promise<Output> => runCommand(python, [join(root, 'test', 'interop', 'vectors_check.py'), folder], 120_000);

interface Altered {
  readonly input: Record<string, unknown>;
  readonly steps: { name: string; value: string }[];
}

/** Another digit in the place of the first. */
const otherDigit = (hex: string): string => ((Number.parseInt(hex[0]!, 16) + 1) % 16).toString(16) + hex.slice(1);

/** A folder with one vector of one file, in which something is altered. */
function alteredFolder(parent: string, name: string, change: (vector: Altered) => void): string {
  const folder = join(parent, name.replace('.json', ''));
  mkdirSync(folder, { recursive: true });
  const read = (file: string) => JSON.parse(readFileSync(join(vectors, file), 'utf8'));
  const file = read(name) as { vectors: Altered[] };
  const vector = file.vectors.find(({ input, steps }) => steps.length > 0 && steps.at(-1)!.value !== '' && Object.keys(input).length > 0) ?? file.vectors[0]!;
  change(vector);
  writeFileSync(join(folder, name), JSON.stringify({ ...file, vectors: [vector] }));
  const index = read('index.json') as { files: { file: string }[] };
  const files = index.files.filter((entry) => entry.file === name).map((entry) => ({ ...entry, vectors: 1 }));
  writeFileSync(join(folder, 'index.json'), JSON.stringify({ ...index, files }));
  copyFileSync(join(vectors, 'schema.json'), join(folder, 'schema.json'));
  return folder;
}

const names = (JSON.parse(readFileSync(join(vectors, 'index.json'), 'utf8')) as { files: { file: string }[] }).files.map(({ file }) => file);

test('vectors: Python computes every step of every file anew, and the schema allows each', async () => {
  const { status, stdout, stderr } = await check(vectors);
  assert.equal(status, 0, stderr);
  const report = JSON.parse(stdout.toString()) as { files: number; operations: Record<string, number> };
  console.log(`vectors: ${JSON.stringify(report)}`);
  assert.equal(report.files, names.length);
  for (const operation of ['aead-seal', 'hkdf', 'hmac', 'hash', 'sign', 'tls-prf', 'ecdh'])
    assert.ok(report.operations[operation]! > 0, `${operation} was never checked`);
});

test('vectors: the check fails for one altered digit of a step, in every file', async (t) => {
  const folder = scratch(t);
  for (const name of names) {
    const altered = alteredFolder(folder, name, ({ steps }) => {
      const step = steps.at(-1)!;
      step.value = otherDigit(step.value);
    });
    const { status, stderr } = await check(altered);
    assert.deepEqual([status, stderr.includes('the vector has')], [1, true], `${name}: ${stderr}`);
  }
});

test('vectors: the check fails for one altered digit of a key', async (t) => {
  const altered = alteredFolder(scratch(t), 'oscore-derivation.json', ({ input }) => {
    input['masterSecret'] = otherDigit(input['masterSecret'] as string);
  });
  const { status, stderr } = await check(altered);
  assert.deepEqual([status, stderr.includes('prk: hmac gives')], [1, true], stderr);
});

test('vectors: the check fails where the schema does', async (t) => {
  const altered = alteredFolder(scratch(t), 'akma.json', (vector) => {
    Object.assign(vector, { expect: 'maybe' });
  });
  const { status, stderr } = await check(altered);
  assert.deepEqual([status, stderr.includes('expect')], [1, true], stderr);
});
