import { existsSync } from 'node:fs';
import { UsageError } from './exit.ts';

/** The path of a lab or a configuration file, if there is anything; what is wrong in it is told by whoever reads it. */
export function configPath(path: string): string {
  if (existsSync(path)) return path;
  const quoted = /^[\w./+-]+$/.test(path) ? path : JSON.stringify(path);
  throw new UsageError(/\.ya?ml$/.test(path) ? `${path}: no such file` : `${path}: no such folder; make one with: ace-coap init ${quoted}`);
}
