import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { join } from 'node:path';
import { test } from 'node:test';
import { root } from '../support/fixtures.ts';
import { readCorpus } from './coverage/corpus.ts';
import { runOnce } from './target.ts';

/** What no target reaches, and why none has to. */
const exceptions: ReadonlyMap<string, string> = new Map([]);

/** Exported functions that make something of what they are given, by the folder and name of their file. */
function exportedDecoders(): ReadonlySet<string> {
  const found = new Set<string>();
  for (const top of ['src', 'profiles']) {
    for (const name of (readdirSync(join(root, top), { recursive: true }) as string[]).filter((file) => file.endsWith('.ts'))) {
      const source = readFileSync(join(root, top, name), 'utf8');
      for (const [, decoder] of source.matchAll(/^export (?:async )?function ((?:decode|parse|read|open|import|unprotect|recognise)[A-Z]\w*)/gm))
        found.add(`${top}/${name} ${decoder}`);
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

test('every exported decoder is reached by the seeds of a fuzz target, or it stands here why not', async () => {
  const session = new Session();
  session.connect();
  const ask = <T>(method: string, options?: object): T => {
    let answer: unknown;
    session.post(method, options, (error, result) => {
      if (error !== null) throw error;
      answer = result;
    });
    return answer as T;
  };
  ask('Profiler.enable');
  ask('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
  const { targets } = await import('./targets.ts');
  for (const { name, open } of targets) {
    const target = await open();
    try {
      for (const input of [...target.seeds, ...readCorpus(name)]) await runOnce(target, input);
      await target.settle?.();
    } finally {
      await target.close?.();
    }
  }
  const reached = new Set<string>();
  for (const { url, functions } of ask<Coverage>('Profiler.takePreciseCoverage').result) {
    const file = /\/dist\/((?:src|profiles)\/.*)\.js$/.exec(url)?.[1];
    if (file === undefined) continue;
    for (const { functionName, ranges } of functions) if (ranges[0]!.count > 0) reached.add(`${file}.ts ${functionName}`);
  }
  session.disconnect();
  const missing = [...exportedDecoders()].filter((decoder) => !reached.has(decoder) && !exceptions.has(decoder));
  assert.deepEqual(missing, []);
  for (const exception of exceptions.keys()) assert.ok(!reached.has(exception), `${exception} is reached`);
});
