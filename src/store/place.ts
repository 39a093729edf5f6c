/**
 * The layout of entries, by kind. A store that says more was written by a later release, whose entries this one would misread.
 *
 * LMDB 1 has no entries that end, and LMDB 2 no lists of them: each becomes one of version 3 as it is.
 */
export const storeVersions = { lmdb: 3, postgres: 1 } as const;

/** Where a store is, read from the text that names it. */
export type StorePlace =
  | { readonly kind: 'lmdb'; readonly folder: string /** For people. */; readonly name: string }
  | { readonly kind: 'postgres'; readonly url: string /** For people: without user and password. */; readonly name: string; readonly hasPassword: boolean };

/** Two letters or more: one is a drive. */
const scheme = /^([a-z][a-z0-9+.-]+):/i;

/** The place that a text names: `lmdb:./state`, the bare path of a folder, or `postgres://...`; `undefined` for what is none of them. */
export function parseStorePlace(text: string): StorePlace | undefined {
  const name = scheme.exec(text)?.[1]?.toLowerCase();
  if (name === undefined || name === 'lmdb') {
    const folder = name === undefined ? text : text.slice('lmdb:'.length);
    return folder === '' ? undefined : { kind: 'lmdb', folder, name: `lmdb:${folder}` };
  }
  if (!/^postgres(?:ql)?:\/\//i.test(text) || !URL.canParse(text)) return undefined;
  const { host, pathname, password, searchParams } = new URL(text);
  return {
    kind: 'postgres',
    url: text,
    name: `postgres://${host || (searchParams.get('host') ?? '')}${pathname}`,
    hasPassword: password !== '' || searchParams.has('password'),
  };
}
