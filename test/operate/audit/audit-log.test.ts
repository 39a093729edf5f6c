import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type AuditFileHandle, AuditLog, type AuditLogOptions, anchorsIn, readAudit, verifyAudit } from '../../../src/operate/index.ts';
import { thisWriter } from '../../../src/operate/process.ts';
import { memoryStore } from '../../../src/store/index.ts';
import { Clock } from '../../ace/clock.ts';

const parent = mkdtempSync(join(tmpdir(), 'ace-coap-audit-'));
after(() => rmSync(parent, { recursive: true, force: true }));

let folders = 0;
function freshFolder(): string {
  return join(parent, `audit${folders++}`);
}

function start(folder: string, options: Partial<AuditLogOptions> = {}): Promise<AuditLog> {
  return AuditLog.open({ folder, version: '1.2.3', env: new Clock(), ...options });
}

async function filled(folder: string, entries: number, options: Partial<AuditLogOptions> = {}): Promise<AuditLog> {
  const log = await start(folder, options);
  for (let i = 0; i < entries; i++) await log.append({ type: 'token-issued', client: `c${i}` } as { type: string });
  return log;
}

function files(folder: string): string[] {
  return readdirSync(folder)
    .sort()
    .map((name) => join(folder, name));
}

function lines(file: string): string[] {
  return readFileSync(file, 'utf8').split('\n').slice(0, -1);
}

function rewrite(file: string, change: (lines: string[]) => string[]): void {
  writeFileSync(
    file,
    change(lines(file))
      .map((line) => `${line}\n`)
      .join(''),
  );
}

async function problems(folder: string, anchors?: Parameters<typeof verifyAudit>[1]): Promise<string[]> {
  return (await verifyAudit(folder, anchors)).problems.map(({ kind, line }) => `${kind} ${line}`);
}

describe('audit log', () => {
  it('is a chain: each entry has the hash of the one before, the first names process and version', async () => {
    const folder = freshFolder();
    await (await filled(folder, 2)).close();
    const [file] = files(folder);
    assert.match(file!, /\/20231114T221320\d{3}Z-[0-9a-f]{16}\.jsonl$/);
    assert.equal(statSync(file!).mode & 0o777, 0o600);
    assert.equal(statSync(folder).mode & 0o777, 0o700);
    const entries = lines(file!).map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(
      entries.map(({ seq }) => seq),
      [0, 1, 2, 3],
    );
    assert.deepEqual(
      entries.slice(1).map(({ prev }) => prev),
      entries.slice(0, -1).map(({ hash }) => hash),
    );
    const { chain, host, ...first } = entries[0]!['event'] as Record<string, unknown>;
    assert.deepEqual(first, { type: 'chain-started', version: '1.2.3', pid: process.pid });
    assert.ok(typeof host === 'string' && file!.includes(String(chain)));
    assert.deepEqual(entries[1]!['event'], { type: 'token-issued', client: 'c0' });
    const report = await verifyAudit(folder);
    assert.deepEqual(report.problems, []);
    assert.deepEqual(report.chains, [{ chain, files: 1, entries: 4, ended: true }]);
  });

  it('bytes come out as their number', async () => {
    const folder = freshFolder();
    const log = await start(folder);
    await log.append({ type: 'x', key: new Uint8Array(16).fill(0x41) } as { type: string });
    await log.close();
    assert.match(readFileSync(files(folder)[0]!, 'utf8'), /"key":"<16 bytes>"/);
  });

  it('entries that come while others are being synchronized share the next synchronization', async () => {
    let writes = 0;
    const log = await start(freshFolder(), { create: (path) => counting(path, () => writes++) });
    writes = 0;
    const first = log.append({ type: 'first' });
    await Promise.resolve();
    await Promise.resolve();
    const others = Array.from({ length: 50 }, (_, i) => log.append({ type: `other${i}` }));
    await Promise.all([first, ...others]);
    assert.ok(writes <= 2, `${writes}`);
    assert.equal(log.head.seq, 51);
    await log.close();
  });

  it('begins another file when one has grown, and the chain goes on', async () => {
    const folder = freshFolder();
    await (await filled(folder, 10, { fileSize: 700 })).close();
    assert.ok(files(folder).length > 2);
    const report = await verifyAudit(folder);
    assert.deepEqual(report.problems, []);
    assert.equal(report.chains.length, 1);
    const clients: unknown[] = [];
    for await (const { event } of readAudit(folder)) if (event.type === 'token-issued') clients.push(event['client']);
    assert.deepEqual(
      clients,
      Array.from({ length: 10 }, (_, i) => `c${i}`),
    );
  });

  it('a full disk: the entry is refused, what it left is cut off, and the next one goes on', async () => {
    const folder = freshFolder();
    let full = false;
    const log = await filled(folder, 1, { create: (path) => failing(path, () => full, 'write') });
    full = true;
    await assert.rejects(log.append({ type: 'lost' }), { code: 'ERR_AUDIT_WRITE', message: /ENOSPC/ });
    full = false;
    await log.append({ type: 'kept' });
    await log.close();
    assert.deepEqual(await problems(folder), []);
    assert.equal(files(folder).length, 1);
    assert.doesNotMatch(readFileSync(files(folder)[0]!, 'utf8'), /lost/);
  });

  it('a failed synchronization: the entry is refused, and the chain goes on in another file', async () => {
    const folder = freshFolder();
    let broken = false;
    const log = await filled(folder, 1, { create: (path) => failing(path, () => broken, 'datasync') });
    broken = true;
    await assert.rejects(log.append({ type: 'lost' }), { code: 'ERR_AUDIT_WRITE' });
    broken = false;
    await log.append({ type: 'kept' });
    await log.close();
    assert.deepEqual(await problems(folder), []);
    assert.equal(files(folder).length, 2);
  });

  it('files that may not grow (ulimit -f): what was taken is whole, the rest is refused, and the process lives', () => {
    const folder = freshFolder();
    const script = fileURLToPath(new URL('full-disk.js', import.meta.url));
    const output = execFileSync('sh', ['-c', 'ulimit -f 16; exec "$0" "$@"', process.execPath, script, folder], { encoding: 'utf8' });
    const { written, codes } = JSON.parse(output) as { written: number; codes: string[] };
    assert.deepEqual(codes, ['ERR_AUDIT_WRITE']);
    assert.ok(written > 10 && written < 100, `${written}`);
    assert.equal(lines(files(folder)[0]!).length, written + 1);
  });

  it('a folder that cannot be had stops the start', async () => {
    const file = join(parent, 'file');
    writeFileSync(file, '');
    await assert.rejects(start(file), { code: 'ERR_AUDIT_OPEN' });
    // Where there is no /proc, nobody but root may make it.
    if (existsSync('/proc/self')) await assert.rejects(start('/proc/ace-coap/audit'), { code: 'ERR_AUDIT_OPEN' });
  });

  it('after close an entry is refused', async () => {
    const log = await start(freshFolder());
    await log.close();
    await assert.rejects(log.append({ type: 'late' }), { code: 'ERR_AUDIT_CLOSED' });
  });
});

