import { Readable } from 'node:stream';
import { spec, type TestEvent } from 'node:test/reporters';
import { inSources } from './sources.ts';

/** The reporter `spec` of node:test, with places in the sources. */
// biome-ignore lint/style/noDefaultExport: node:test takes the default export of a module as a reporter
export default async function* specInSources(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  yield* Readable.from(inSources(events)).pipe(new spec()) as AsyncIterable<string>;
}
