/** The completion scripts in real shells: bash is tried in `npm test`. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { completionScript } from '../../src/cli/completion.ts';
import { program } from '../../src/cli/program.ts';

let folder: string;

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'ace-coap-shells-'));
  // zsh looks a command up before it completes its words; nothing here is run.
  writeFileSync(join(folder, 'ace-coap'), '#!/bin/sh\n');
  chmodSync(join(folder, 'ace-coap'), 0o755);
  for (const [shell, name] of [
    ['fish', 'ace-coap.fish'],
    ['zsh', '_ace-coap'],
  ] as const) {
    writeFileSync(join(folder, name), completionScript(program('0.0.0'), shell));
  }
});
after(() => rmSync(folder, { recursive: true, force: true }));

function shell(command: string, ...words: readonly string[]): string {
  const env = { ...process.env, PATH: `${folder}:${process.env['PATH']}`, TERM: 'dumb', HOME: folder };
  const { status, stdout, stderr } = spawnSync(command, words, { encoding: 'utf8', env, cwd: folder, timeout: 60_000 });
  assert.equal(status, 0, `${command}: ${stderr}`);
  return stdout;
}

test('completion in fish: commands, options and choices that there are', () => {
  const offered = (line: string): readonly string[] =>
    shell('fish', '--no-config', '-c', `source ace-coap.fish; complete -C '${line}'`)
      .split('\n')
      .filter((one) => one !== '')
      .map((one) => one.split('\t')[0]!);
  assert.deepEqual(offered('ace-coap ob'), ['observe']);
  assert.deepEqual(offered('ace-coap admin client '), ['add', 'list', 'remove', 'show']);
  assert.deepEqual(offered('ace-coap init --profile dtls-'), ['dtls-psk', 'dtls-rpk']);
  assert.deepEqual(offered('ace-coap admin client add x --gr'), ['--grant']);
});

/** A zsh on a terminal of its own: types the line, presses Tab, and gives what stands there then. */
const typed = `
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "unsetopt zle_bracketed_paste prompt_sp; PS1=; fpath=($PWD \\$fpath); autoload -U compinit; compinit -u -D; print rea''dy"
zpty -r shell line '*ready*'
zpty -w -n shell "$1"$'\\t'
zpty -r shell line "*$2*" && print -r -- "$line"
`;

for (const [line, becomes] of [
  ['ace-coap obs', 'ace-coap observe'],
  ['ace-coap admin cl', 'ace-coap admin client'],
  ['ace-coap init --profile os', 'ace-coap init --profile oscore'],
] as const) {
  test(`completion in zsh, from its file at the first Tab: ${line}`, () => {
    assert.ok(shell('zsh', '-f', '-c', typed, 'zsh', line, becomes).includes(becomes));
  });
}
