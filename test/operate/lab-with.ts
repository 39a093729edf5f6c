import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { ConfigError, writeLab } from '../../src/operate/index.ts';

const base = mkdtempSync(join(tmpdir(), 'ace-coap-lab-with-'));
after(() => rmSync(base, { recursive: true, force: true }));
let labs = 0;

/** The folder of a fresh lab, with more text at the end of one of its files. */
export async function labWith(name: string, text: string): Promise<string> {
  const folder = join(base, `lab${++labs}`);
  await writeLab(folder, { random: (length) => Uint8Array.from({ length }, (_, i) => (17 * labs + i) & 0xff) });
  appendFileSync(join(folder, name), text);
  return folder;
}

/** What is said against a configuration. */
export function problemOf(load: () => unknown): string {
  try {
    load();
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.message;
  }
  return assert.fail('it was loaded');
}
