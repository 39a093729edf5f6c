import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { tokenHashText } from '../../src/ace/index.ts';
import { fromHex, toHex } from '../../src/core/bytes.ts';
import { decode } from '../../src/core/cbor.ts';
import { loadTokenKey } from '../../src/operate/index.ts';
import { pause } from '../support/wait.ts';
import { ace, aceExits, Lab } from './lab.ts';

let lab: Lab;

const inLab = (name: string): string => join(lab.folder, name);
const live = (): readonly string[] => ['--config', inLab('admin.yaml')];
const offline = (): readonly string[] => ['--offline', '--config', lab.folder];

function lines(stdout: string): readonly Record<string, unknown>[] {
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('ace-coap admin', () => {
  before(async () => {
    lab = await Lab.start();
  });
  after(() => lab.end());

  test('a client is made while the AS runs, and can be used at once; removed it is refused', async () => {
    const folder = inLab('pump7');
    const { stdout } = await aceExits(0, ['admin', 'client', 'add', 'pump7', '--new', folder, '--grant', 'rs1=r_temp', ...live()]);
    assert.match(stdout, /added client pump7/);
    for (const name of ['as.key', 'client.yaml', 'registration.yaml']) assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600);
    assert.equal(stdout.includes(readFileSync(join(folder, 'as.key'), 'utf8').trim()), false);
    await aceExits(0, ['token', '--audience', 'rs1', '--config', folder]);
    const listed = lines((await aceExits(0, ['admin', 'client', 'list', '--json', ...live()])).stdout);
    assert.deepEqual(
      listed.map(({ id, source }) => [id, source]),
      [
        ['admin', 'config'],
        ['client1', 'config'],
        ['pump7', 'store'],
      ],
    );
    const tokens = lines((await aceExits(0, ['admin', 'token', 'list', 'pump7', '--json', ...live()])).stdout);
    assert.deepEqual([tokens.length, tokens[0]!['revoked']], [1, false]);
    await aceExits(0, ['admin', 'token', 'remove', String(tokens[0]!['id']), ...live()]);
    await aceExits(0, ['admin', 'client', 'remove', 'pump7', ...live()]);
    await aceExits(1, ['token', '--audience', 'rs1', '--config', folder, '--timeout', '5']);
  });

  test('a lab in place of its admin.yaml', async () => {
    const { stdout } = await aceExits(0, ['admin', 'client', 'show', 'client1', '--json', '--config', lab.folder]);
    assert.equal((JSON.parse(stdout) as { readonly id: string }).id, 'client1');
  });

  test('admin revoke: a token by itself or by its hash; code issue is code add', async () => {
    const ask = async (): Promise<string> => {
      const { stdout } = await aceExits(0, ['token', '--audience', 'rs1', '--config', lab.folder, '--json']);
      return (JSON.parse(stdout) as { readonly access_token: string }).access_token;
    };
    const [first, second] = [await ask(), await ask()];
    assert.match((await aceExits(0, ['admin', 'revoke', first, ...live()])).stdout, /^revoked token [\w-]{44}$/m);
    const hash = tokenHashText(fromHex(second));
    assert.equal(
      (await aceExits(0, ['admin', 'revoke', hash, ...offline(), '--json'])).stdout.trim(),
      JSON.stringify({ act: 'remove', object: 'token', id: hash }),
    );
    for (const token of [first, second]) await aceExits(1, ['introspect', token, '--config', lab.folder]);
    await aceExits(1, ['admin', 'revoke', '00ff', ...live()]);
    await aceExits(0, ['admin', 'code', 'issue', 'client1', 'rs1', '--scope', 'w_led', '--out', inLab('code'), ...live()]);
    assert.equal(statSync(inLab('code')).mode & 0o777, 0o600);
  });

  test('on the store, beside the AS that runs: it holds at once', async () => {
    // The registration of rs1 says which scopes there are.
    await aceExits(2, ['admin', 'policy', 'add', 'client1', 'rs1', '--scope', 'x_new', ...offline()]);
    const file = inLab('rs2.yaml');
    writeFileSync(
      file,
      'audiences: [rs2]\ntoken_keys: [{ use: encrypt0, alg: AES-CCM-16-64-128, key_file: keys/as-rs1-token.key, kid: "01" }]\nscopes: [x_new]\nprofiles: [coap_oscore]\n',
      { mode: 0o600 },
    );
    await aceExits(0, ['admin', 'rs', 'add', 'rs2', file, ...offline()]);
    await aceExits(0, ['admin', 'policy', 'add', 'client1', 'rs2', '--scope', 'x_new', '--json', ...offline()]);
    await aceExits(0, ['token', '--audience', 'rs2', '--scope', 'x_new', '--config', lab.folder]);
    assert.match((await aceExits(0, ['admin', 'policy', 'list', ...live()])).stdout, /audience=rs2 client=client1 default=x_new scope=x_new source=store/);
    const key = inLab('next.yaml');
    writeFileSync(key, '{ use: encrypt0, alg: AES-CCM-16-64-128, key_file: keys/as-rs1-token.key, kid: "02" }\n', { mode: 0o600 });
    await aceExits(0, ['admin', 'key', 'add', 'rs2', key, ...offline()]);
    await aceExits(0, ['admin', 'key', 'remove', 'rs2', '01', ...live()]);
    assert.deepEqual(lines((await aceExits(0, ['admin', 'key', 'list', 'rs2', '--json', ...live()])).stdout), [
      { id: '02', use: 'encrypt0', alg: 'AES-CCM-16-64-128' },
    ]);
  });

  test('key rotate: the next key in one command, which takes over when the RS may have it, with tokens of both in flight', async () => {
    const file = inLab('rs3.yaml');
    const entry = 'use: encrypt0, alg: AES-CCM-16-64-128, key_file: keys/as-rs1-token.key, kid: "01", untagged: true';
    writeFileSync(file, `audiences: [rs3]\ntoken_keys: [{ ${entry} }]\nscopes: [x]\nprofiles: [coap_oscore]\ntoken_lifetime: 300\n`, { mode: 0o600 });
    await aceExits(0, ['admin', 'rs', 'add', 'rs3', file, ...live()]);
    await aceExits(0, ['admin', 'policy', 'add', 'client1', 'rs3', '--scope', 'x', ...live()]);
    const kidOf = async (): Promise<string> => {
      const { stdout } = await aceExits(0, ['token', '--audience', 'rs3', '--json', '--config', lab.folder]);
      // An array without tags, as the key wants it.
      const [protectedHeaders] = decode(fromHex(JSON.parse(stdout).access_token as string)) as unknown as readonly [Uint8Array];
      return toHex((decode(protectedHeaders) as Map<number, Uint8Array>).get(4)!);
    };
    const folder = inLab('rs3-next');
    const [rotated] = lines((await aceExits(0, ['admin', 'key', 'rotate', 'rs3', '--new', folder, '--in', '600', '--json', ...live()])).stdout);
    assert.deepEqual([rotated!['old'], Number(rotated!['until']) - Number(rotated!['from'])], ['01', 300]);
    for (const name of ['token.key', 'as-entry.yaml', 'rs-entry.yaml']) assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600);
    assert.equal(await kidOf(), '01', 'its time is not yet');
    const listed = lines((await aceExits(0, ['admin', 'key', 'list', 'rs3', '--json', ...live()])).stdout);
    assert.deepEqual(
      listed.map(({ id, from, untagged }) => [id, from, untagged]),
      [
        ['01', undefined, true],
        [rotated!['id'], rotated!['from'], true],
      ],
    );
    // The RS takes its entry as it is.
    const { key, untagged } = loadTokenKey(join(folder, 'rs-entry.yaml'));
    assert.deepEqual([key.k?.length, untagged], [16, true]);
    assert.match((await aceExits(2, ['admin', 'key', 'rotate', 'rs3', '--new', folder, ...live()])).stderr, /expected a folder that is not there yet/);
    const [soon] = lines((await aceExits(0, ['admin', 'key', 'rotate', 'rs3', '--new', inLab('soon'), '--in', '0.1', '--json', ...offline()])).stdout);
    let kid = await kidOf();
    for (let i = 0; i < 200 && kid !== soon!['id']; i++) {
      await pause(100);
      kid = await kidOf();
    }
    assert.equal(kid, soon!['id']);
    // A resource server of the configuration stays as the file has it, and no key is left lying about.
    assert.match(
      (await aceExits(1, ['admin', 'key', 'rotate', 'rs1', '--new', inLab('none'), ...live()])).stderr,
      /ERR_AS_FIXED[\s\S]*is changed there, and by SIGHUP/,
    );
    assert.equal(existsSync(inLab('none')), false);
  });

  test('who is no administrator is told so, and wrong use says what was expected', async () => {
    const { stderr } = await aceExits(1, ['admin', 'client', 'list', '--config', inLab('client.yaml')]);
    assert.match(stderr, /4\.03 \(this client is no administrator\)/);
    assert.match((await aceExits(2, ['admin', 'client', 'list'])).stderr, /expected --config .* got none of them/);
    assert.match((await aceExits(1, ['admin', 'client', 'add', 'client1', '--new', inLab('twice'), ...live()])).stderr, /ERR_AS_EXISTS/);
    assert.equal(existsSync(inLab('twice')), false, 'what was refused leaves no key behind');
    await aceExits(0, ['admin', 'client', 'add', 'y', '--new', inLab('y'), ...live()]);
    assert.match((await aceExits(2, ['admin', 'client', 'add', 'z', '--new', inLab('y'), ...live()])).stderr, /not overwritten/);
    await aceExits(0, ['admin', 'client', 'remove', 'y', ...live()]);
  });
});

