import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Code, Endpoint, echo } from '../src/coap/index.ts';
import { systemEnv } from '../src/core/env.ts';
import { ContextTable, deriveContext, oscore } from '../src/oscore/index.ts';
import { lmdbStore, memoryStore } from '../src/store/index.ts';
import { udp } from '../src/transport/index.ts';
import { registerClients, registeredKeys } from './registered-clients.ts';
import { median, type Row, rounded, summary } from './row.ts';
import { counted, type Run } from './run.ts';
import { ServerProcess } from './server-process.ts';
import { tokenRequestOfClient } from './token-requests.ts';

/** Clients in the two stores. */
const few = 1_000;
const many = 1_000_000;
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
export async function registryRows(run: Run): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), 'ace-coap-bench-'));
  const counts = [few, counted(run, many)] as const;
  const folders = counts.map((count) => join(folder, String(count)));
  try {
    for (const [index, count] of counts.entries()) {
      run.progress(`as-registry: storing ${count} clients`);
      const store = lmdbStore(folders[index]!);
      await registerClients(store, count);
      await store.close();
    }
    const samples: readonly [Sample[], Sample[]] = [[], []];
    for (let round = 1; round <= run.rounds; round++) {
      for (const [index, count] of counts.entries()) {
        run.progress(`as-registry: beside ${count} clients, round ${round} of ${run.rounds}`);
        samples[index]!.push(await ask(folders[index]!, count));
      }
    }
    return [beside('as-registry', 'ms', samples, ({ time }) => time, 3), beside('as-registry-memory', 'bytes', samples, ({ bytes }) => bytes)];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The many beside the few. */
function beside(bench: string, unit: 'ms' | 'bytes', [less, more]: readonly [Sample[], Sample[]], of: (sample: Sample) => number, digits = 0): Row {
  const [theirs, ours] = [summary(less.map(of), digits), summary(more.map(of), digits)];
  const [theirCpu, ourCpu] = [less, more].map((samples) => rounded(median(samples.map(({ cpu }) => cpu)), 1));
  const timed = unit === 'ms';
  return {
    bench,
    ...ours,
    unit,
    rounds: more.length,
    peer: `${few} clients`,
    peer_value: theirs.value,
    peer_spread: theirs.spread,
    ratio: rounded(timed ? theirCpu! / ourCpu! : theirs.value / ours.value, 3),
    server_cpu_us: timed ? ourCpu! : null,
    peer_cpu_us: timed ? theirCpu! : null,
  };
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
