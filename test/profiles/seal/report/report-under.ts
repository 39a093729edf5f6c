import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../../../support/fixtures.ts';
import type { Saboteur } from '../saboteur.ts';
import type { Verdict } from './report.ts';

/** Milliseconds for a report, which takes seconds on a machine that has nothing else to do. */
const patience = 900_000;

/** A folder like another: all in it are links, but for the file at `path` below it, which has this text. */
function linkAllBut(from: string, to: string, [name, ...below]: readonly string[], text: string): void {
  mkdirSync(to);
  for (const other of readdirSync(from)) if (other !== name) symlinkSync(join(from, other), join(to, other));
  if (below.length === 0) writeFileSync(join(to, name!), text);
  else linkAllBut(join(from, name!), join(to, name!), below, text);
}

/** The report on some rows, by a process in which a saboteur is at work, so that a fault can be seen without one in what ships. */
export async function reportUnder({ file, replace: [from, to] }: Saboteur, rows: readonly string[]): Promise<readonly Verdict[]> {
  const folder = mkdtempSync(join(tmpdir(), 'ace-coap-saboteur-'));
  try {
    // By a function, since `$` means something in a text that replaces.
    const text = readFileSync(join(root, 'dist', file), 'utf8').replace(from, () => to);
    linkAllBut(join(root, 'dist'), join(folder, 'dist'), file.split('/'), text);
    copyFileSync(join(root, 'package.json'), join(folder, 'package.json'));
    for (const whole of ['fixtures', 'node_modules']) symlinkSync(join(root, whole), join(folder, whole));
    return await run(join(folder, 'dist/test/profiles/seal/report/main.js'), rows);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function run(main: string, rows: readonly string[]): Promise<readonly Verdict[]> {
  // A module is what its path says, and not what a link there leads to: all of them import the one that is another.
  const words = ['--preserve-symlinks', '--preserve-symlinks-main', main, '--json', ...rows.flatMap((id) => ['--row', id])];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, words, { timeout: patience, maxBuffer: 1e7 }, (error, out, err) => {
      const lines = out.split('\n').filter((line) => line.startsWith('{'));
      if (lines.length === rows.length) resolve(lines.map((line) => JSON.parse(line) as Verdict));
      else reject(new Error(`expected ${rows.length} rows of a report, got ${lines.length}: ${err}`, { cause: error }));
    });
  });
}
