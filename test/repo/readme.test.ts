import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { systemEnv } from '../../src/core/env.ts';
import { type IssuedCertificate, LabAuthority } from '../../src/pki/index.ts';
import { fetchHttps, request } from '../../src/transport/index.ts';
import { callsIn, idleProgram } from '../cli/command-lines.ts';
import { shellBlocks } from '../readme/shell.ts';
import { fixture, root } from '../support/fixtures.ts';
import { freePort } from '../support/ports.ts';
import { readBlock, writeBlock } from '../support/readme-block.ts';

const readme = (): string => readFileSync(join(root, 'README.md'), 'utf8');

/** The examples of README.md, by the word behind ```ts. */
function examples(): ReadonlyMap<string, string> {
  return new Map([...readme().matchAll(/^```ts (\w+)\n([\s\S]*?)^```$/gm)].map((match) => [match[1]!, match[2]!]));
}

let folder: string;
const running: ChildProcess[] = [];

before(() => {
  // Below the package, so that 'ace-coap' is found as a user's program finds it.
  mkdirSync(join(root, 'dist', 'readme'), { recursive: true });
  folder = mkdtempSync(join(root, 'dist', 'readme', 'run-'));
});
after(() => {
  for (const child of running) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** Write an example as a module; it says `ready` on standard output when it has run to its end. */
function start(name: string, source: string): Promise<string> {
  const file = join(folder, `${name}.mjs`);
  writeFileSync(file, `${source}\nconsole.log('ready');\n`);
  const child = spawn(process.execPath, [file], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  running.push(child);
  return new Promise((resolve, reject) => {
    let output = '';
    let errors = '';
    child.stdout.on('data', (data: Buffer) => {
      output += data.toString();
      if (/^ready$/m.test(output)) resolve(output);
    });
    child.stderr.on('data', (data: Buffer) => {
      errors += data.toString();
    });
    child.on('exit', (code) => reject(new Error(`${name} ended with ${code}: ${output}${errors}`)));
  });
}

test('README: the example of each role runs and the client reads the resource', async () => {
  const found = examples();
  assert.deepEqual([...found.keys()], ['as', 'rs', 'client', 'adapter', 'dtls', 'plain', 'seal', 'express']);
  const ports: Readonly<Record<string, number>> = {
    5783: await freePort(),
    5683: await freePort(),
    5684: await freePort(),
    5693: await freePort(),
    5703: await freePort(),
    5704: await freePort(),
    5713: await freePort(),
    8443: await freePort(),
  };
  // In one pass: a free port may hold the digits of another one.
  const placed = (name: string): string => found.get(name)!.replace(/\b\d{4}\b/g, (digits) => String(ports[digits] ?? digits));
  await start('as', placed('as'));
  await start('rs', placed('rs'));
  assert.equal(await start('client', placed('client')), '2.05 21.5\nready\n');
  assert.equal(await start('plain', placed('plain')), '2.05 on\nready\n');
  await start('dtls', placed('dtls').replace('./state/rs', './state/dtls'));
  assert.equal((await request(`coap://127.0.0.1:${ports[5703]}/temperature`)).codeText, '4.01');
  // The adapter's store would be that of the resource server before.
  await start('adapter', placed('adapter').replace('./state/rs', './state/adapter'));
  assert.equal((await request(`coap://127.0.0.1:${ports[5684]}/hello`)).text(), 'Hello World!');
  await start('seal', placed('seal'));
  assert.equal((await request(`coap://127.0.0.1:${ports[5713]}/positions/ue1`)).codeText, '4.01');
  const { ca, client } = await writeLabCertificates(join(folder, 'lab', 'tls'));
  await start('express', placed('express'));
  const me = await fetchHttps(`https://127.0.0.1:${ports[8443]}/me`, { ca, ...client });
  assert.deepEqual([me.status, me.headers['www-authenticate']], [401, 'Bearer realm="seal"']);
});

/** Those that an example takes of a lab. */
async function writeLabCertificates(tls: string): Promise<{ readonly ca: string; readonly client: IssuedCertificate }> {
  const authority = await LabAuthority.make('lab', systemEnv);
  const { cert, key } = await authority.issue({ commonName: 'seal1', names: [{ type: 'ip', value: '127.0.0.1' }], usage: ['server'] });
  mkdirSync(tls, { recursive: true });
  for (const [name, content] of Object.entries({ 'ca.pem': authority.cert, 'seal1.pem': cert, 'seal1.key': key })) writeFileSync(join(tls, name), content);
  const client = await authority.issue({ commonName: 'val1', names: [{ type: 'dns', value: 'val1.val.example' }], usage: ['client'] });
  return { ca: authority.cert, client };
}

test('README: the example of each role is about ten lines', () => {
  for (const [name, source] of examples()) {
    const statements = source.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('import '));
    assert.ok(statements.length <= 13, `${name}: ${statements.length} lines`);
  }
});

test('README: every npm script that it names exists, and every line with ace-coap is one that the command line takes', () => {
  const { scripts } = createRequire(import.meta.url)(join(root, 'package.json')) as { scripts: Record<string, string> };
  for (const [, script] of readme().matchAll(/npm run (?:-s )?([a-z-]+)/g)) assert.ok(script! in scripts, `npm run ${script}`);
  const { parse } = idleProgram();
  const blocks = [...readme().matchAll(/^```sh.*\n([\s\S]*?)^```$/gm)].map(([, block]) => block!);
  for (const line of blocks.flatMap((block) => block.split('\n'))) for (const args of callsIn(line)) assert.notEqual(parse(args), undefined, line);
});

/** What the checker found at others, as README.md shows it. */
function findingsTable(): string {
  const findings =
    fixture<readonly Readonly<Record<'peer' | 'version' | 'case' | 'level' | 'standard' | 'section' | 'seen', string>>[]>('conformance-findings.json');
  const rows = findings.map((one) => `| ${one.peer} ${one.version} | ${one.standard}, ${one.section} | ${one.level} | \`${one.case}\` | ${one.seen} |`);
  return ['| peer | section | level | case | what was seen |', '|---|---|---|---|---|', ...rows].join('\n');
}

test('README: the findings of the checker are those of the fixture (ACE_UPDATE_SNAPSHOT=1 npm test -- repo/readme writes them)', () => {
  const table = findingsTable();
  if (process.env['ACE_UPDATE_SNAPSHOT'] === '1') writeFileSync(join(root, 'README.md'), writeBlock(readme(), 'conformance-findings', table));
  assert.equal(readBlock(readme(), 'conformance-findings'), table);
});

test('README: it names every dependency', () => {
  const { dependencies, devDependencies } = createRequire(import.meta.url)(join(root, 'package.json')) as Record<string, Record<string, string>>;
  const named = readme().slice(readme().indexOf('## Dependencies'));
  for (const name of Object.keys({ ...dependencies, ...devDependencies })) assert.ok(name.startsWith('@types/') || named.includes(`\`${name}\``), name);
});

test('README: a script of test/readme runs each block of shell that has a name', () => {
  const folder = join(root, 'test', 'readme');
  const scripts = readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8'));
  for (const name of shellBlocks().keys()) assert.ok(scripts.join('').includes(`'${name}'`), name);
});

test('README: each link leads to a heading or to a file', () => {
  const anchors = new Set(
    [...readme().matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
      heading!
        .toLowerCase()
        .replace(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    ),
  );
  for (const [, anchor] of readme().matchAll(/\]\(#([\w-]+)\)/g)) assert.ok(anchors.has(anchor!), anchor);
  for (const [, file] of readme().matchAll(/\]\(([\w/.-]+)\)/g)) assert.ok(existsSync(join(root, file!)), file);
});
