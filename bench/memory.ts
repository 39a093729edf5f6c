import { limitOf } from './catalogue.ts';
import { type Row, rowBeside } from './row.ts';
import { counted, type Run } from './run.ts';
import { ServerProcess } from './server-process.ts';

/** Milliseconds for one question: 100,000 key derivations take seconds on a machine that has nothing else to do. */
const patience = 300_000;

/** What the server is asked, and what it counts: 50 MB for 100,000 requests; an observer and a peer keep the request that made them known among these. */
const rows = {
  'coap-memory-request': { question: 'requests', count: 100_000 },
  'coap-memory-observer': { question: 'observers', count: 10_000 },
  'coap-memory-peer': { question: 'peers', count: 10_000 },
  'oscore-context-memory': { question: 'contexts', count: 100_000 },
  'dtls-connection-memory': { question: 'connections', count: 20_000 },
} as const;

export type MemoryName = keyof typeof rows;
export const memoryNames: readonly MemoryName[] = Object.keys(rows) as MemoryName[];

/** Bytes that our endpoint keeps for each, in a process of its own that collects its garbage first. One round: it is the mean of very many. */
export async function memoryRow(name: MemoryName, run: Run): Promise<Row> {
  const { question } = rows[name];
  const count = counted(run, rows[name].count);
  run.progress(`${name}: ${count} ${question}`);
  const server = await ServerProcess.start('memory', ['--expose-gc']);
  try {
    const { bytes } = await server.ask<{ bytes: number }>(`${question} ${count}`, patience);
    return rowBeside(name, 'bytes', [bytes / count], 'limit', limitOf(name));
  } finally {
    await server.stop();
  }
}
