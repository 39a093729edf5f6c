import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Command } from 'commander';
import { program } from '../../src/cli/program.ts';
import { root } from '../support/fixtures.ts';
import { callsIn, idleProgram } from './command-lines.ts';
import { ace, aceExits } from './lab.ts';

let cwd: string;

const mode = (path: string): number => statSync(path).mode & 0o777;

/** All of the help of a command, as it is printed. */
function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({ writeOut: (part) => (text += part) }).outputHelp();
  return text;
}

describe('ace-coap: help and wrong use', { concurrency: 3 }, () => {
  before(() => {
    cwd = mkdtempSync(join(tmpdir(), 'ace-coap-usage-'));
  });
  after(() => rmSync(cwd, { recursive: true, force: true }));

  test('init: keys and configuration for their owner alone, nothing overwritten', async () => {
    const { stdout } = await aceExits(0, ['init', 'made', '--as-port', '15783', '--rs-port', '15683'], { cwd });
    const lab = join(cwd, 'made');
    assert.deepEqual(readdirSync(lab).sort(), ['admin.yaml', 'as.yaml', 'client.yaml', 'keys', 'rs.yaml']);
    assert.deepEqual([mode(lab), mode(join(lab, 'keys'))], [0o700, 0o700]);
    const keys = readdirSync(join(lab, 'keys'));
    assert.equal(keys.length, 4);
    for (const file of ['as.yaml', 'rs.yaml', 'client.yaml', 'admin.yaml', ...keys.map((key) => join('keys', key))]) {
      assert.equal(mode(join(lab, file)), 0o600, file);
      assert.ok(stdout.includes(join('made', file)), `${file} is named`);
    }
    const secrets = keys.map((key) => readFileSync(join(lab, 'keys', key), 'utf8').trim());
    assert.equal(new Set(secrets).size, secrets.length);
    for (const secret of secrets) assert.match(secret, /^[0-9a-f]{32}$/);
    assert.match(stdout, /ace-coap get coap:\/\/127\.0\.0\.1:15683\/temperature --config made/);
    assert.match(readFileSync(join(lab, 'as.yaml'), 'utf8'), /^listen: 127\.0\.0\.1:15783$/m);

    const again = await aceExits(2, ['init', 'made'], { cwd });
    assert.match(again.stderr, /made: expected a folder without a lab, got one with as\.yaml in it/);
    assert.equal(again.stdout, '');
    assert.deepEqual(
      keys.map((key) => readFileSync(join(lab, 'keys', key), 'utf8').trim()),
      secrets,
    );
  });

  test('init: one port for two servers, or no port, is wrong use', async () => {
    assert.match((await aceExits(2, ['init', 'none', '--as-port', '5000', '--rs-port', '5000'], { cwd })).stderr, /expected two ports, got 5000 twice/);
    assert.match((await aceExits(2, ['init', 'none', '--as-port', '65536'], { cwd })).stderr, /expected a port from 1 to 65535/);
    assert.equal(readdirSync(cwd).includes('none'), false);
  });

  test('each command alone is what it is among all of them', () => {
    const whole = program('0');
    assert.ok(whole.commands.length > 20);
    for (const command of whole.commands) {
      const name = command.name();
      const alone = program('0', { word: name });
      assert.equal(alone.commands.length < whole.commands.length, name !== 'completion', name);
      assert.equal(helpOf(alone.commands.find((one) => one.name() === name)!), helpOf(command));
    }
  });

  test('help: every command has an example, which its own options take, and the whole says what the exit codes mean', async () => {
    const { ace, leaves, parse } = idleProgram();
    const whole = helpOf(ace);
    assert.match(whole, /Exit codes: 0 success, 1 the peer said no, 2 wrong use, 3 no answer/);
    assert.doesNotMatch(whole, /^Other:/m, 'each command stands under a heading of src/cli/help.ts');
    for (const command of ace.commands) assert.match(whole, new RegExp(`^  ${command.name()} `, 'm'));
    assert.ok(leaves.length >= 60);
    for (const { path, command } of leaves) {
      const lines = [...helpOf(command).matchAll(/^ {2}\$ (.*)$/gm)].map(([, line]) => line!);
      const parsed = lines.flatMap(callsIn).map((args) => parse(args));
      assert.ok(parsed.includes(path), `${path}: no example`);
      assert.ok(!parsed.includes(undefined), `${path}: an example that does nothing`);
    }
    // What the process prints is the same.
    assert.match((await aceExits(0, ['get', '--help'])).stdout, /Example:\n {2}\$ ace-coap get coap:\/\//);
    assert.match((await aceExits(0, ['help', 'decode'])).stdout, /Examples:\n {2}\$ ace-coap decode/);
  });

  test('help: every command, argument and option says what it is', () => {
    const commands = (command: Command): readonly Command[] => [command, ...command.commands.flatMap(commands)];
    const silent = commands(idleProgram().ace).flatMap((command) => [
      ...(command.description() === '' ? [command.name()] : []),
      ...command.registeredArguments.filter(({ description }) => description === '').map((argument) => `${command.name()} ${argument.name()}`),
      ...command.options.filter(({ description }) => description === '').map(({ flags }) => `${command.name()} ${flags}`),
    ]);
    assert.deepEqual(silent, []);
  });

  test('help: its prose is as wide as its options', async () => {
    for (const words of [[], ['get'], ['conformance'], ['admin']]) {
      const { stdout } = await aceExits(0, [...words, '--help']);
      const long = stdout.split('\n').filter((line) => /^\S/.test(line) && line.length > 80);
      assert.deepEqual(long, [], `ace-coap ${words.join(' ')}`);
    }
  });

  test('version: that of the package', async () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    assert.equal((await aceExits(0, ['--version'])).stdout, `${version}\n`);
  });

  for (const [what, args, says] of [
    ['no command', [], /Usage: ace-coap/],
    ['an unknown command', ['gte', 'coap://h/'], /unknown command 'gte'[\s\S]*Did you mean get\?/],
    ['an unknown option', ['get', 'coap://h/', '--frob'], /unknown option '--frob'/],
    ['a missing argument', ['get'], /missing required argument 'uri'/],
    ['a missing option', ['token', '--config', 'x'], /--audience/],
    ['an argument too many', ['get', 'coap://h/', 'coap://h/'], /too many arguments/],
    [
      'a time beyond what a date can say',
      ['admin', 'key', 'rotate', 'rs1', '--new', 'next', '--in', '1e300'],
      /expected a number of seconds above 0 and at most 4294967295/,
    ],
    [
      'a time that is one in words alone',
      ['admin', 'key', 'rotate', 'rs1', '--new', 'next', '--in', 'Infinity'],
      /expected a number of seconds above 0 and at most/,
    ],
    ['a timeout that is none', ['get', 'coap://h/', '--timeout', '0'], /expected a number of seconds above 0/],
    ['a count that is none', ['observe', 'coap://h/', '--count', '1.5'], /expected a whole number above 0/],
    ['a scheme of something else', ['get', 'http://127.0.0.1/'], /expected one of the schemes coap, .*, got "http:/],
    ['coaps without a proof', ['get', 'coaps://127.0.0.1/'], /coaps: expected --psk-identity and --psk, --peer-key .*, got none/],
    ['no URI', ['get', 'temperature'], /expected an absolute URI such as coap:\/\/host\/path, got "temperature"/],
    ['a fragment', ['put', 'coap://127.0.0.1/a#b'], /expected a URI without a fragment/],
    ['a port that is none', ['ping', 'coap://127.0.0.1:0'], /expected a port of 1 to 65535/],
    [
      'an unknown Content-Format',
      ['put', 'coap://127.0.0.1/', '-d', 'x', '--content-format', 'text/plane'],
      /--content-format: expected a number .* got "text\/plane"/,
    ],
    ['an unknown Accept', ['get', 'coap://127.0.0.1/', '--accept', '65536'], /--accept: expected a number from 0 to 65535/],
    ['two payloads', ['put', 'coap://127.0.0.1/', '-d', 'x', '--payload-file', 'y'], /expected one of --data, --payload-file and --cbor, got more/],
    ['a payload file that is not there', ['put', 'coap://127.0.0.1/', '--payload-file', 'no-such-file'], /no-such-file: cannot be read \(ENOENT\)/],
    ['a scope without a configuration', ['get', 'coap://127.0.0.1/', '--scope', 'x'], /expected --config with them, got none/],
    ['a path where discovery takes none', ['discover', 'coap://127.0.0.1/a'], /expected coap:\/\/host\[:port\]\[\?filter\], got the path "\/a"/],
    ['a lab that is not there', ['get', 'coap://127.0.0.1/', '--config', 'no-lab'], /^error: no-lab: no such folder; make one with: ace-coap init no-lab/],
    ['a server without its lab', ['as', 'no-lab'], /no-lab: no such folder; make one with: ace-coap init no-lab/],
    ['a server whose lab is an option, as elsewhere', ['rs', '--config', 'no-lab'], /no-lab: no such folder; make one with: ace-coap init no-lab/],
    ['a server of no lab', ['as'], /expected a lab folder or as\.yaml, got none/],
    ['a server of two labs', ['as', 'lab', '--config', 'lab'], /expected a lab folder or as\.yaml, got two/],
    ['a file that is not there', ['rs', 'no-lab/rs.yaml'], /no-lab\/rs\.yaml: no such file/],
    ['a URI behind --only, which is no pattern', ['conformance', '--only', 'coap-msg-01', 'coap://h/a'], /expected a URI without a path, got coap:\/\/h\/a/],
    ['a log level that is none', ['rs', '.', '--log-level', 'loud'], /Allowed choices are debug, info, warn, error, silent/],
  ] as const) {
    test(`exit code 2: ${what}`, async () => {
      const { stdout, stderr } = await aceExits(2, args, { cwd, process: false });
      assert.match(stderr, says);
      assert.equal(stdout, '');
      assert.doesNotMatch(stderr, /\n\s+at /, 'no stack');
    });
  }

  test('exit code 2: a broken configuration, with file, path, what was expected and what stands there', async () => {
    await aceExits(0, ['init', 'broken'], { cwd });
    const lab = join(cwd, 'broken');
    const change = (file: string, from: RegExp, to: string): void => {
      const text = readFileSync(join(lab, file), 'utf8');
      assert.match(text, from);
      writeFileSync(join(lab, file), text.replace(from, to));
    };
    change('as.yaml', /^token_lifetime: .*$/m, 'token_lifetime: soon');
    change('rs.yaml', /^resources:$/m, 'resuorces:');
    change('client.yaml', /^authorization_servers:$/m, 'authorization_servers: [');
    const [as, rs, client] = await Promise.all([
      aceExits(2, ['as', 'broken'], { cwd, process: false }),
      aceExits(2, ['rs', 'broken'], { cwd, process: false }),
      aceExits(2, ['get', 'coap://127.0.0.1/', '--config', 'broken'], { cwd }),
    ]);
    assert.match(as.stderr, /broken\/as\.yaml:\d+:\d+: token_lifetime: expected a whole number of seconds .*, got "soon"/);
    assert.match(rs.stderr, /broken\/rs\.yaml:\d+:\d+: resuorces: unknown key; did you mean "resources"\?/);
    assert.match(client.stderr, /broken\/client\.yaml:\d+:\d+: expected YAML/);
  });

  test('exit code 2: a key that others may read, and a lab folder without a file', async () => {
    await aceExits(0, ['init', 'open'], { cwd });
    chmodSync(join(cwd, 'open', 'keys', 'client1-as.key'), 0o644);
    assert.match(
      (await aceExits(2, ['token', '--audience', 'rs1', '--config', 'open'], { cwd })).stderr,
      /client1-as\.key: expected a key file that its owner alone may use, got mode 0644; run: chmod 600/,
    );
    mkdirSync(join(cwd, 'empty'));
    assert.match((await aceExits(2, ['as', 'empty'], { cwd, process: false })).stderr, /empty\/as\.yaml: expected a configuration file, got nothing there/);
  });

  test('output: no colours where no terminal is', async () => {
    for (const { stdout, stderr } of await Promise.all([ace(['--help']), ace(['get', 'nonsense']), ace(['decode', 'a10104'])])) {
      assert.equal(`${stdout}${stderr}`.includes('\x1b'), false);
    }
  });
});
