import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blockCases } from './block-cases.ts';
import { coreCases } from './core-cases.ts';
import { descriptions } from './etsi.ts';
import { linkCases } from './link-cases.ts';
import { observeCases } from './observe-cases.ts';

test('every test description of ETSI has its case, and no case is without one', () => {
  const cases = [coreCases, linkCases, blockCases, observeCases].flatMap((some) => Object.keys(some));
  assert.deepEqual(cases.sort(), descriptions.map(({ id }) => id).sort());
  assert.equal(cases.length, 52);
});
