import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ProtocolError, useCrypto } from '../../src/core/index.ts';
import { consumers } from './consumer.ts';
import { readVectorFile, type Vector } from './format.ts';
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
    consumers[vector.action]!(vector);
    return undefined;
  } catch (error) {
    if (error instanceof ProtocolError) return error.code;
    throw error;
  }
}

for (const name of fileNames) {
  test(`vectors: ${name}: our decoders take what is to be accepted, and refuse the rest for its reason`, () => {
    for (const vector of readVectorFile(JSON.parse(read(name))).vectors) assert.equal(outcome(vector), vector.error, vector.id);
  });
}
