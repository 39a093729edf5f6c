/** Places in compiled tests as places in their sources. The processes of the tests know only the former: to read every source map takes a tenth of their time. */
import { readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { dirname, resolve } from 'node:path';
import type { TestEvent } from 'node:test/reporters';

interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

const maps = new Map<string, SourceMap | undefined>();

function mapOf(file: string): SourceMap | undefined {
  if (!maps.has(file)) {
    try {
      maps.set(file, new SourceMap(JSON.parse(readFileSync(`${file}.map`, 'utf8')) as ConstructorParameters<typeof SourceMap>[0]));
    } catch {
      maps.set(file, undefined);
    }
  }
  return maps.get(file);
}

/** As it is where there is no map, or the map does not have it. */
function sourceOf(place: Place): Place {
  const entry = mapOf(place.file)?.findEntry(place.line - 1, place.column - 1);
  if (entry === undefined || !('originalSource' in entry)) return place;
  return { file: resolve(dirname(place.file), entry.originalSource), line: entry.originalLine + 1, column: entry.originalColumn + 1 };
}

/** A stack of calls, in the sources. */
export function stackInSources(stack: string): string {
  return stack.replace(/(?:file:\/\/)?(\/[^\s():]+\.js):(\d+):(\d+)/g, (_, name: string, line: string, column: string) => {
    const place = sourceOf({ file: name, line: Number(line), column: Number(column) });
    return `${place.file}:${place.line}:${place.column}`;
  });
}

function tellInSources(error: unknown): void {
  if (!(error instanceof Error)) return;
  // An assertion's own cannot be assigned to, on Node 26.
  if (error.stack !== undefined) Reflect.defineProperty(error, 'stack', { value: stackInSources(error.stack), configurable: true, writable: true });
  tellInSources(error.cause);
}

/** What a run of node:test reports, with files, lines and stacks of the sources. */
export async function* inSources(events: AsyncIterable<TestEvent>): AsyncGenerator<TestEvent> {
  for await (const event of events) {
    if (event.type === 'test:fail') {
      const { file, line, column, details } = event.data;
      if (file !== undefined && line !== undefined && column !== undefined) Object.assign(event.data, sourceOf({ file, line, column }));
      tellInSources(details.error);
    }
    yield event;
  }
}
