import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Code, Endpoint, echo } from '../src/coap/index.ts';
import { systemEnv } from '../src/core/env.ts';
import { ContextTable, deriveContext, oscore } from '../src/oscore/index.ts';
import { lmdbStore, memoryStore } from '../src/store/index.ts';
import { udp } from '../src/transport/index.ts';
import { registerClients, registeredKeys } from './registered-clients.ts';
import type { Row } from './row.ts';
import { ServerProcess } from './server-process.ts';
import { median, rounded } from './throughput.ts';
import { tokenRequestOfClient } from './token-requests.ts';

/** Clients in the two stores; the larger may be made smaller for a quick look. */
const few = 1_000;
const many = Number(process.env['ACE_BENCH_CLIENTS'] ?? 1_000_000);
/** How many of them ask, and how often each. */
const asking = 100;
const requests = 3;

interface Sample {
  /** Milliseconds of a request: from the client to the token. */
  readonly time: number;
  /** Microseconds of the server for a request. */
  readonly cpu: number;
  /** Bytes that the process of the server keeps, once all have asked. */
  readonly bytes: number;
}

/**
 * What a token request takes, and what the AS keeps, with 1,000,000 registered clients and with 1,000. Clients that nobody has loaded ask one after the other,
 * so that every first request finds its registration in the store; the challenge of RFC 8613, Appendix B.1.2, comes before the requests that are measured.
 */
export async function registryRows(progress: (text: string) => void): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), 'ace-coap-bench-'));
  try {
    const samples: Sample[] = [];
    for (const count of [few, many]) {
      progress(`as-registry: storing ${count} clients`);
      const store = lmdbStore(join(folder, String(count)));
      await registerClients(store, count);
      await store.close();
    }
    for (const count of [few, many]) {
      progress(`as-registry: requests beside ${count} clients`);
      samples.push(await ask(join(folder, String(count)), count));
    }
    const [less, more] = samples as [Sample, Sample];
    const peer = `${few} clients`;
    return [
      { bench: 'as-registry', value: rounded(more.time, 3), unit: 'ms', peer, ratio: rounded(less.cpu / more.cpu, 3), server_cpu_us: Math.round(more.cpu) },
      { bench: 'as-registry-memory', value: more.bytes, unit: 'bytes', peer, ratio: rounded(less.bytes / more.bytes, 3), server_cpu_us: null },
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function ask(folder: string, count: number): Promise<Sample> {
  const contexts = new ContextTable();
  const challenges = echo({}, systemEnv);
  const store = memoryStore();
  const layer = oscore({ contexts, store: { reserve: (id, numbers) => store.increment(id, numbers) }, env: systemEnv });
  const endpoint = new Endpoint({ transport: await udp(), layers: [challenges, layer] });
  const server = await ServerProcess.start('as-registry', ['--expose-gc'], [folder]);
  const times: number[] = [];
  let cpu = 0;
  try {
    const peer = await endpoint.resolve('127.0.0.1', server.port);
    for (let client = 0; client < asking; client++) {
      const association = deriveContext(registeredKeys(Math.floor((client * count) / asking)));
      contexts.add(association);
      for (let request = 0; request <= requests; request++) {
        const [start, before] = request === 0 ? [0, 0] : [performance.now(), request === 1 ? await server.cpu() : 0];
        const { code } = await endpoint.request({ ...tokenRequestOfClient, peer, association }, { timeout: 10_000 });
        if (code !== Code.Created) throw new Error(`expected 2.01 with a token, got code ${code}`);
        if (request > 0) times.push(performance.now() - start);
        if (request === 1) cpu -= before;
      }
      cpu += await server.cpu();
      contexts.remove(association);
    }
    const { bytes } = await server.ask<{ bytes: number }>('memory');
    return { time: median(times), cpu: cpu / (asking * requests), bytes };
  } finally {
    challenges.close();
    await endpoint.close();
    await server.stop();
  }
}