describe('audit verify', () => {
  it('a changed line', async () => {
    const folder = freshFolder();
    await (await filled(folder, 5)).close();
    rewrite(files(folder)[0]!, (all) => all.map((line) => line.replace('"c2"', '"c9"')));
    assert.deepEqual(await problems(folder), ['changed 4']);
  });

  it('a changed line whose hash was made to fit', async () => {
    const folder = freshFolder();
    await (await filled(folder, 5)).close();
    const other = freshFolder();
    await (await filled(other, 5, { env: new Clock(1_700_000_100) })).close();
    const foreign = lines(files(other)[0]!)[3]!;
    rewrite(files(folder)[0]!, (all) => all.with(3, foreign));
    assert.deepEqual(await problems(folder), ['changed 4', 'changed 5']);
  });

  it('a line that is none', async () => {
    const folder = freshFolder();
    await (await filled(folder, 5)).close();
    rewrite(files(folder)[0]!, (all) => all.with(2, 'x'));
    assert.deepEqual(await problems(folder), ['changed 3']);
  });

  it('white space in a line, which its hash does not see', async () => {
    const folder = freshFolder();
    await (await filled(folder, 2)).close();
    rewrite(files(folder)[0]!, (all) => all.with(1, all[1]!.replace('{"event":', '{ "event":')));
    assert.deepEqual(await problems(folder), ['changed 2']);
  });

  it('removed lines', async () => {
    const folder = freshFolder();
    await (await filled(folder, 6)).close();
    rewrite(files(folder)[0]!, (all) => all.toSpliced(2, 2));
    const { problems: found } = await verifyAudit(folder);
    assert.deepEqual(
      found.map(({ kind, line, detail }) => [kind, line, detail]),
      [['removed', 3, 'expected 2 entries from 2 to 3 before this line, got none']],
    );
  });

  it('the first line removed', async () => {
    const folder = freshFolder();
    await (await filled(folder, 2)).close();
    rewrite(files(folder)[0]!, (all) => all.slice(1));
    assert.deepEqual(await problems(folder), ['removed 1']);
  });

  it('lines in another order', async () => {
    const folder = freshFolder();
    await (await filled(folder, 6)).close();
    rewrite(files(folder)[0]!, (all) => all.with(2, all[3]!).with(3, all[2]!));
    assert.deepEqual(await problems(folder), ['reordered 4']);
  });

  it('a line twice', async () => {
    const folder = freshFolder();
    await (await filled(folder, 3)).close();
    rewrite(files(folder)[0]!, (all) => all.toSpliced(3, 0, all[2]!));
    assert.deepEqual(await problems(folder), ['reordered 4']);
  });

  it('a tail that was cut off: the anchor in the store tells', async () => {
    const folder = freshFolder();
    const store = memoryStore();
    await (await filled(folder, 6, { store })).close();
    rewrite(files(folder)[0]!, (all) => all.slice(0, -3));
    assert.deepEqual(await problems(folder), []);
    assert.deepEqual(await problems(folder, await anchorsIn(store)), ['truncated 5']);
  });

  it('a tail that was cut off: the next chain tells', async () => {
    const folder = freshFolder();
    const env = new Clock();
    await (await filled(folder, 6, { env })).close();
    await env.advance(1);
    await (await filled(folder, 1, { env })).close();
    assert.deepEqual(await problems(folder), []);
    rewrite(files(folder)[0]!, (all) => all.slice(0, -1));
    assert.deepEqual(await problems(folder), ['truncated 7']);
  });

  it('a chain that was made anew: the anchor in the store tells', async () => {
    const folder = freshFolder();
    const store = memoryStore();
    await (await filled(folder, 3, { store })).close();
    const file = files(folder)[0]!;
    const forged = freshFolder();
    await (await filled(forged, 4)).close();
    writeFileSync(file, readFileSync(files(forged)[0]!));
    assert.deepEqual(await problems(folder), []);
    assert.deepEqual(await problems(folder, await anchorsIn(store)), ['changed 6']);
  });

  it('a chain that is gone: the store tells, and the chain after it', async () => {
    const folder = freshFolder();
    const store = memoryStore();
    const env = new Clock();
    for (let i = 0; i < 3; i++) {
      await (await filled(folder, 1, { env, store })).close();
      await env.advance(1);
    }
    rmSync(files(folder)[1]!);
    assert.deepEqual(await problems(folder), ['removed 0']);
    assert.deepEqual(await problems(folder, await anchorsIn(store)), ['removed 0', 'removed 0']);
  });

  it('chains that were put away, the oldest first, are no fault', async () => {
    const folder = freshFolder();
    const store = memoryStore();
    const env = new Clock();
    for (let i = 0; i < 3; i++) {
      await (await filled(folder, 1, { env, store })).close();
      await env.advance(1);
    }
    rmSync(files(folder)[0]!);
    const report = await verifyAudit(folder, await anchorsIn(store));
    assert.deepEqual(report.problems, []);
    assert.match(report.notes[0]!, /older than all that are here/);
  });

  it('a file in the middle of a chain that is gone', async () => {
    const folder = freshFolder();
    await (await filled(folder, 10, { fileSize: 700 })).close();
    const all = files(folder);
    rmSync(all[1]!);
    assert.deepEqual(await problems(folder), ['removed 1']);
  });

  it('a line that a killed process left unfinished is a note', async () => {
    const folder = freshFolder();
    const log = await filled(folder, 1);
    appendFileSync(files(folder)[0]!, '{"event":{"type":"tok');
    const report = await verifyAudit(folder);
    assert.deepEqual(report.problems, []);
    assert.match(report.notes[0]!, /unfinished/);
    assert.equal(report.chains[0]!.ended, false);
    await log.close();
  });

  it('a clock that is set back is a note: the order is that of the numbers', async () => {
    const folder = freshFolder();
    const env = new Clock();
    let back = 0;
    const log = await filled(folder, 1, { env: { ...env, epoch: () => env.epoch() - back } });
    back = 3600;
    await log.append({ type: 'after' });
    await log.close();
    const report = await verifyAudit(folder);
    assert.deepEqual(report.problems, []);
    assert.match(report.notes[0]!, /set back/);
  });

  it('the head is noted in the store at intervals', async () => {
    const env = new Clock();
    const store = memoryStore({ env });
    const log = await filled(freshFolder(), 2, { env, store, anchorInterval: 5_000 });
    assert.deepEqual(await anchorsIn(store), []);
    await env.advance(6);
    assert.deepEqual(await anchorsIn(store), [{ ...log.head, ended: false, writer: thisWriter() }]);
    await log.append({ type: 'more' });
    await env.advance(6);
    assert.equal((await anchorsIn(store))[0]!.seq, 3);
    await log.close();
    assert.deepEqual(await anchorsIn(store), [{ ...log.head, ended: true, writer: thisWriter() }]);
    assert.equal(env.timers, 0);
  });

  it('other files in the folder are left alone', async () => {
    const folder = freshFolder();
    await (await filled(folder, 1)).close();
    writeFileSync(join(folder, 'notes.txt'), 'x');
    assert.deepEqual(await problems(folder), []);
  });
});

async function counting(path: string, synced: () => void): Promise<AuditFileHandle> {
  const file = await open(path, 'ax', 0o600);
  return {
    write: file.write.bind(file) as AuditFileHandle['write'],
    datasync: () => {
      synced();
      return file.datasync();
    },
    truncate: (length) => file.truncate(length),
    close: () => file.close(),
  };
}

/** A file of which a half gets written, or which is not synchronized, while `fails`. */
async function failing(path: string, fails: () => boolean, what: 'write' | 'datasync'): Promise<AuditFileHandle> {
  const file = await open(path, 'ax', 0o600);
  const error = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  return {
    write: (async (bytes: Uint8Array, offset: number) => {
      if (what !== 'write' || !fails()) return file.write(bytes, offset);
      await file.write(bytes, offset, 10);
      throw error;
    }) as AuditFileHandle['write'],
    datasync: () => (what === 'datasync' && fails() ? Promise.reject(error) : file.datasync()),
    truncate: (length) => file.truncate(length),
    close: () => file.close(),
  };
}
