import { basename } from 'node:path';
import { loadAsConfig, loadClientConfig, loadRsConfig, loadT8Config } from '../../operate/index.ts';
import { openStore, parseStorePlace, storeVersions } from '../../store/index.ts';
import { configPath } from '../config-path.ts';
import { UsageError } from '../exit.ts';
import { table, waiting } from '../terminal.ts';

export interface InfoFlags {
  readonly config?: string;
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

/** By the name of a file; any other, and a folder, is that of an authorization server. */
const loaders: Readonly<Record<string, (path: string) => { readonly store: string }>> = {
  'rs.yaml': loadRsConfig,
  'client.yaml': loadClientConfig,
  't8.yaml': loadT8Config,
};

function placeOf(named: string | undefined, config: string | undefined): string {
  if ((named === undefined) === (config === undefined)) throw new UsageError(`expected a store or --config, got ${named === undefined ? 'neither' : 'both'}`);
  return named ?? (loaders[basename(config!)] ?? loadAsConfig)(configPath(config!)).store;
}

/** `ace-coap store info` */
export async function infoCommand(named: string | undefined, { config, json }: InfoFlags): Promise<void> {
  const place = placeOf(named, config);
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
