import { statSync } from 'node:fs';
import { UsageError } from '../exit.ts';

/** @throws {UsageError} when there is no such folder */
export function checkFolder(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) throw new UsageError(`${folder}: expected the folder of an audit log, got none`);
}