test('completion: a real bash offers the commands, options and choices that there are', async () => {
  const { stdout: script } = await aceExits(0, ['completion', 'bash']);
  const offered = (...words: readonly string[]): readonly string[] => {
    const line = `${script}\nCOMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _ace_coap; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout, status, stderr } = spawnSync('bash', ['-c', line], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    return stdout.split('\n').filter((word) => word !== '');
  };
  assert.deepEqual(offered('ace-coap', 'ob'), ['observe']);
  assert.deepEqual(offered('ace-coap', 'admin', 'client', ''), ['add', 'list', 'show', 'remove', '--help']);
  assert.deepEqual(offered('ace-coap', 'admin', 'client', 'add', 'x', '--gr'), ['--grant']);
  assert.deepEqual(offered('ace-coap', 'init', '--profile', 'dtls-'), ['dtls-psk', 'dtls-rpk']);
  assert.deepEqual(offered('ace-coap', 'token', '--config', ''), [], 'files are left to the shell');
  for (const [shell, words] of [
    ['zsh', /^#compdef ace-coap ace\n.*bashcompinit/],
    ['fish', /complete -c ace-coap -f -n "__ace_coap_at ' admin client'" -a remove/],
  ] as const) {
    assert.match((await aceExits(0, ['completion', shell])).stdout, words);
  }
  assert.equal((await ace(['completion', 'tcsh'])).code, 2);
});
