import assert from 'node:assert/strict';
import { appendFileSync, copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { type ArchivedAudit, AuditLog, anchorsIn, archiveAudit, readAudit, verifyAudit, type WritingProcess } from '../../../src/operate/index.ts';
import { thisWriter } from '../../../src/operate/process.ts';
import { memoryStore, type Store } from '../../../src/store/index.ts';
import { Clock } from '../../ace/clock.ts';

const parent = mkdtempSync(join(tmpdir(), 'ace-coap-archive-'));
after(() => rmSync(parent, { recursive: true, force: true }));

const day = 86_400_000;
const here = thisWriter();

const chainOf = (name: string): string => name.split('.')[0]!;
const indexOf = (name: string): number => Number(/\.(\d+)\.jsonl$/.exec(name)?.[1] ?? 0);

/** An audit log of a server that has one entry a day, in a file of its own for each. */
class Server {
  readonly folder = mkdtempSync(join(parent, 'audit-'));
  readonly archive = join(this.folder, 'archive');
  readonly clock = new Clock();
  readonly store: Store = memoryStore();
  log: AuditLog | undefined;

  async run(days: number): Promise<void> {
    this.log ??= await this.begin();
    for (let i = 0; i < days; i++) {
      await this.clock.advance(day / 1000);
      await this.log.append({ type: 'token-issued' });
    }
  }

  begin(writer?: WritingProcess): Promise<AuditLog> {
    return AuditLog.open({
      ...(writer === undefined ? {} : { writer }),
      folder: this.folder,
      version: '1.2.3',
      env: this.clock,
      store: this.store,
      anchorInterval: day,
    });
  }

  /** Archive what is older than so many days. */
  archived(days: number): Promise<ArchivedAudit> {
    const before = new Date(this.clock.epoch() * 1000 - days * day).toISOString();
    return archiveAudit({ folder: this.folder, archive: this.archive, before, store: this.store, version: '1.2.3', env: this.clock });
  }

  async problems(...folders: string[]): Promise<readonly string[]> {
    const { problems } = await verifyAudit(folders.length === 0 ? this.folder : folders, await anchorsIn(this.store));
    return problems.map(({ kind, detail }) => `${kind}: ${detail}`);
  }

  names(): string[] {
    return readdirSync(this.folder)
      .filter((name) => name.endsWith('.jsonl'))
      .sort((a, b) => (chainOf(a) === chainOf(b) ? indexOf(a) - indexOf(b) : chainOf(a) < chainOf(b) ? -1 : 1));
  }
}

describe('archive of an audit log', () => {
  it('a file is followed by the next after a day', async () => {
    const server = new Server();
    await server.run(3);
    assert.equal(server.names().length, 4);
    await server.log!.close();
    assert.deepEqual(await server.problems(), []);
  });

  it('what is old leaves while the server goes on, and folder and archive verify alone and together', async () => {
    const server = new Server();
    await server.run(5);
    const { chain } = server.log!;
    const before = server.names();
    const { files, notes } = await server.archived(2.5);
    assert.deepEqual(
      files.map(({ file }) => file),
      before.slice(0, 3),
    );
    assert.deepEqual(notes, []);
    assert.deepEqual(readdirSync(server.archive).sort(), before.slice(0, 3).sort());
    assert.equal(statSync(server.archive).mode & 0o777, 0o700);
    assert.equal(statSync(join(server.archive, before[0]!)).mode & 0o777, 0o600);

    await server.run(1);
    await server.log!.close();
    assert.deepEqual(await server.problems(), []);
    assert.deepEqual(await server.problems(server.folder, server.archive), []);
    const { chains, notes: said } = await verifyAudit([server.folder, server.archive], await anchorsIn(server.store));
    assert.equal(chains.find((one) => one.chain === chain)!.ended, true);
    assert.deepEqual(said, []);
    const alone = await verifyAudit(server.folder, await anchorsIn(server.store));
    assert.deepEqual(alone.notes, [`the chain ${chain} was archived up to entry ${files.at(-1)!.seq}`]);

    const types = new Map<string, number>();
    for await (const { event } of readAudit(server.archive, server.folder)) types.set(event.type, (types.get(event.type) ?? 0) + 1);
    assert.equal(types.get('token-issued'), 6);
    assert.equal(types.get('audit-archived'), 3);
  });

  it('chains that have ended leave whole, one that did not keeps its last file', async () => {
    const server = new Server();
    await server.run(2);
    await server.log!.close();
    const ended = server.names();
    server.log = await server.begin();
    await server.run(2);
    const killed = server.log;
    server.log = await server.begin();
    await server.run(40);
    const { files, notes } = await server.archived(20);
    assert.deepEqual(
      files.slice(0, ended.length).map(({ file }) => file),
      ended,
    );
    const left = server.names().filter((name) => name.startsWith(killed.chain));
    assert.equal(left.length, 1);
    assert.deepEqual(notes, [
      `${join(server.folder, left[0]!)} stays: the process that wrote it still runs, or did not end in order and nobody can tell here that it is gone`,
    ]);
    assert.deepEqual(await server.problems(), []);
    await Promise.all([server.log.close(), killed.close()]);
    assert.deepEqual(await server.problems(server.archive, server.folder), []);
  });

  it('the last file of a process that was killed goes when it is gone for sure; folder and archive verify, and what is cut off there is missed', async () => {
    const server = new Server();
    const writer = (begun: string, changes: Partial<WritingProcess> = {}): WritingProcess => ({ ...here, begun, ...changes });
    // All of these have the number of this process, which lives.
    const killed = {
      gone: writer('1'),
      'before the machine was started anew': writer(here.begun, { boot: 'another' }),
      lives: here,
      'another machine': writer('1', { boot: 'another', machine: 'another' }),
      'another container': writer('1', { space: 'pid:[1]' }),
    };
    const chains = new Map<string, string>();
    const logs: AuditLog[] = [];
    for (const [name, one] of Object.entries(killed)) {
      server.log = await server.begin(one);
      await server.run(2);
      await server.clock.advance(1);
      chains.set(server.log.chain, name);
      logs.push(server.log);
    }
    server.log = await server.begin();
    await server.run(40);
    const { notes } = await server.archived(20);
    const left = new Set(server.names().map((name) => chains.get(chainOf(name))));
    left.delete(undefined);
    const sure = here.machine === '' ? [] : ['before the machine was started anew'];
    assert.deepEqual(
      [...left].sort(),
      ['another container', 'another machine', 'before the machine was started anew', 'lives'].filter((name) => !sure.includes(name)),
    );
    assert.equal(notes.length, left.size);
    assert.deepEqual(await server.problems(), []);
    assert.deepEqual(await server.problems(server.archive, server.folder), []);
    const [chain] = [...chains].find(([, name]) => name === 'gone')!;
    const file = join(
      server.archive,
      readdirSync(server.archive)
        .filter((name) => chainOf(name) === chain)
        .sort((a, b) => indexOf(a) - indexOf(b))
        .at(-1)!,
    );
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.slice(0, text.lastIndexOf('\n', text.length - 2) + 1));
    assert.match((await server.problems(server.archive, server.folder)).join(), /truncated/);
    writeFileSync(file, text);
    await Promise.all([server.log.close(), ...logs.map((log) => log.close().catch(() => {}))]);
  });

  it('without the store, or with more gone than it knows of, what is missing is told', async () => {
    const server = new Server();
    await server.run(5);
    await server.archived(2.5);
    assert.equal((await verifyAudit(server.folder)).problems[0]?.kind, 'removed');
    rmSync(join(server.folder, server.names()[0]!));
    assert.match((await server.problems())[0]!, /^removed: expected 2 entries from/);
    await server.log!.close();
  });

  it('a beginning that was made anew does not go on from what was archived', async () => {
    const server = new Server();
    await server.run(5);
    const { files } = await server.archived(2.5);
    const first = join(server.folder, server.names()[0]!);
    const { seq, hash } = files.at(-1)!;
    const [line, ...rest] = readFileSync(first, 'utf8').split('\n');
    const entry = JSON.parse(line!) as { seq: number; prev: string };
    assert.deepEqual([entry.seq, entry.prev], [seq + 1, hash]);
    writeFileSync(first, [line!.replace(hash, `${hash.slice(0, -1)}${hash.endsWith('A') ? 'B' : 'A'}`), ...rest].join('\n'));
    assert.ok((await server.problems()).some((problem) => problem.includes('expected prev to be the hash of the entry before')));
    await server.log!.close();
  });

  it('whoever was interrupted begins again: a copy that is there is taken, a file that is not that copy is refused', async () => {
    const server = new Server();
    await server.run(5);
    const [one, two] = server.names() as [string, string];
    const { files } = await server.archived(3.5);
    assert.equal(files.length, 2);
    // The store knows, and the files were not removed yet.
    copyFileSync(join(server.archive, two), join(server.folder, two));
    assert.deepEqual(await server.problems(), []);
    copyFileSync(join(server.archive, one), join(server.folder, one));
    assert.deepEqual(await server.problems(server.archive, server.folder), []);
    assert.deepEqual(
      (await server.archived(3.5)).files.map(({ file }) => file),
      [one, two],
    );
    assert.ok(!existsSync(join(server.folder, one)));

    const [next] = server.names() as [string];
    writeFileSync(join(server.archive, next), 'something else');
    await assert.rejects(server.archived(2.5), { code: 'ERR_AUDIT_ARCHIVE', message: /to be a copy of/ });
    assert.ok(existsSync(join(server.folder, next)));
    await server.log!.close();
  });

  it('an audit log that was changed stays where it is', async () => {
    const server = new Server();
    await server.run(5);
    appendFileSync(join(server.folder, server.names()[1]!), '{}\n');
    await assert.rejects(server.archived(2.5), { code: 'ERR_AUDIT_CHANGED' });
    assert.ok(!existsSync(server.archive));
    await server.log!.close();
  });

  it('nothing is old enough: nothing is moved, and no chain is begun', async () => {
    const server = new Server();
    await server.run(2);
    const before = server.names();
    assert.deepEqual(await server.archived(10), { files: [], notes: [] });
    assert.deepEqual(server.names(), before);
    await assert.rejects(archiveAudit({ folder: server.folder, archive: `${server.folder}/`, before: 'x', store: server.store, version: '1' }), {
      code: 'ERR_AUDIT_ARCHIVE',
    });
    await server.log!.close();
  });
});
