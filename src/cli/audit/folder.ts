import { statSync } from 'node:fs';
import { loadAsConfig } from '../../operate/index.ts';
import { configPath } from '../config-path.ts';
import { UsageError } from '../exit.ts';

/** Where an audit log is, and the store that knows how far it had come. */
export interface AuditPlace {
  /** More than one: an archive lies beside it. */
  readonly folders: readonly string[];
  readonly store?: string;
}

/** How the command line names an audit log: by its folder and store, or by the configuration of the server that writes it. */
export interface AuditPlaceFlags {
  readonly config?: string;
  readonly store?: string;
}

/** @param named - folders; beside --config those of archives @throws {UsageError} where there is no such folder */
export function auditPlace(named: readonly string[], { config, store }: AuditPlaceFlags): AuditPlace {
  const place = config === undefined ? { folders: named, ...(store === undefined ? {} : { store }) } : configured(config, named);
  if (place.folders.length === 0) throw new UsageError('expected the folder of an audit log, or --config, got neither');
  for (const folder of place.folders) checkFolder(folder);
  return place;
}

function configured(config: string, archives: readonly string[]): AuditPlace {
  const { file, audit, store } = loadAsConfig(configPath(config));
  if (audit === undefined) throw new UsageError(`${file}: audit: expected the folder of an audit log, got none`);
  return { folders: [audit.folder, ...archives], store };
}

function checkFolder(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) throw new UsageError(`${folder}: expected the folder of an audit log, got none`);
}

/** Folders in which nothing of an audit log was found. */
export function noLogIn(folders: readonly string[]): UsageError {
  return new UsageError(`${folders.join(', ')}: expected the folder of an audit log, got one without a file of it`);
}
