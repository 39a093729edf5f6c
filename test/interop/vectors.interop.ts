import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { root } from '../support/fixtures.ts';
import { readVectorFile } from '../vectors/format.ts';
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

/** A folder with one vector of each of these files, in which something is altered. */
function alteredFolder(folder: string, changes: Readonly<Record<string, (vector: Altered) => void>>): string {
  const read = (file: string) => JSON.parse(readFileSync(join(vectors, file), 'utf8'));
  for (const [name, change] of Object.entries(changes)) {
    const file = read(name) as { vectors: Altered[] };
    const vector = file.vectors.find(({ input, steps }) => Object.keys(input).length > 0 && steps.length > 0) ?? file.vectors[0]!;
    change(vector);
    writeFileSync(join(folder, name), JSON.stringify({ ...file, vectors: [vector] }));
  }
  const index = read('index.json') as { files: { file: string }[] };
  const files = index.files.filter(({ file }) => file in changes).map((entry) => ({ ...entry, vectors: 1 }));
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

const alterStep = ({ steps }: Altered): void => {
  const step = steps.at(-1)!;
  step.value = otherDigit(step.value);
};

test('vectors: the check fails for one altered digit of a step, in every file', async (t) => {
  const folder = alteredFolder(scratch(t), Object.fromEntries(names.map((name) => [name, alterStep])));
  const { status, stderr } = await check(folder);
  assert.equal(status, 1);
  const lines = stderr.trim().split('\n');
  assert.equal(lines.length, names.length, stderr);
  for (const [index, name] of names.entries()) assert.match(lines[index]!, new RegExp(`^${name}: .* gives .*, the vector has `));
});

test('vectors: the check fails for one altered digit of a key, and where the schema does', async (t) => {
  const folder = alteredFolder(scratch(t), {
    'oscore-derivation.json': ({ input }) => {
      input['masterSecret'] = otherDigit(input['masterSecret'] as string);
    },
    'akma.json': (vector) => {
      Object.assign(vector, { expect: 'maybe' });
    },
  });
  const { status, stderr } = await check(folder);
  assert.equal(status, 1);
  assert.match(stderr, /oscore-derivation\.json: .*: prk: hmac gives/);
  assert.match(stderr, /akma\.json: \$\.vectors\[0\].*'maybe'/);
});

test('vectors: aiocoap derives every OSCORE context and opens every exchange', async () => {
  const { status, stdout, stderr } = await runCommand(python, [join(root, 'test', 'interop', 'aiocoap', 'vectors.py'), vectors], 60_000);
  assert.equal(status, 0, stderr);
  const { contexts, requests, responses, ...refusals } = JSON.parse(stdout.toString()) as Record<string, unknown>;
  // What it takes that RFC 8613 has it refuse, and what it breaks on, is its affair: the line shows it.
  console.log(`vectors: aiocoap of what is to be refused: ${JSON.stringify(refusals)}`);
  const accepted = names
    .filter((name) => name.startsWith('oscore-'))
    .flatMap((name) => readVectorFile(JSON.parse(readFileSync(join(vectors, name), 'utf8'))).vectors)
    .filter(({ expect }) => expect === 'accept');
  const messages = accepted.filter(({ action }) => action === 'unprotect-exchange').flatMap(({ output }) => output);
  const expected = {
    contexts: accepted.filter(({ action }) => action === 'derive-context').length,
    requests: messages.filter((name) => name.startsWith('request')).length,
    responses: messages.filter((name) => name.startsWith('response')).length,
  };
  assert.deepEqual({ contexts, requests, responses }, expected);
});
