import type { Row } from './row.ts';
import { ServerProcess } from './server-process.ts';
import { rounded } from './throughput.ts';

interface Kept {
  /** What the server is asked. */
  readonly question: string;
  /** What it counts. */
  readonly count: number;
  /** Bytes for each that we allow. */
  readonly limit: number;
}

/** Milliseconds for one question: 100,000 key derivations take seconds on a machine that has nothing else to do. */
const patience = 300_000;

export type MemoryName = 'coap-memory-request' | 'coap-memory-observer' | 'coap-memory-peer' | 'oscore-context-memory' | 'dtls-connection-memory';

/** 50 MB for 100,000 requests; an observer and a peer keep the request that made them known among these. */
const rows: Readonly<Record<MemoryName, Kept>> = {
  'coap-memory-request': { question: 'requests', count: 100_000, limit: 500 },
  'coap-memory-observer': { question: 'observers', count: 10_000, limit: 4096 },
  'coap-memory-peer': { question: 'peers', count: 10_000, limit: 1200 },
  'oscore-context-memory': { question: 'contexts', count: 100_000, limit: 2048 },
  'dtls-connection-memory': { question: 'connections', count: 20_000, limit: 3072 },
};

export const memoryNames: readonly MemoryName[] = Object.keys(rows) as MemoryName[];

/** Bytes that our endpoint keeps for each, in a process of its own that collects its garbage first. */
export async function memoryRow(name: MemoryName, progress: (text: string) => void): Promise<Row> {
  const { question, count, limit } = rows[name];
  progress(`${name}: ${count} ${question}`);
  const server = await ServerProcess.start('memory', ['--expose-gc']);
  try {
    const { bytes } = await server.ask<{ bytes: number }>(question, patience);
    const value = Math.round(bytes / count);
    return { bench: name, value, unit: 'bytes', peer: 'limit', ratio: rounded(limit / value, 3), server_cpu_us: null };
  } finally {
    await server.stop();
  }
}
