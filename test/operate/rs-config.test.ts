import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadRsConfig, type RsConfig } from '../../src/operate/index.ts';
import { labWith, problemOf } from './lab-with.ts';

const load = async (text: string): Promise<RsConfig> => loadRsConfig(await labWith('rs.yaml', text));

test('an RS asks the AS about no token, takes requests of any age and knows no Q-Block, unless its configuration says so', async () => {
  const { introspection, freshness, qBlock } = await load('');
  assert.deepEqual([introspection, freshness, qBlock], [undefined, undefined, false]);
  const rs = await load('introspection: { tokens: every, cache: 5, timeout: 0.5 }\nfreshness: { methods: [PUT, iPATCH], window: 20 }\nq_block: true\n');
  assert.deepEqual(rs.introspection, { tokens: 'every', cache: 5, timeout: 0.5 });
  assert.deepEqual(rs.freshness, { methods: ['PUT', 'iPATCH'], window: 20 });
  assert.equal(rs.qBlock, true);
});

for (const [text, said] of [
  ['introspection: { tokens: all }', /introspection\.tokens: expected one of opaque, every, got "all"/],
  ['introspection: { cache: -1 }', /introspection\.cache: expected a whole number of seconds/],
  ['introspection: { timeout: 0 }', /introspection\.timeout: expected .*seconds/],
  ['freshness: { window: 5 }', /freshness\.methods: /],
  ['freshness: { methods: [LOOK] }', /freshness\.methods\[0\]: expected .*GET/],
  ['q_block: 1', /q_block: expected true or false/],
] as const)
  test(`an RS does not take ${text}`, async () => {
    const folder = await labWith('rs.yaml', `${text}\n`);
    assert.match(
      problemOf(() => loadRsConfig(folder)),
      said,
    );
  });

test('an RS does not take a sensor that begins with no number', async () => {
  const folder = await labWith('rs.yaml', '');
  const file = join(folder, 'rs.yaml');
  writeFileSync(file, readFileSync(file, 'utf8').replace('initial: "21.5"', 'initial: warm'));
  assert.match(
    problemOf(() => loadRsConfig(folder)),
    /rs\.yaml:\d+:\d+: resources\["\/temperature"\]\.initial: expected a number in quotes, such as "21\.5", got "warm"/,
  );
});

test('introspection needs a channel to an issuer', async () => {
  const folder = await labWith('rs.yaml', 'introspection: {}\n');
  const file = join(folder, 'rs.yaml');
  writeFileSync(file, readFileSync(file, 'utf8').replace(/ {4}oscore:\n( {6}.*\n)+/, ''));
  assert.match(
    problemOf(() => loadRsConfig(folder)),
    /introspection: expected an issuer with a section oscore or dtls, which can be asked, got none/,
  );
});
