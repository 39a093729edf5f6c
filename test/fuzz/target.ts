import { ProtocolError } from '../../src/core/errors.ts';
import type { SeededRandom } from '../support/random.ts';

export type Mutation = (random: SeededRandom, seed: Uint8Array, seeds: readonly Uint8Array[]) => Uint8Array;

/** Something that takes bytes of strangers. */
export interface Target {
  readonly name: string;
  /** Valid inputs, of which the others are made. */
  readonly seeds: readonly Uint8Array[];
  readonly mutate: Mutation;
  /** Take an input. What it throws other than a `ProtocolError` is a fault. */
  run(input: Uint8Array): void;
  /** After some inputs: throws where what took them is not well any more. */
  settle?(): Promise<void>;
  close?(): Promise<void>;
}

export interface Counted {
  readonly [name: string]: number;
  readonly inputs: number;
  /** Inputs that were taken; the others were refused. */
  readonly taken: number;
}

/** An input that a target took badly. Its text is all that is needed to run it again. */
export class Crash extends Error {
  constructor(target: string, input: Uint8Array, cause: unknown) {
    super(`${target}: ${cause instanceof Error ? cause.stack : String(cause)}\ninput: ${Buffer.from(input).toString('hex')}`, { cause });
  }
}

const betweenSettles = 64;

/** Give the target `inputs` mutated seeds. @throws {Crash} */
export async function fuzz(target: Target, random: SeededRandom, inputs: number): Promise<Counted> {
  let taken = 0;
  let input: Uint8Array = new Uint8Array(0);
  for (let i = 1; i <= inputs; i++) {
    input = target.mutate(random, random.pick(target.seeds), target.seeds);
    try {
      target.run(input);
      taken++;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw new Crash(target.name, input, error);
    }
    if (target.settle !== undefined && (i % betweenSettles === 0 || i === inputs)) {
      await target.settle().catch((error: unknown) => {
        throw new Crash(target.name, input, error);
      });
    }
  }
  return { inputs, taken };
}
