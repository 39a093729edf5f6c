import { toHex } from '../../src/core/bytes.ts';
import { ProtocolError } from '../../src/core/errors.ts';
import type { SeededRandom } from '../support/random.ts';
import type { Guide } from './coverage/guide.ts';

export type Mutation = (random: SeededRandom, seed: Uint8Array, seeds: readonly Uint8Array[]) => Uint8Array;

/** Something that takes bytes of strangers. */
export interface Target {
  readonly name: string;
  /** Valid inputs, of which the others are made. */
  readonly seeds: readonly Uint8Array[];
  readonly mutate: Mutation;
  /** Take an input. What it throws other than a `ProtocolError` is a fault. */
  run(input: Uint8Array): unknown;
  /** After some inputs: throws where what took them is not well any more. */
  settle?(): Promise<void>;
  close?(): Promise<void>;
}

/** A target that is made when its turn comes. */
export interface TargetEntry {
  readonly name: string;
  /** How many inputs it gets for each 100 that a decoder gets: less where one takes long. */
  readonly share: number;
  open(): Promise<Target>;
}

export interface Counted {
  readonly [name: string]: number;
  readonly inputs: number;
  /** Inputs that were taken; the others were refused. */
  readonly taken: number;
}

/** An input that a target took badly. Its text is all that is needed to run it again. */
export class Crash extends Error {
  readonly input: Uint8Array;

  constructor(target: string, input: Uint8Array, cause: unknown) {
    const what = cause instanceof Error ? cause.stack : String(cause);
    super(`${target}: ${what}\nto repeat it: npm run fuzz -- --repeat ${toHex(input) || "''"} '${target}'`, { cause });
    this.input = input;
  }
}

/** Branches that an input of this length may take: what takes more is slow on any machine. */
const mostSteps = (length: number): number => 1000 * (500 + length);

const betweenSettles = 64;

/** What went wrong outside of any call. */
class Accidents {
  readonly #errors: unknown[] = [];
  readonly #hear = (error: unknown): void => {
    this.#errors.push(error);
  };

  constructor() {
    process.on('unhandledRejection', this.#hear);
  }

  check(): void {
    if (this.#errors.length > 0) throw this.#errors.splice(0)[0];
  }

  close(): void {
    process.off('unhandledRejection', this.#hear);
  }
}

/** Whether the target takes the input; false where it refuses it. @throws {Crash} */
export async function runOnce(target: Target, input: Uint8Array, guide?: Guide): Promise<boolean> {
  guide?.start();
  let taken = true;
  try {
    const pending = target.run(input);
    if (pending instanceof Promise) await pending;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw new Crash(target.name, input, error);
    taken = false;
  }
  const steps = guide?.end(input) ?? 0;
  const most = mostSteps(input.length);
  if (steps > most) throw new Crash(target.name, input, new RangeError(`expected up to ${most} branches for ${input.length} bytes, got ${steps}`));
  return taken;
}

export interface FuzzOptions {
  /** Keeps the inputs that take new branches, and lets others be made of them. */
  readonly guide?: Guide;
  /** Asked now and then: whether to end before all inputs were given. */
  readonly enough?: (inputs: number) => boolean;
}

/** Give the target `inputs` mutated seeds. @throws {Crash} */
export async function fuzz(target: Target, random: SeededRandom, inputs: number, { guide, enough = () => false }: FuzzOptions = {}): Promise<Counted> {
  const accidents = new Accidents();
  let taken = 0;
  let done = 0;
  let input: Uint8Array = new Uint8Array(0);
  const settle = async (): Promise<void> => {
    try {
      await target.settle?.();
      accidents.check();
    } catch (error) {
      throw error instanceof Crash ? error : new Crash(target.name, input, error);
    }
  };
  const pool = guide?.pool ?? target.seeds;
  try {
    for (; done < inputs && !(done % betweenSettles === 0 && enough(done)); done++) {
      // Valid inputs would soon be few among those that were kept.
      input = target.mutate(random, random.pick(random.chance(0.5) ? target.seeds : pool), pool);
      if (await runOnce(target, input, guide)) taken++;
      if (done % betweenSettles === betweenSettles - 1) await settle();
    }
    await settle();
  } finally {
    accidents.close();
  }
  return { inputs: done, taken };
}
