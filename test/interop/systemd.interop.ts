/** The unit of the README, read by systemd's own command: no machine that tests runs systemd itself. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { root } from '../support/fixtures.ts';

const name = 'ace-coap-as.service';
const command = '/usr/bin/ace-coap';

function analyze(folder: string, ...words: readonly string[]): { readonly status: number | null; readonly said: string } {
  const { status, stdout, stderr } = spawnSync('systemd-analyze', words, { cwd: folder, encoding: 'utf8', timeout: 60_000 });
  return { status, said: `${stdout}${stderr}` };
}

test('the unit of the README: systemd knows every line of it, and it leaves little open', () => {
  const unit = new RegExp(`# /etc/systemd/system/${name}\\n(.*?)\`\`\``, 's').exec(readFileSync(join(root, 'README.md'), 'utf8'))?.[1] ?? '';
  assert.ok(unit.includes(command));
  const folder = mkdtempSync(join(tmpdir(), 'ace-coap-systemd-'));
  try {
    // The command has to be there, and is not installed here.
    const write = (text: string): void => writeFileSync(join(folder, name), text.replace(command, '/bin/true'));
    const verify = (): { readonly status: number | null; readonly said: string } => analyze(folder, 'verify', '--man=no', `./${name}`);
    write(unit);
    assert.deepEqual(verify(), { status: 0, said: '' });
    // Of 10, the higher the more open.
    const { status, said } = analyze(folder, 'security', '--offline=true', '--threshold=25', '--no-pager', `./${name}`);
    assert.equal(status, 0, said);
    write(unit.replace('UMask', 'UMasks'));
    assert.match(verify().said, /UMasks/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
