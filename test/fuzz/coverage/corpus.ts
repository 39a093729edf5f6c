import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromHex, toHex } from '../../../src/core/bytes.ts';
import { root } from '../../support/fixtures.ts';
import { Crash, runOnce, type Target } from '../target.ts';
import type { Branches } from './branches.ts';

function fileOf(target: string): string {
  const words = target.toLowerCase().match(/[a-z0-9]+/g)!;
  return join(root, 'fixtures', 'fuzz', `${words.join('-')}.json`);
}

/** The inputs that are kept for a target. */
export function readCorpus(target: string): Uint8Array[] {
  const file = fileOf(target);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as string[]).map((hex) => fromHex(hex)) : [];
}

export function writeCorpus(target: string, inputs: readonly Uint8Array[]): void {
  writeFileSync(fileOf(target), `${JSON.stringify(inputs.map(toHex), undefined, 1)}\n`);
}

/** The shortest that was found of what an input becomes when parts are left out of it, as long as something holds. */
export async function shrink(input: Uint8Array, holds: (shorter: Uint8Array) => Promise<boolean>, attempts = 2000): Promise<Uint8Array> {
  let shortest = input;
  for (let size = input.length >> 1; size > 0; size >>= 1) {
    for (let at = 0; at + size <= shortest.length && attempts > 0; attempts--) {
      const shorter = new Uint8Array(shortest.length - size);
      shorter.set(shortest.subarray(0, at));
      shorter.set(shortest.subarray(at + size), at);
      if (await holds(shorter)) shortest = shorter;
      else at += size;
    }
  }
  return shortest;
}

/** The shortest that still crashes the target in the same way. */
export async function shrinkCrash(target: Target, crash: Crash): Promise<Crash> {
  const first = (error: Crash): string => String(error.cause).split('\n')[0]!;
  let smallest = crash;
  await shrink(crash.input, async (input) => {
    try {
      await runOnce(target, input);
    } catch (error) {
      if (!(error instanceof Crash) || first(error) !== first(crash)) return false;
      smallest = error;
      return true;
    }
    return false;
  });
  return smallest;
}

/** Bytes that the inputs of one target may take together. */
const mostBytes = 900;

/**
 * Few and short inputs that take, with the seeds of the target, all branches that `inputs` take.
 *
 * An input is worth its place for the branches that no shorter one takes, and is cut as long as it takes those.
 */
export async function minimise(target: Target, inputs: readonly Uint8Array[], branches: Branches): Promise<Uint8Array[]> {
  const covered = new Set<number>();
  const taken = async (input: Uint8Array): Promise<Set<number>> => {
    const found = new Set<number>();
    branches.reset();
    await runOnce(target, input).catch(() => false);
    branches.forEach((branch) => {
      found.add(branch);
    });
    return found;
  };
  for (const seed of target.seeds) for (const branch of await taken(seed)) covered.add(branch);
  const kept: Uint8Array[] = [];
  let bytes = 0;
  for (const input of inputs.toSorted((a, b) => a.length - b.length)) {
    const own = [...(await taken(input))].filter((branch) => !covered.has(branch));
    // Taken again: what depends on what came before is not worth a place.
    const again = await taken(input);
    const sure = own.filter((branch) => again.has(branch));
    if (sure.length === 0) continue;
    const short = await shrink(
      input,
      async (shorter) => {
        const left = await taken(shorter);
        return sure.every((branch) => left.has(branch));
      },
      200,
    );
    bytes += short.length;
    if (bytes > mostBytes) break;
    kept.push(short);
    for (const branch of await taken(short)) covered.add(branch);
  }
  return kept;
}
