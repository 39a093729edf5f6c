import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ByteReader, ByteWriter } from '../src/core/bytes.ts';
import { benchServer, connectedServer, peerOf } from './dtls-connections.ts';
import type { Row } from './row.ts';
import { ServerProcess } from './server-process.ts';
import { median, rounded } from './throughput.ts';

const count = 4000;
/** Milliseconds. */
const limit = 100;
const processes = 5;

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
export async function importRow(progress: (text: string) => void): Promise<Row> {
  const folder = await mkdtemp(join(tmpdir(), 'ace-coap-bench-'));
  try {
    progress(`dtls-import: ${count} handshakes`);
    const file = join(folder, 'connections');
    await writeFile(file, savedConnections(), { mode: 0o600 });
    const samples: { readonly time: number; readonly cpu: number }[] = [];
    for (let round = 1; round <= processes; round++) {
      progress(`dtls-import: process ${round} of ${processes}`);
      const server = await ServerProcess.start('dtls-import', [], [file]);
      try {
        samples.push(await server.ask('import'));
      } finally {
        await server.stop();
      }
    }
    const value = rounded(median(samples.map(({ time }) => time)), 1);
    const cpu = rounded(median(samples.map((sample) => sample.cpu)) / count, 3);
    return { bench: 'dtls-import', value, unit: 'ms', peer: 'limit', ratio: rounded(limit / value, 3), server_cpu_us: cpu };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
