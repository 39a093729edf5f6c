import { join } from 'node:path';
import { root } from '../support/fixtures.ts';
import type { Vector, VectorFile } from './format.ts';
import type { Topic } from './topic.ts';
import { cwt } from './topics/cwt.ts';
import { dtls } from './topics/dtls.ts';
import { coapEcho, oscoreExchanges } from './topics/exchanges.ts';
import { oscoreDerivation, oscoreMessages } from './topics/oscore.ts';
import { authzInfo, hints, introspection } from './topics/resource-server.ts';
import { akma, sealKm } from './topics/seal.ts';
import { tokenEndpoint } from './topics/token-endpoint.ts';
import { tokenHashes } from './topics/token-hash.ts';

/** The seed of the files in `fixtures/vectors`. */
export const defaultSeed = 'ace-coap';

export const folder: string = join(root, 'fixtures', 'vectors');

export const topics: readonly Topic[] = [
  cwt,
  tokenEndpoint,
  hints,
  introspection,
  authzInfo,
  tokenHashes,
  oscoreDerivation,
  oscoreMessages,
  oscoreExchanges,
  coapEcho,
  dtls,
  sealKm,
  akma,
];

/** An object with each entry on a line of its own. */
function lines(record: Readonly<Record<string, unknown>>, indent: string): string {
  const entries = Object.entries(record).map(([name, value]) => `${indent} ${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  return entries.length === 0 ? '{}' : `{\n${entries.join(',\n')}\n${indent}}`;
}

function vectorText({ id, standard, section, proves, action, expect, input, steps, output, ...refusal }: Vector): string {
  const head = lines({ id, standard, section, proves, action, expect, ...refusal }, '  ').slice(0, -'\n  }'.length);
  const stepLines = steps.map((step) => `    ${JSON.stringify(step)}`);
  const stepsText = stepLines.length === 0 ? '[]' : `[\n${stepLines.join(',\n')}\n   ]`;
  return `  ${head},\n   "input": ${lines(input, '   ')},\n   "steps": ${stepsText},\n   "output": ${JSON.stringify(output)}\n  }`;
}

function fileText({ vectors, ...heading }: VectorFile): string {
  return `${lines(heading, '').slice(0, -'\n}'.length)},\n "vectors": [\n${vectors.map(vectorText).join(',\n')}\n ]\n}\n`;
}

/** Sections by standard, each once and in order. */
function sectionsOf(vectors: readonly Vector[]): Record<string, readonly string[]> {
  const found = new Map<string, Set<string>>();
  for (const { standard, section } of vectors) found.set(standard, (found.get(standard) ?? new Set()).add(section));
  const inOrder = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true });
  return Object.fromEntries([...found].sort(([a], [b]) => inOrder(a, b)).map(([standard, sections]) => [standard, [...sections].sort(inOrder)]));
}

/** The text of every file, by name: one file of vectors for each topic, and the index. */
export function generate(seed: string = defaultSeed): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  const index = topics.map(({ name, title, vectors: make }) => {
    const vectors = make(seed);
    files.set(`${name}.json`, fileText({ format: 'ace-coap vectors 1', topic: name, title, seed, vectors }));
    return {
      file: `${name}.json`,
      proves: title,
      vectors: vectors.length,
      rejects: vectors.filter(({ expect }) => expect === 'reject').length,
      actions: [...new Set(vectors.map(({ action }) => action))],
      sections: sectionsOf(vectors),
    };
  });
  const entries = index.map((entry) => `  ${lines(entry, '  ')}`);
  files.set('index.json', `{\n "format": "ace-coap vectors 1 index",\n "seed": ${JSON.stringify(seed)},\n "files": [\n${entries.join(',\n')}\n ]\n}\n`);
  return files;
}
