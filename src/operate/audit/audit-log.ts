import { type FileHandle, open } from 'node:fs/promises';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { toHex, utf8 } from '../../core/bytes.ts';
import { type Env, systemEnv } from '../../core/env.ts';
import { makeFolder, type Store } from '../../store/index.ts';
import { thisWriter, type WritingProcess } from '../process.ts';
import { putAnchor } from './anchor.ts';
import { AuditError, type AuditedFact, type ChainHead, formatEntry, nextEntry } from './entry.ts';
import { fileOf, lastHead } from './files.ts';

/** Where an audit log is written, and how its end is guarded. */
export interface AuditLogOptions {
  /** Made with mode 0700 where it does not exist. */
  readonly folder: string;
  /** Of the program, for the first entry. */
  readonly version: string;
  /** Where the head of the chain is noted. */
  readonly store?: Store;
  /** The process that writes it; this one when absent. */
  readonly writer?: WritingProcess;
  /** Milliseconds between two notes; 10,000 when absent. */
  readonly anchorInterval?: number;
  /** Bytes of a file, after which the next is begun; 64 MiB when absent. */
  readonly fileSize?: number;
  /** Seconds after which the next file is begun by the next entry, so that what is old can be archived; a day when absent. */
  readonly fileAge?: number;
  readonly env?: Env;
  /** Hears why the head of the chain could not be noted. It is tried again. */
  readonly fault?: (error: unknown) => void;
  /** Opens a file to append to, which must not exist yet. */
  readonly create?: (path: string) => Promise<AuditFileHandle>;
}

/** The part of a file that the log uses. */
export type AuditFileHandle = Pick<FileHandle, 'write' | 'datasync' | 'truncate' | 'close'>;

interface Waiting {
  readonly fact: AuditedFact;
  readonly done: () => void;
  readonly failed: (error: AuditError) => void;
}

/** Entries that wait for the disk at once; what is over is refused. */
const mostWaiting = 16_384;
/** Entries that share one write. */
const mostInGroup = 1_024;

const createFile = (path: string): Promise<AuditFileHandle> => open(path, 'ax', 0o600);

/**
 * The audit log of one process: a chain of entries, each with the hash of the one before, in files of the process's own that only grow. A file that is large or old enough is followed by the next.
 *
 * `append` is fulfilled when the entry is on the disk. Entries that come while others are being synchronized share the next synchronization. Where a write
 * fails, what it left is cut off again, and the next entry is tried anew.
 */
