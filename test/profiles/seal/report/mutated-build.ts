import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../../../support/fixtures.ts';
import type { Saboteur } from '../saboteur.ts';
import type { Verdict } from './report.ts';

/** Milliseconds for a report, which takes seconds on a machine that has nothing else to do. */
const patience = 900_000;

/** A copy of the build in which one file at a time is another, so that a fault can be seen without one in what ships. */
export class MutatedBuild {
  readonly #folder = mkdtempSync(join(tmpdir(), 'ace-coap-saboteurs-'));

  constructor() {
    const isRun = (file: string): boolean => !/\.(map|d\.ts|tsbuildinfo)$/.test(file);
    for (const part of ['src', 'profiles', 'test']) cpSync(join(root, 'dist', part), join(this.#folder, 'dist', part), { recursive: true, filter: isRun });
    cpSync(join(root, 'package.json'), join(this.#folder, 'package.json'));
    for (const whole of ['fixtures', 'node_modules']) symlinkSync(join(root, whole), join(this.#folder, whole), 'dir');
  }

  /** The report on some rows, by a process in which a saboteur is at work. */
  async report({ file, replace: [from, to] }: Saboteur, rows: readonly string[]): Promise<readonly Verdict[]> {
    const path = join(this.#folder, 'dist', file);
    const original = readFileSync(path, 'utf8');
    // By a function, since `$` means something in a text that replaces.
    writeFileSync(
      path,
      original.replace(from, () => to),
    );
    try {
      return await this.#run(rows);
    } finally {
      writeFileSync(path, original);
    }
  }

  #run(rows: readonly string[]): Promise<readonly Verdict[]> {
    const main = join(this.#folder, 'dist/test/profiles/seal/report/main.js');
    return new Promise((resolve, reject) => {
      execFile(process.execPath, [main, '--json', ...rows.flatMap((id) => ['--row', id])], { timeout: patience, maxBuffer: 1e7 }, (error, out, err) => {
        const lines = out.split('\n').filter((line) => line.startsWith('{'));
        if (lines.length === rows.length) resolve(lines.map((line) => JSON.parse(line) as Verdict));
        else reject(new Error(`expected ${rows.length} rows of a report, got ${lines.length}: ${err}`, { cause: error }));
      });
    });
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
