import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { idleProgram } from './command-lines.ts';
import { aceExits } from './lab.ts';

const base = mkdtempSync(join(tmpdir(), 'ace-coap-json-made-'));
after(() => rmSync(base, { recursive: true, force: true }));

describe('--json', () => {
  test('each command has it, but for the one that prints a script', () => {
    const without = idleProgram().leaves.filter(({ command }) => !command.options.some(({ long }) => long === '--json'));
    assert.deepEqual(
      without.map(({ path }) => path),
      ['completion'],
    );
  });

  const json = async (...words: readonly string[]): Promise<Record<string, unknown>> => JSON.parse((await aceExits(0, [...words, '--json'])).stdout);

  for (const [words, some] of [
    [['init'], 'as.yaml'],
    [['oscore', 'init'], 'client.json'],
    [['seal', 'init'], 't8.yaml'],
  ] as const) {
    test(`${words.join(' ')}: the files that it has made`, async () => {
      const folder = join(base, words.join('-'));
      const { made, ...rest } = (await json(...words, folder)) as { readonly made: readonly string[] };
      assert.deepEqual(rest, {});
      assert.ok(made.includes(join(folder, some)));
      assert.ok(made.every(existsSync));
    });
  }

  test('conformance init, password', async () => {
    const target = join(base, 'target.yaml');
    assert.deepEqual(await json('conformance', 'init', target), { made: [target] });
    const secret = join(base, 'secret');
    writeFileSync(secret, 'open sesame');
    const place = ['--store', join(base, 'store')];
    assert.deepEqual(await json('password', 'set', 'anna', '--password-file', secret, ...place), { act: 'set', object: 'password', id: 'anna' });
    assert.deepEqual(await json('password', 'remove', 'anna', ...place), { act: 'remove', object: 'password', id: 'anna' });
    const { secret_hash: hash } = await json('password', 'hash', '--password-file', secret);
    assert.match(String(hash), /^scrypt/);
  });
});
