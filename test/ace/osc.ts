import assert from 'node:assert/strict';
import type { Confirmation } from '../../src/core/cwt.ts';

/** A byte string of the OSCORE_Input_Material in a confirmation: 0 is id, 2 is ms, 5 is salt. */
export function oscBytes(cnf: Confirmation | undefined, label: number): Uint8Array {
  const value = cnf?.osc?.get(label);
  assert.ok(value instanceof Uint8Array, `osc parameter ${label}`);
  return value;
}
