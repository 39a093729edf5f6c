import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { endianness } from 'node:os';
import { StoreError } from '../store.ts';

/** LMDB's mark of a meta page, and the layout that the LMDB in our package reads and writes. */
const magic = 0xbeef_c0de;
const dataVersion = 2;

/** A word of the machine: LMDB writes its files in the machine's own. */
const word: 4 | 8 = ['arm', 'ia32', 'mips', 'mipsel', 'ppc', 's390'].includes(process.arch) ? 4 : 8;
const littleEndian = endianness() === 'LE';

/** Offsets in a meta page: page header (page number, transaction, flags, bounds), then the meta record with one record for each of two trees. */
const magicAt = 2 * word + 8;
const pageSizeAt = magicAt + 8 + 2 * word;
const treeLength = 8 + 5 * word;
const rootAt = pageSizeAt + treeLength - word;
const transactionAt = pageSizeAt + 2 * treeLength + word;
const metaLength = transactionAt + word;

const noPage = 2n ** BigInt(8 * word) - 1n;

/** How often a file is read again that another process may be writing, and the milliseconds between. */
const attempts = 4;
const pause = 10;

/**
 * Checks what can be checked of a data file before LMDB maps it into memory, where a file that is none, or that was cut off, ends the process.
 *
 * An empty file passes: it is a new one.
 *
 * @throws {StoreError} `ERR_STORE_OPEN`
 */
export function checkDataFile(path: string): void {
  for (let attempt = 1; ; attempt++) {
    const fault = findFault(path);
    if (fault === undefined) return;
    if (attempt === attempts) throw new StoreError('ERR_STORE_OPEN', `cannot open the store: ${path} is damaged or not a database: ${fault}`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pause);
  }
}

function findFault(path: string): string | undefined {
  const file = openSync(path, 'r');
  try {
    const size = fstatSync(file).size;
    if (size === 0) return undefined;
    const first = readMeta(file, 0);
    if (typeof first === 'string') return `first page: ${first}`;
    const second = readMeta(file, first.pageSize);
    if (typeof second === 'string') return `second page: ${second}`;
    const pages = BigInt(Math.floor(size / first.pageSize));
    const { roots } = second.transaction > first.transaction ? second : first;
    for (const root of roots) if (root !== noPage && root >= pages) return `expected more than ${root} pages, got ${pages}`;
    return undefined;
  } finally {
    closeSync(file);
  }
}

interface Meta {
  readonly pageSize: number;
  readonly transaction: bigint;
  readonly roots: readonly bigint[];
}

function readMeta(file: number, position: number): Meta | string {
  const bytes = new Uint8Array(metaLength);
  const length = readSync(file, bytes, 0, metaLength, position);
  if (length < metaLength) return `expected ${metaLength} bytes, got ${length}`;
  const view = new DataView(bytes.buffer);
  const wordAt = (offset: number): bigint => (word === 8 ? view.getBigUint64(offset, littleEndian) : BigInt(view.getUint32(offset, littleEndian)));
  if (view.getUint32(magicAt, littleEndian) !== magic) return "expected LMDB's mark, which is not there";
  const version = view.getUint32(magicAt + 4, littleEndian) & 0xffff;
  if (version !== dataVersion) return `expected LMDB data version ${dataVersion}, got ${version}`;
  const pageSize = view.getUint32(pageSizeAt, littleEndian);
  if (pageSize < 256 || pageSize > 65_536 || (pageSize & (pageSize - 1)) !== 0) return `expected a page size of 256 to 65,536 bytes, got ${pageSize}`;
  return { pageSize, transaction: wordAt(transactionAt), roots: [wordAt(rootAt), wordAt(rootAt + treeLength)] };
}
