import { statSync } from 'node:fs';
import { loadAsConfig } from '../../operate/index.ts';
import { configPath } from '../config-path.ts';
import { UsageError } from '../exit.ts';

/** Where an audit log is, and the store that knows how far it had come. */
export interface AuditPlace {
  readonly folder: string;
  readonly store?: string;
}

/** As the command line names it: by itself, or by the configuration of the server that writes it. @throws {UsageError} */
export function auditPlace(folder: string | undefined, config: string | undefined): AuditPlace {
  if ((folder === undefined) === (config === undefined))
    throw new UsageError(`expected the folder of an audit log, or --config, got ${folder === undefined ? 'neither' : 'both'}`);
  if (config === undefined) return { folder: folder! };
  const { file, audit, store } = loadAsConfig(configPath(config));
  if (audit === undefined) throw new UsageError(`${file}: audit: expected the folder of an audit log, got none`);
  return { folder: audit.folder, store };
}

/** @throws {UsageError} when there is no such folder */
export function checkFolder(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) throw new UsageError(`${folder}: expected the folder of an audit log, got none`);
}

/** A folder in which nothing of an audit log was found. */
export function noLogIn(folder: string): UsageError {
  return new UsageError(`${folder}: expected the folder of an audit log, got one without a file of it`);
}
