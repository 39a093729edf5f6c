import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ByteReader, ByteWriter } from '../src/core/bytes.ts';
import { limitOf } from './catalogue.ts';
import { benchServer, connectedServer, peerOf } from './dtls-connections.ts';
import { median, type Row, rounded, rowBeside } from './row.ts';
import type { Run } from './run.ts';
import { ServerProcess } from './server-process.ts';

const count = 4000;

/** What `export` gave of each connection, one after the other with its length before it. */
function savedConnections(): Uint8Array {
  const writer = new ByteWriter(count * 512);
  for (const { connection } of connectedServer(count).connections()) {
    const saved = connection.export();
    writer.u16(saved.length).bytes(saved);
  }
  return writer.finish();
}

/** For the process that is measured: milliseconds to import all of a file. */
export function importSaved(file: string): { readonly time: number; readonly cpu: number } {
  const reader = new ByteReader(new Uint8Array(readFileSync(file)));
  const saved: Uint8Array[] = [];
  while (reader.remaining > 0) saved.push(reader.take(reader.u16()));
  const server = benchServer(count, () => {});
  const before = process.cpuUsage();
  const start = performance.now();
  for (const [index, bytes] of saved.entries()) server.import(bytes, peerOf(index));
  const time = performance.now() - start;
  const { user, system } = process.cpuUsage(before);
  if (server.stats().connections !== count) throw new Error(`expected ${count} connections, got ${server.stats().connections}`);
  return { time, cpu: user + system };
}

/** How long a process that has just begun takes to go on with 4,000 connections of another one. */
export async function importRow({ rounds, progress }: Run): Promise<Row> {
  const folder = await mkdtemp(join(tmpdir(), 'ace-coap-bench-'));
  try {
    progress(`dtls-import: ${count} handshakes`);
    const file = join(folder, 'connections');
    await writeFile(file, savedConnections(), { mode: 0o600 });
    const samples: { readonly time: number; readonly cpu: number }[] = [];
    for (let round = 1; round <= rounds; round++) {
      progress(`dtls-import: process ${round} of ${rounds}`);
      const server = await ServerProcess.start('dtls-import', [], [file]);
      try {
        samples.push(await server.ask('import'));
      } finally {
        await server.stop();
      }
    }
    const cpu = rounded(median(samples.map((sample) => sample.cpu)) / count, 3);
    const times = samples.map(({ time }) => time);
    return rowBeside('dtls-import', 'ms', times, 'limit', limitOf('dtls-import'), { digits: 1, cpu });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
