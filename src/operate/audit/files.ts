import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type AuditEntry, type ChainHead, parseEntry } from './entry.ts';

/** `<start>-<random>.jsonl`, with milliseconds in files of now, and `<start>-<random>.<n>.jsonl` for what follows when a file has grown too large. */
const form = /^(\d{8}T\d{6}(?:\d{3})?Z-[0-9a-f]{16})(?:\.([1-9]\d{0,8}))?\.jsonl$/;

/** A file of an audit log. */
export interface AuditFile {
  readonly path: string;
  /** What the files of one chain have in common: when it began, and a random part. */
  readonly chain: string;
  /** Its place in the chain, from 0. */
  readonly index: number;
}

export function fileOf(folder: string, chain: string, index: number): AuditFile {
  return { path: join(folder, index === 0 ? `${chain}.jsonl` : `${chain}.${index}.jsonl`), chain, index };
}

/**
 * The files of an audit log, chain by chain in the order of their beginnings. What else lies in the folders is left alone, and so is a file that lies in two of
 * them with the same bytes.
 */
export async function auditFiles(...folders: readonly string[]): Promise<readonly AuditFile[]> {
  const files: AuditFile[] = [];
  for (const folder of folders) {
    for (const name of await readdir(folder)) {
      const [, chain, index] = form.exec(name) ?? [];
      if (chain === undefined) continue;
      const file = { path: join(folder, name), chain, index: Number(index ?? 0) };
      const twin = files.find((other) => other.chain === chain && other.index === file.index);
      if (twin === undefined || !(await sameBytes(twin.path, file.path))) files.push(file);
    }
  }
  return files.sort((a, b) => (a.chain === b.chain ? a.index - b.index : a.chain < b.chain ? -1 : 1));
}

/** Whether two files have the same bytes. */
export async function sameBytes(one: string, other: string): Promise<boolean> {
  return (await sha256Of(one)) === (await sha256Of(other));
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}

/** A line, and whether its end of line is there. */
export interface Line {
  readonly text: string;
  readonly whole: boolean;
}

/** Longer than every line that the log writes, in characters: what is longer is none of its lines, and comes in pieces. */
const longestLine = 1_048_576;

/** The lines of a file, however large it is. */
export async function* linesOf(path: string): AsyncGenerator<Line, void> {
  let rest = '';
  for await (const chunk of createReadStream(path, { encoding: 'utf8' })) {
    const lines = (rest + (chunk as string)).split('\n');
    rest = lines.pop()!;
    for (const text of lines) yield { text, whole: true };
    if (rest.length <= longestLine) continue;
    yield { text: rest, whole: false };
    rest = '';
  }
  if (rest !== '') yield { text: rest, whole: false };
}

/** Bytes at the end of a file in which its last entry is looked for. */
const tail = 131_072;

/** The last entry of a file; `undefined` where its last whole line is none, or there is no such line. */
export async function lastEntry(path: string): Promise<AuditEntry | undefined> {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    const bytes = new Uint8Array(Math.min(size, tail));
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, size - bytes.length);
    const lines = new TextDecoder().decode(bytes.subarray(0, bytesRead)).split('\n').slice(0, -1);
    return lines.length === 0 ? undefined : parseEntry(lines.at(-1)!);
  } finally {
    await handle.close();
  }
}

/** The last whole entry of the chain that began last; `undefined` where there is none that can be read. */
export async function lastHead(folder: string): Promise<ChainHead | undefined> {
  const file = (await auditFiles(folder)).at(-1);
  const entry = file && (await lastEntry(file.path));
  return entry && { chain: file.chain, seq: entry.seq, hash: entry.hash };
}
