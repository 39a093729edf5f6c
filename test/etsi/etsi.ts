import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixture } from '../support/fixtures.ts';
import type { Open, Pair, Setup } from './pair.ts';

/** One test description of ETSI: its steps, and what they need. */
export interface Case extends Setup {
  /** Why it makes no sense on a stream. */
  readonly datagramsOnly?: string;
  run(pair: Pair): Promise<void>;
}

export type Cases = Readonly<Record<string, Case>>;

interface Description {
  readonly id: string;
  readonly objective: string;
}

/** All test descriptions, in the order of their files. */
export const descriptions: readonly Description[] = fixture('coap/td-coap4.json');

export function objectiveOf(id: string): string {
  const found = descriptions.find((description) => description.id === id);
  assert.ok(found, `${id} is a test description`);
  return found.objective;
}

/** Make a test of each case that makes sense over this transport; a case that makes none is named with the reason. */
export function etsi(open: Open, cases: Cases): void {
  for (const [id, { datagramsOnly, run, ...setup }] of Object.entries(cases)) {
    if (!open.datagrams && datagramsOnly !== undefined) {
      console.log(`${id} over ${open.transport}: left out, ${datagramsOnly}`);
      continue;
    }
    test(`${id} over ${open.transport}: ${objectiveOf(id)}`, async (t) => {
      const pair = await open.pair(t, setup);
      await run(pair);
      assert.deepEqual(pair.site.errors, []);
    });
  }
}
