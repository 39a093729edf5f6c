import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { ConfigError, writeLab } from '../../src/operate/index.ts';

const base = mkdtempSync(join(tmpdir(), 'ace-coap-lab-with-'));
after(() => rmSync(base, { recursive: true, force: true }));
let labs = 0;

/** Other bytes in each lab. */
export const labRandom = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (17 * labs + i + 1) & 0xff);

/** The folder of a fresh lab. */
export async function freshLab(): Promise<string> {
  const folder = join(base, `lab${++labs}`);
  await writeLab(folder, { random: labRandom });
  return folder;
}

/** The same with more text at the end of one of its files. */
export async function labWith(name: string, text: string): Promise<string> {
  const folder = await freshLab();
  appendFileSync(join(folder, name), text);
  return folder;
}

/** The same with one of its files changed. */
export async function changedLab(name: string, from: string | RegExp, to: string): Promise<string> {
  const folder = await freshLab();
  const file = join(folder, name);
  const text = readFileSync(file, 'utf8');
  const next = text.replace(from, to);
  assert.notEqual(next, text, `${name} has ${String(from)}`);
  writeFileSync(file, next);
  return folder;
}

/** The error by which a configuration is refused. */
export function refusal(load: () => unknown): ConfigError {
  try {
    load();
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error;
  }
  return assert.fail('it was loaded');
}

/** What is said against a configuration. */
export function problemOf(load: () => unknown): string {
  return refusal(load).message;
}
