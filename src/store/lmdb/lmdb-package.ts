import module from 'node:module';

let loaded: typeof import('lmdb') | undefined;

/** The package `lmdb`, loaded when the first store is opened: its native library takes a good part of the start of a program, and many keep nothing. */
export function lmdb(): typeof import('lmdb') {
  loaded ??= module.createRequire(import.meta.url)('lmdb') as typeof import('lmdb');
  return loaded;
}
