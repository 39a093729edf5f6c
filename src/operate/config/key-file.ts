import { readFileSync, statSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { fromHex } from '../../core/bytes.ts';
import type { ConfigPath } from './error.ts';
import type { ConfigFile } from './file.ts';

/** The largest key file, in bytes. */
const largestFile = 16_384;

/** What of a file's mode lets others in. */
const others = 0o077;

/**
 * A key from its own file, from the configuration itself or from the environment; exactly one of these has to be there. What is wrong is noted in `file`.
 *
 * @param inline - the entry with the key in hexadecimal
 * @param named - the entry with the path of a file that holds it
 * @param options - `env`: the entry with the name of a variable that holds it in hexadecimal
 */
export function readKey(
  file: ConfigFile,
  path: ConfigPath,
  entries: Readonly<Record<string, unknown>>,
  inline: string,
  named: string,
  options: { readonly isPublic?: (bytes: Uint8Array) => boolean; readonly env?: string } = {},
): Uint8Array | undefined {
  const text = entries[inline] as string | undefined;
  const keyFile = entries[named] as string | undefined;
  const variable = options.env === undefined ? undefined : (entries[options.env] as string | undefined);
  if (variable !== undefined && text === undefined && keyFile === undefined) return readKeyVariable(file, [...path, options.env!], variable);
  if (variable !== undefined) {
    file.problem(path, `expected one of ${named}, ${inline} and ${options.env}, got several`);
    return undefined;
  }
  if ((text === undefined) === (keyFile === undefined)) {
    file.problem(path, `expected either ${named} or ${inline}, got ${text === undefined ? 'neither' : 'both'}`);
    return undefined;
  }
  if (text !== undefined) {
    const bytes = fromHex(text);
    if (!options.isPublic?.(bytes)) checkMode(file, [...path, inline], file.path, 'a configuration with a key in it');
    return bytes;
  }
  return readKeyFile(file, [...path, named], keyFile!, options.isPublic);
}

function readKeyVariable(file: ConfigFile, path: ConfigPath, name: string): Uint8Array | undefined {
  const text = process.env[name]?.trim();
  if (text === undefined) file.problem(path, `expected a variable of the environment that is set, got ${name}, which is not`);
  else if (text === '' || text.length % 2 !== 0 || !/^[0-9a-fA-F]+$/.test(text)) {
    file.problem(path, `${name}: expected a key in hexadecimal, got ${text.length} characters that are none`);
  } else return fromHex(text);
  return undefined;
}

function readKeyFile(file: ConfigFile, path: ConfigPath, name: string, isPublic?: (bytes: Uint8Array) => boolean): Uint8Array | undefined {
  const read = readNamedFile(file, path, name, { what: 'a key file', largest: largestFile });
  if (read === undefined) return undefined;
  const { full, text } = read;
  const digits = text.replace(/\s+/g, '');
  if (digits === '' || digits.length % 2 !== 0 || !/^[0-9a-fA-F]+$/.test(digits)) {
    file.problem(path, `${shown(full)}: expected a key in hexadecimal, got ${text.length} bytes that are none`);
    return undefined;
  }
  const bytes = fromHex(digits);
  if (!isPublic?.(bytes)) checkMode(file, path, full, 'a key file');
  return bytes;
}

/** The text of a file that a configuration names, each byte one character; what is wrong is noted in `file`. */
export function readNamedFile(
  file: ConfigFile,
  path: ConfigPath,
  name: string,
  { what, largest }: { readonly what: string; readonly largest: number },
): { readonly full: string; readonly text: string } | undefined {
  const full = resolve(file.folder, name);
  try {
    const { size } = statSync(full);
    if (size <= largest) return { full, text: readFileSync(full, 'latin1') };
    file.problem(path, `${shown(full)}: expected ${what} of at most ${largest} bytes, got ${size}`);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    file.problem(path, `${shown(full)}: expected ${what}, got ${code === 'ENOENT' ? 'nothing there' : `something that cannot be read (${code})`}`);
  }
  return undefined;
}

/** Notes it where others may use a file with a secret in it. */
export function checkMode(file: ConfigFile, path: ConfigPath, full: string, what: string): void {
  if (process.platform === 'win32') return; // no such modes there
  const mode = statSync(full).mode & 0o777;
  if ((mode & others) === 0) return;
  const name = shown(full);
  file.problem(path, `${name}: expected ${what} that its owner alone may use, got mode ${mode.toString(8).padStart(4, '0')}; run: chmod 600 ${quoted(name)}`);
}

/** A path as short as it can be said from here. */
export function shown(full: string): string {
  const short = relative(process.cwd(), full);
  return short === '' || short.startsWith('..') ? full : short;
}

function quoted(path: string): string {
  return /^[\w./+-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
