import { readdirSync, readFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { join } from 'node:path';
import { root } from '../support/fixtures.ts';

/** Exported functions of `src` and `profiles` that make something of what they are given, each by its file and its name. */
export function exportedDecoders(): readonly string[] {
  const found: string[] = [];
  for (const top of ['src', 'profiles']) {
    for (const name of (readdirSync(join(root, top), { recursive: true }) as string[]).filter((file) => file.endsWith('.ts')).sort()) {
      const source = readFileSync(join(root, top, name), 'utf8');
      const exported = source.matchAll(/^export (?:async )?function ((?:decode|parse|read|open|import|unprotect|recognise)(?:[A-Z]\w*)?)[(<]/gm);
      for (const [, decoder] of exported) found.push(`${top}/${name} ${decoder}`);
    }
  }
  return found;
}

interface Coverage {
  readonly result: readonly {
    readonly url: string;
    readonly functions: readonly { readonly functionName: string; readonly ranges: readonly { readonly count: number }[] }[];
  }[];
}

/** Tells which functions are called from its making on. What is loaded earlier may be missing. */
export class Reached {
  readonly #session: Session = new Session();

  constructor() {
    this.#session.connect();
    this.#ask('Profiler.enable');
    this.#ask('Profiler.startPreciseCoverage', { callCount: false, detailed: false });
  }

  #ask<T>(method: string, options?: object): T {
    let answer: unknown;
    this.#session.post(method, options, (error, result) => {
      if (error !== null) throw error;
      answer = result;
    });
    return answer as T;
  }

  /** The functions that were called, as `exportedDecoders` names them; it is over then. */
  end(): ReadonlySet<string> {
    const reached = new Set<string>();
    for (const { url, functions } of this.#ask<Coverage>('Profiler.takePreciseCoverage').result) {
      const file = /\/dist\/((?:src|profiles)\/.*)\.js$/.exec(url)?.[1];
      if (file === undefined) continue;
      for (const { functionName, ranges } of functions) if (ranges[0]!.count > 0) reached.add(`${file}.ts ${functionName}`);
    }
    this.#session.disconnect();
    return reached;
  }
}
