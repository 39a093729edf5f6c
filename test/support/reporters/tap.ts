import { type TestEvent, tap } from 'node:test/reporters';
import { inSources } from './sources.ts';

/** The reporter `tap` of node:test, with places in the sources. */
// biome-ignore lint/style/noDefaultExport: node:test takes the default export of a module as a reporter
export default async function* tapInSources(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  yield* tap(inSources(events));
}
