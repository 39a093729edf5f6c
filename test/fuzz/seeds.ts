import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromHex } from '../../src/core/bytes.ts';
import { root } from '../support/fixtures.ts';

/** Every string of hexadecimal digits in the fixtures of a folder that is at least this long: messages, objects, tokens, and parts of them. */
export function hexOf(folder: string, least = 4): Uint8Array[] {
  const found = new Set<string>();
  const collect = (value: unknown): void => {
    if (typeof value === 'string') {
      if (value.length >= 2 * least && value.length % 2 === 0 && /^[0-9a-f]+$/i.test(value)) found.add(value.toLowerCase());
    } else if (typeof value === 'object' && value !== null) for (const part of Object.values(value)) collect(part);
  };
  const path = join(root, 'fixtures', folder);
  const names = (readdirSync(path, { recursive: true }) as string[]).filter((name) => name.endsWith('.json'));
  for (const name of names.sort()) collect(JSON.parse(readFileSync(join(path, name), 'utf8')));
  return [...found].map((hex) => fromHex(hex));
}
