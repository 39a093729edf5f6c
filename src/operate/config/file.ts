import { readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import * as v from 'valibot';
import {
  type Document,
  isCollection,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Pair,
  parseDocument,
  visit,
  type YAMLMap,
  type YAMLParseError,
} from 'yaml';
import { ConfigError, type ConfigPath, type ConfigProblem, describeValue, formatPath } from './error.ts';

/** The largest configuration file, in bytes. */
const largestFile = 1_048_576;

/** Keys of maps whose values are never printed. */
const secretKeys: ReadonlySet<string> = new Set(['master_secret', 'master_salt', 'key']);

/** How a file is written, and what makes one where there is none. */
interface Format {
  readonly name: string;
  /** Of the error when it is written otherwise. */
  readonly code: string;
  readonly missing: string;
}

const yaml: Format = {
  name: 'YAML',
  code: 'ERR_CONFIG_YAML',
  missing: 'a configuration file, got nothing there; "ace-coap init", for SEAL "ace-coap seal init", makes a folder with one for each role',
};
const json: Format = {
  name: 'JSON',
  code: 'ERR_CONFIG_JSON',
  missing: 'an OSCORE context file, got nothing there; "ace-coap oscore init" makes one for each of client and server',
};

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** What is wrong with the text of a file, and after how many of its characters. */
interface Fault {
  readonly offset: number;
  readonly expected: string;
}

/** As the parser has it, but for what it quotes. */
function faultOf({ pos, message }: YAMLParseError): Fault {
  return { offset: pos[0], expected: message.replace(/(["'`]).{17,}\1/gs, '...').split('\n')[0]! };
}

/** Lists and maps in the place of names, which YAML has and settings have not. */
function misplaced(document: Document.Parsed): readonly Fault[] {
  const faults: Fault[] = [];
  visit(document, {
    Pair: (_key, { key }) => {
      if (isCollection(key)) faults.push({ offset: key.range?.[0] ?? 0, expected: 'Map keys must be texts, no lists or maps' });
    },
  });
  return faults;
}

/** A YAML or JSON file with the place of each of its values, so that whatever is found wrong in it later can say where it stands. */
export class ConfigFile {
  /** As the user named it. */
  readonly path: string;
  /** What relative paths in it are relative to. */
  readonly folder: string;
  readonly #document: Document;
  readonly #lines: LineCounter;
  readonly #problems: ConfigProblem[] = [];

  private constructor(path: string, document: Document, lines: LineCounter) {
    this.path = path;
    this.folder = dirname(resolve(path));
    this.#document = document;
    this.#lines = lines;
  }

  /**
   * Reads a file, or the file `name` of a folder.
   *
   * @throws {ConfigError} `ERR_CONFIG_FILE`, `ERR_CONFIG_YAML`
   */
  static read(path: string, name: string): ConfigFile {
    return ConfigFile.#read(path, name, yaml);
  }

  /** The same for a file that has to be JSON. @throws {ConfigError} `ERR_CONFIG_FILE`, `ERR_CONFIG_JSON` */
  static readJson(path: string, name: string): ConfigFile {
    return ConfigFile.#read(path, name, json);
  }

  static #read(path: string, name: string, format: Format): ConfigFile {
    let file = path;
    let text: string;
    try {
      if (statSync(path).isDirectory()) file = join(path, name);
      const { size } = statSync(file);
      if (size > largestFile) throw new Error(`expected at most ${largestFile} bytes, got ${size}`);
      text = readFileSync(file, 'utf8');
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      const said = code === 'ENOENT' ? `expected ${format.missing}` : message;
      throw new ConfigError('ERR_CONFIG_FILE', file, [{ path: '', message: said }], { cause });
    }
    const lines = new LineCounter();
    // What the parser would write to the console quotes the text, which may be a key.
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
    const problems = [...document.errors.map(faultOf), ...misplaced(document)].map(({ offset, expected }): ConfigProblem => {
      const { line, col } = lines.linePos(offset);
      return { line, column: col, path: '', message: `expected ${format.name}: ${expected}` };
    });
    if (problems.length > 0) throw new ConfigError(format.code, file, problems.slice(0, 10));
    // Whatever is JSON is YAML as well, which is read with the place of each value; what is YAML alone is told apart here.
    if (format === json && !isJson(text)) {
      throw new ConfigError(format.code, file, [
        { path: '', message: 'expected JSON, got text that is none: names and texts stand in quotes, without comments' },
      ]);
    }
    return new ConfigFile(file, document, lines);
  }

  /**
   * The content, if it is what the schema wants.
   *
   * @throws {ConfigError} `ERR_CONFIG_VALUE`, `ERR_CONFIG_YAML`
   */
  check<T>(schema: v.GenericSchema<unknown, T>): T {
    let content: unknown;
    try {
      content = this.#document.toJS({ maxAliasCount: 100 });
    } catch (cause) {
      throw new ConfigError('ERR_CONFIG_YAML', this.path, [{ path: '', message: 'expected at most 100 uses of aliases' }], { cause });
    }
    const result = v.safeParse(schema, content ?? {});
    if (result.success) return result.output;
    for (const issue of result.issues) {
      const path = (issue.path ?? []).map((item) => (item as { key: string | number }).key);
      const unknown = issue.type === 'strict_object' && issue.expected === 'never';
      if (unknown) this.problem(path, issue.message, { atKey: true });
      else {
        const secret = path.some((key) => secretKeys.has(String(key)));
        const misnamed = issue.path?.at(-1)?.origin === 'key';
        this.problem(path, `expected ${issue.message}, got ${describeValue(issue.input, secret)}`, { atKey: misnamed });
      }
    }
    return this.finish();
  }

  /** Notes a problem at a place; `finish` throws what was noted. */
  problem(path: ConfigPath, message: string, options: { readonly atKey?: boolean } = {}): void {
    const offset = this.#offset(path, options.atKey ?? false);
    const { line, col } = this.#lines.linePos(offset);
    this.#problems.push({ line, column: col, path: formatPath(path), message });
  }

  get hasProblems(): boolean {
    return this.#problems.length > 0;
  }

  /** @throws {ConfigError} with what was noted */
  finish(code = 'ERR_CONFIG_VALUE'): never {
    throw new ConfigError(code, this.path, this.#problems.slice(0, 20));
  }

  /** Where the value at `path` begins, or its key; where it is missing, the innermost thing that is there. */
  #offset(path: ConfigPath, atKey: boolean): number {
    let node: unknown = this.#document.contents;
    let offset = rangeStart(node) ?? 0;
    path.forEach((part, depth) => {
      let next: unknown;
      if (isMap(node)) {
        const pair = findPair(node, String(part));
        next = pair && (pair.value ?? pair.key);
        if (pair && atKey && depth === path.length - 1) next = pair.key;
      } else if (isSeq(node)) next = node.items[Number(part)];
      const start = rangeStart(next);
      if (start !== undefined) offset = start;
      node = next;
    });
    return offset;
  }
}

function findPair(map: YAMLMap, key: string): Pair | undefined {
  return map.items.find((pair) => isPair(pair) && String(isScalar(pair.key) ? pair.key.value : pair.key) === key);
}

function rangeStart(node: unknown): number | undefined {
  return (node as { range?: readonly number[] | null } | null | undefined)?.range?.[0];
}
