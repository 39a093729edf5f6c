import { relative } from 'node:path';
import { out } from './terminal.ts';

/** What a command has made, and for people what they may do with it. */
export function sayMade(files: readonly string[], next: string, json = false): void {
  if (json) {
    console.log(JSON.stringify({ made: files }));
    return;
  }
  for (const file of files) console.log(`${out('green', 'made')} ${relative(process.cwd(), file)}`);
  console.log(`\n${next}`);
}
