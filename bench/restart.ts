import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Code, Endpoint, echo } from '../src/coap/index.ts';
import { systemEnv } from '../src/core/env.ts';
import { ContextTable, deriveContext, oscore } from '../src/oscore/index.ts';
import { lmdbStore, memoryStore } from '../src/store/index.ts';
import { udp } from '../src/transport/index.ts';
import { limitOf } from './catalogue.ts';
import { protectedGet } from './requests.ts';
import { median, type Row, rowBeside } from './row.ts';
import type { Run } from './run.ts';
import { ServerProcess } from './server-process.ts';
import { contextStore, storeContexts, storedCount, storedKeys } from './stored-contexts.ts';

interface Sample {
  /** Milliseconds. */
  readonly time: number;
  /** Microseconds of the server. */
  readonly cpu: number;
}

/**
 * How long a server takes from the start of its process, over a store with 100,000 contexts, until a client has its first protected answer. The challenge of
 * RFC 8613, Appendix B.1.2, which comes before it, counts.
 */
export async function restartRow({ rounds, progress }: Run): Promise<Row> {
  const folder = await mkdtemp(join(tmpdir(), 'ace-coap-bench-'));
  try {
    progress(`oscore-restart: storing ${storedCount} contexts`);
    const store = lmdbStore(folder);
    await storeContexts(store);
    await store.close();
    const samples: Sample[] = [];
    // The first of them fills the caches of the file system.
    for (let round = 0; round <= rounds; round++) {
      progress(`oscore-restart: start ${round} of ${rounds}`);
      const sample = await restart(folder, round);
      if (round > 0) samples.push(sample);
    }
    const cpu = median(samples.map((sample) => sample.cpu));
    const times = samples.map(({ time }) => time);
    return rowBeside('oscore-restart', 'ms', times, 'limit', limitOf('oscore-restart'), { cpu });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function restart(folder: string, round: number): Promise<Sample> {
  const contexts = new ContextTable();
  const association = deriveContext(storedKeys(Math.floor((storedCount - 1) / (round + 1))));
  contexts.add(association);
  const challenges = echo({}, systemEnv);
  const layer = oscore({ contexts, store: contextStore(memoryStore()), env: systemEnv });
  const endpoint = new Endpoint({ transport: await udp(), layers: [challenges, layer] });
  const start = performance.now();
  const server = await ServerProcess.start('oscore-restart', [], [folder]);
  try {
    const peer = await endpoint.resolve('127.0.0.1', server.port);
    const { code } = await endpoint.request({ ...protectedGet, peer, association }, { timeout: 10_000 });
    if (code !== Code.Content) throw new Error(`expected 2.05, got code ${code}`);
    return { time: performance.now() - start, cpu: await server.cpu() };
  } finally {
    challenges.close();
    await endpoint.close();
    await server.stop();
  }
}
