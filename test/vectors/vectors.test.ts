import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ProtocolError, useCrypto } from '../../src/core/index.ts';
import { consumers } from './consumer.ts';
import { readVectorFile, type Step, type Vector } from './format.ts';
import { folder, generate, topics } from './generate.ts';

const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
const fileNames = topics.map(({ name }) => `${name}.json`);

test('vectors: the seed gives every file byte for byte', async () => {
  await useCrypto('portable');
  const files = generate();
  await useCrypto('node');
  for (const [name, text] of files) assert.ok(text === read(name), `${name} differs from what the generator makes: npm run vectors`);
  const others = ['README.md', 'schema.json', ...files.keys()].sort();
  assert.deepEqual(readdirSync(folder).sort(), others);
});

test('vectors: each file is read by its types, and identifiers are of one vector in all', () => {
  const ids = fileNames.flatMap((name) => readVectorFile(JSON.parse(read(name))).vectors.map(({ id }) => id));
  assert.equal(new Set(ids).size, ids.length);
});

/** What our decoders say: the code of a refusal, or nothing. */
function outcome(vector: Vector): string | undefined {
  try {
    consumers[vector.action](vector);
    return undefined;
  } catch (error) {
    if (error instanceof ProtocolError) return error.code;
    throw error;
  }
}

/** A message that stands for itself is another one then, and handshakes take their time. */
const unnoticed = /^(?:decode-km-|decode-exchange|replay-handshake)/;

/** The vector with another last bit in what comes first. */
function altered(vector: Vector): Vector {
  const name = vector.output[0]!;
  const steps = vector.steps.map((step): Step => {
    if (step.name !== name) return step;
    const last = Number.parseInt(step.value.slice(-1), 16) ^ 1;
    return { ...step, value: step.value.slice(0, -1) + last.toString(16) };
  });
  return { ...vector, steps };
}

test('vectors: our decoders notice one bit that is another, wherever there is something to tell it by', async () => {
  await useCrypto('node');
  let count = 0;
  for (const name of fileNames) {
    for (const vector of readVectorFile(JSON.parse(read(name))).vectors) {
      if (vector.expect === 'reject' || unnoticed.test(vector.action)) continue;
      assert.throws(() => consumers[vector.action](altered(vector)), vector.id);
      count++;
    }
  }
  assert.ok(count > 100);
});

for (const name of fileNames) {
  test(`vectors: ${name}: our decoders take what is to be accepted, and refuse the rest for its reason`, async () => {
    // Handshakes with signatures come out the same where ECDSA is deterministic.
    await useCrypto(name === 'dtls.json' ? 'portable' : 'node');
    for (const vector of readVectorFile(JSON.parse(read(name))).vectors) assert.equal(outcome(vector), vector.error, vector.id);
  });
}
