import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The top of the checkout, found from the compiled test as well as from the source. */
export const root: string = (() => {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
})();

/** The parsed JSON of `fixtures/<name>`. */
export function fixture<T = unknown>(name: string): T {
  return JSON.parse(readFileSync(join(root, 'fixtures', name), 'utf8')) as T;
}
