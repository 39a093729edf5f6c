import { ProtocolError } from '../../core/errors.ts';

/** Keys of maps and indexes of lists, from the top of a file. */
export type ConfigPath = readonly (string | number)[];

/** One thing that is wrong in a configuration file. */
export interface ConfigProblem {
  /** 1 is the first line; absent where the fault has no place in the file. */
  readonly line?: number;
  readonly column?: number;
  /** `clients.client1.oscore.sender_id`; empty for the file as a whole. */
  readonly path: string;
  /** What was expected and what stands there; never key bytes. */
  readonly message: string;
}

/**
 * A configuration that cannot be used. The message has one line for each problem: `lab/as.yaml:12:18: clients.client1.oscore.sender_id: expected ..., got ...`.
 *
 * Codes: `ERR_CONFIG_FILE` (cannot be read), `ERR_CONFIG_YAML`, `ERR_CONFIG_JSON` (not what the file has to be), `ERR_CONFIG_VALUE` (a wrong, missing or unknown entry), `ERR_CONFIG_KEY_FILE` (a file with a key
 * that is missing, malformed or open to others), `ERR_CONFIG_EXISTS` (a lab would be overwritten).
 */
export class ConfigError extends ProtocolError {
  readonly file: string;
  readonly problems: readonly ConfigProblem[];

  constructor(code: string, file: string, problems: readonly ConfigProblem[], options?: { readonly cause?: unknown }) {
    super(code, problems.map((problem) => formatProblem(file, problem)).join('\n'), options);
    this.file = file;
    this.problems = problems;
  }
}

function formatProblem(file: string, { line, column, path, message }: ConfigProblem): string {
  const place = line === undefined ? file : `${file}:${line}:${column ?? 1}`;
  return path === '' ? `${place}: ${message}` : `${place}: ${path}: ${message}`;
}

/** `clients.client1.grants[0]`, `resources["/led"].kind`. */
export function formatPath(path: ConfigPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (/^[\w-]+$/.test(part)) text += text === '' ? part : `.${part}`;
    else text += `[${JSON.stringify(part)}]`;
  }
  return text;
}

/** Text that could be a key in hexadecimal or base64url: 8 bytes or more. */
const keyLike = /^(?:[0-9a-fA-F\s:]{16,}|[A-Za-z0-9_+/=-]{22,})$/;

/** What stands somewhere, for people; of a text that is or could be a key, only its length. */
export function describeValue(value: unknown, secret = false): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'an empty value';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object') return 'a map';
  if (typeof value !== 'string') return secret ? `a ${typeof value}` : `the ${typeof value} ${String(value)}`;
  if (secret || keyLike.test(value) || value.length > 60) return `text of ${value.length} characters`;
  return JSON.stringify(value);
}

/** The known word that a wrong one was probably meant to be. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const plain = (text: string): string => text.toLowerCase().replace(/[-_ ]/g, '');
  let best: string | undefined;
  let least = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(plain(word), plain(candidate));
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

/** `; did you mean "x"?`, or which words there are. */
export function suggest(word: string, known: readonly string[]): string {
  const match = nearest(word, known);
  return match === undefined ? (known.length === 0 ? '' : `; known here: ${known.join(', ')}`) : `; did you mean "${match}"?`;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}
