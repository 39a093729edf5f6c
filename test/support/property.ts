import fc, { type IAsyncProperty, type IProperty } from 'fast-check';
import { type Counts, scale } from './scale.ts';

/** Look whether a property holds, as often as this scale asks; at full scale it is printed how often it has held. */
export async function holds<Values>(name: string, counts: Counts, property: IAsyncProperty<Values> | IProperty<Values>): Promise<void> {
  const numRuns = counts[scale];
  await fc.assert(property, { numRuns });
  if (scale === 'full') console.log(`soak ${name}: ${numRuns} rounds`);
}
