import { type DestinationStream, destination, pino } from 'pino';

/** From the most to the least; `silent` says nothing. */
export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
/** From what on a logger writes. */
export type LogLevel = (typeof logLevels)[number];

/** Where facts go that somebody may want to read later. `fields` are for programs, `message` is for people. */
export interface Logger {
  /** What a developer asks for. */
  debug(fields: object, message: string): void;
  /** What is as it should be. */
  info(fields: object, message: string): void;
  /** What an operator should see when he looks. */
  warn(fields: object, message: string): void;
  /** What an operator has to see. */
  error(fields: object, message: string): void;
}

/** A logger whose level can change. */
export interface AdjustableLogger extends Logger {
  level: LogLevel;
}

/** What a logger writes, and where. */
export interface LoggerOptions {
  /** `info` when absent. */
  readonly level?: LogLevel;
  /** Stands in every line, e.g. `{ role: 'as' }`. */
  readonly base?: object;
  /** Where the lines go; standard error when absent. */
  readonly write?: (line: string) => void;
}

const deepest = 8;
const mostEntries = 100;
const longestText = 2_000;

/**
 * A logger that writes JSON lines, through pino.
 *
 * Bytes come out as `<n bytes>`, wherever they stand: keys, tokens and payloads do not reach a log.
 */
export function createLogger(options: LoggerOptions = {}): AdjustableLogger {
  const { level = 'info', base = {}, write } = options;
  // Synchronous, so that the last line before an end is not lost.
  const stream: DestinationStream = write ? { write } : destination({ dest: 2, sync: true });
  const log = pino(
    { level, base: loggable(base) as object, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } },
    stream,
  );
  const at =
    (name: Exclude<LogLevel, 'silent'>) =>
    (fields: object, message: string): void => {
      if (log.isLevelEnabled(name)) log[name](loggable(fields) as object, message);
    };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    get level() {
      return log.level as LogLevel;
    },
    set level(next) {
      log.level = next;
    },
  };
}

/** A copy of a value that JSON can hold, bounded in depth and size, with every byte string replaced by its length. */
export function loggable(value: unknown): unknown {
  return copy(value, 0, []);
}

function copy(value: unknown, depth: number, above: readonly unknown[]): unknown {
  if (typeof value === 'string') return value.length > longestText ? `${value.slice(0, longestText)}... (${value.length} characters)` : value;
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value === 'function' || typeof value === 'symbol') return `<${typeof value}>`;
  if (typeof value !== 'object' || value === null) return value;
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return `<${value.byteLength} bytes>`;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
  if (above.includes(value)) return '<circle>';
  if (depth === deepest) return '<deeper>';
  const below = (child: unknown): unknown => copy(child, depth + 1, [...above, value]);
  if (Array.isArray(value) || value instanceof Set) {
    const items = [...value];
    const copies = items.slice(0, mostEntries).map(below);
    return items.length > mostEntries ? [...copies, `<${items.length - mostEntries} more>`] : copies;
  }
  const entries = entriesOf(value);
  const result: Record<string, unknown> = {};
  for (const [key, child] of entries.slice(0, mostEntries)) {
    Object.defineProperty(result, key instanceof Uint8Array ? `<${key.length} bytes>` : String(key), {
      value: below(child),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return result;
}

function entriesOf(value: object): readonly (readonly [unknown, unknown])[] {
  if (value instanceof Map) return [...value];
  const own: [unknown, unknown][] = Object.entries(value);
  if (!(value instanceof Error)) return own;
  return [
    ['name', value.name],
    ['message', value.message],
    ...own.filter(([key]) => key !== 'name'),
    ...(value.cause === undefined ? [] : [['cause', value.cause] as const]),
  ];
}