export class AuditLog {
  readonly chain: string;
  readonly #options: AuditLogOptions;
  readonly #folder: string;
  readonly #env: Env;
  readonly #waiting: Waiting[] = [];
  #file: AuditFileHandle | undefined;
  #index = 0;
  /** Bytes of the file that are entries. */
  #size = 0;
  /** When the file was begun. */
  #since = 0;
  #head: Omit<ChainHead, 'chain'> = { seq: -1, hash: '' };
  #anchored = -1;
  #anchoring: Promise<void> | undefined;
  #cancelAnchor: () => void = () => {};
  #running: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  private constructor(options: AuditLogOptions) {
    this.#options = options;
    this.#folder = resolve(options.folder);
    this.#env = options.env ?? systemEnv;
    const start = this.#time().replace(/[-:.]/g, '');
    this.chain = `${start}-${toHex(this.#env.random(8))}`;
  }

  /**
   * Begin a chain. Its first entry names process and version, and how far the chain had come that was begun before it in the folder.
   *
   * @throws {AuditError} `ERR_AUDIT_OPEN`, `ERR_AUDIT_WRITE`
   */
  static async open(options: AuditLogOptions): Promise<AuditLog> {
    const log = new AuditLog(options);
    let previous: ChainHead | undefined;
    try {
      makeFolder(log.#folder);
      previous = await lastHead(log.#folder);
      await log.#begin(0);
    } catch (cause) {
      throw new AuditError('ERR_AUDIT_OPEN', `cannot open the audit log ${log.#folder}: ${reason(cause)}`, { cause });
    }
    const { version } = options;
    const first = { type: 'chain-started', chain: log.chain, version, pid: process.pid, host: hostname(), previous };
    try {
      await log.append(first);
    } catch (error) {
      await log.#file?.close();
      throw error;
    }
    log.#anchorLater();
    return log;
  }

  /** How far the chain has come on the disk. */
  get head(): ChainHead {
    return { chain: this.chain, ...this.#head };
  }

  /** @throws {AuditError} `ERR_AUDIT_WRITE`, `ERR_AUDIT_BUSY`, `ERR_AUDIT_CLOSED` */
  append(fact: AuditedFact): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(new AuditError('ERR_AUDIT_CLOSED', 'the audit log is closed'));
    return this.#append(fact);
  }

  /** Write what waits and an entry that says that the chain ends here, and note its head. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #append(fact: AuditedFact): Promise<void> {
    if (this.#waiting.length >= mostWaiting) {
      return Promise.reject(new AuditError('ERR_AUDIT_BUSY', `expected at most ${mostWaiting} entries that wait for the disk, got one more`));
    }
    return new Promise((done, failed) => {
      this.#waiting.push({ fact, done, failed });
      this.#running ??= this.#run();
    });
  }

  async #run(): Promise<void> {
    // What comes in this turn shares the first write.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, mostInGroup);
      try {
        await this.#write(group.map(({ fact }) => fact));
        for (const { done } of group) done();
      } catch (cause) {
        const error = new AuditError('ERR_AUDIT_WRITE', `cannot write the audit log ${this.#folder}: ${reason(cause)}`, { cause });
        for (const { failed } of group) failed(error);
      }
    }
    this.#running = undefined;
  }

  get #isFull(): boolean {
    const { fileSize = 67_108_864, fileAge = 86_400 } = this.#options;
    return this.#size >= fileSize || this.#env.now() - this.#since >= fileAge * 1000;
  }

  async #write(facts: readonly AuditedFact[]): Promise<void> {
    let { seq, hash } = this.#head;
    let text = '';
    const add = (fact: AuditedFact): void => {
      const entry = nextEntry(seq + 1, this.#time(), fact, hash);
      ({ seq, hash } = entry);
      text += `${formatEntry(entry)}\n`;
    };
    if (this.#file === undefined || this.#isFull) {
      await this.#begin(this.#index + 1);
      add({ type: 'chain-continued' });
    }
    for (const fact of facts) add(fact);
    const bytes = utf8(text);
    const file = this.#file!;
    try {
      await writeAll(file, bytes);
    } catch (error) {
      await file.truncate(this.#size).catch(() => this.#abandon());
      throw error;
    }
    try {
      await file.datasync();
    } catch (error) {
      await file.truncate(this.#size).catch(() => {});
      await this.#abandon();
      throw error;
    }
    this.#size += bytes.length;
    this.#head = { seq, hash };
  }

  /** A file whose synchronization failed once may lose later entries without a word: the chain goes on in another. */
  async #abandon(): Promise<void> {
    await this.#file?.close().catch(() => {});
    this.#file = undefined;
  }

  async #begin(index: number): Promise<void> {
    const create = this.#options.create ?? createFile;
    const file = await create(fileOf(this.#folder, this.chain, index).path);
    await this.#file?.close();
    this.#file = file;
    this.#index = index;
    this.#size = 0;
    this.#since = this.#env.now();
    // The name of a new file is on the disk when its folder is.
    const folder = await open(this.#folder, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }

  async #close(): Promise<void> {
    this.#cancelAnchor();
    await this.#append({ type: 'chain-ended' }).catch((error: unknown) => this.#options.fault?.(error));
    await this.#running;
    await this.#file?.close();
    await this.#anchoring;
    await this.#anchor(true);
  }

  #anchorLater(): void {
    if (this.#options.store === undefined) return;
    this.#cancelAnchor = this.#env.schedule(this.#options.anchorInterval ?? 10_000, () => {
      this.#anchoring = this.#anchor(false).finally(() => {
        if (this.#closing === undefined) this.#anchorLater();
      });
    });
  }

  async #anchor(ended: boolean): Promise<void> {
    const { store, fault } = this.#options;
    const { head } = this;
    if (store === undefined || (head.seq === this.#anchored && !ended)) return;
    try {
      await putAnchor(store, { ...head, ended, writer: this.#options.writer ?? thisWriter() });
      this.#anchored = head.seq;
    } catch (error) {
      fault?.(error);
    }
  }

  #time(): string {
    return new Date(this.#env.epoch() * 1000).toISOString();
  }
}

async function writeAll(file: AuditFileHandle, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length; ) offset += (await file.write(bytes, offset)).bytesWritten;
}

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
