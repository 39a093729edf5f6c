import { openStore, parseStorePlace, storeVersions } from '../../store/index.ts';
import { table, waiting } from '../terminal.ts';

export interface InfoFlags {
  readonly json?: boolean;
}

interface Counts {
  entries: number;
  /** Those of them that end. */
  ending: number;
  bytes: number;
}

/** Prefixes that are told apart. */
const mostPrefixes = 1_000;

/** `as/client/` of `as/client/c1`, `n/` of `n/1`: what comes last is an identifier, which may be nobody's business. */
function prefixOf(key: string): string {
  const parts = key.split('/');
  return parts.length === 1 ? '(none)' : `${parts.slice(0, Math.min(2, parts.length - 1)).join('/')}/`;
}

/** `ace-coap store info` */
export async function infoCommand(place: string, { json }: InfoFlags): Promise<void> {
  const store = await openStore(place, { create: false, unfinished: true });
  const { kind, name } = parseStorePlace(place)!;
  const prefixes = new Map<string, Counts>();
  const all: Counts = { entries: 0, ending: 0, bytes: 0 };
  try {
    await waiting('counting', json, async (note) => {
      for await (const [key, value, expiresAt] of store.scan('')) {
        const prefix = prefixOf(key);
        const known = prefixes.has(prefix) || prefixes.size < mostPrefixes ? prefix : '(others)';
        const counts = prefixes.get(known) ?? { entries: 0, ending: 0, bytes: 0 };
        prefixes.set(known, counts);
        for (const sum of [counts, all]) {
          sum.entries++;
          sum.bytes += key.length + value.length;
          if (expiresAt !== undefined) sum.ending++;
        }
        if (all.entries % 10_000 === 0) note(`counting: ${all.entries} entries`);
      }
    });
  } finally {
    await store.close();
  }
  const version = storeVersions[kind];
  const rows = [...prefixes].map(([prefix, counts]) => ({ prefix, ...counts }));
  if (json) {
    console.log(JSON.stringify({ store: name, kind, version, ...all, prefixes: rows }));
    return;
  }
  console.log(`${name}: version ${version}, ${all.entries} entries\n`);
  if (rows.length > 0)
    console.log(
      table(
        ['prefix', 'entries', 'that end', 'bytes'],
        rows.map(({ prefix, entries, ending, bytes }) => [prefix, entries, ending, bytes]),
      ),
    );
}
