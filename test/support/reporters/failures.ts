import type { EventData } from 'node:test';
import type { TestEvent } from 'node:test/reporters';
import { inSources } from './sources.ts';

/** A failed test as one reads it: its file and line, its name, and the error of its body. */
function told({ name, file, line, details }: EventData.TestFail): string {
  const error = (details.error.cause ?? details.error) as Error;
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `${file ?? '?'}:${line ?? '?'}\n  ${name}\n${text.replace(/^/gm, '    ')}\n`;
}

/** A reporter of node:test that says at the end which tests failed, and nothing where none did: TAP has them somewhere among its many thousand lines. */
// biome-ignore lint/style/noDefaultExport: node:test takes the default export of a module as a reporter
export default async function* failures(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const failed: string[] = [];
  for await (const event of inSources(source)) {
    // A test that failed because one within it did is not told again.
    if (event.type === 'test:fail' && (event.data.details.error as { failureType?: string }).failureType !== 'subtestsFailed') failed.push(told(event.data));
  }
  if (failed.length > 0) yield `\nfailed (${failed.length}):\n${failed.join('')}`;
}
