import { ByteWriter, concat } from '../../src/core/bytes.ts';
import type { SeededRandom } from '../support/random.ts';
import type { Mutation } from './target.ts';

/** What an engine is given in one turn. */
export interface Step {
  /** How: each target reads from it what it needs, such as who speaks and how much time passes. */
  readonly how: number;
  readonly bytes: Uint8Array;
}

/** Turns of one input at most. */
const mostSteps = 64;

/** A sequence of steps as one input: for each a byte and a length of two bytes before its bytes. */
export function encodeScript(steps: readonly Step[]): Uint8Array {
  return concat(...steps.map(({ how, bytes }) => new ByteWriter().u8(how).u16(bytes.length).bytes(bytes).finish()));
}

/** Any bytes are a script: what a length claims beyond the end is not there. */
export function decodeScript(input: Uint8Array): Step[] {
  const steps: Step[] = [];
  for (let at = 0; at + 3 <= input.length && steps.length < mostSteps; ) {
    const length = (input[at + 1]! << 8) | input[at + 2]!;
    steps.push({ how: input[at]!, bytes: input.subarray(at + 3, at + 3 + length) });
    at += 3 + length;
  }
  return steps;
}

/** Steps are changed, left out, repeated, put elsewhere, taken from other scripts, and done otherwise. */
export function mutateScript(inner: Mutation): Mutation {
  return (random: SeededRandom, script, others) => {
    const steps = decodeScript(script);
    const stranger = decodeScript(random.pick(others));
    const foreign = stranger.length > 0 ? random.pick(stranger) : { how: random.below(256), bytes: random.bytes(4) };
    for (let n = 1 + random.below(3); n > 0; n--) {
      const at = random.below(steps.length + 1);
      const step = steps[at];
      switch (random.below(8)) {
        case 0:
          steps.splice(at, 1);
          break;
        case 1:
          if (step !== undefined) steps.splice(random.below(steps.length + 1), 0, step);
          break;
        case 2:
          if (step !== undefined) steps.splice(random.below(steps.length), 0, ...steps.splice(at, 1));
          break;
        case 3:
          steps.splice(at, 0, foreign);
          break;
        case 4:
          if (step !== undefined) steps[at] = { ...step, how: random.chance(0.5) ? step.how ^ (1 << random.below(8)) : random.below(256) };
          break;
        case 5:
          if (random.chance(0.2)) steps.splice(at, steps.length, ...stranger);
          break;
        default:
          if (step !== undefined) {
            const bytes = inner(random, step.bytes, [step.bytes, foreign.bytes]);
            steps[at] = { ...step, bytes: bytes.subarray(0, 0xffff) };
          }
      }
    }
    return encodeScript(steps);
  };
}
