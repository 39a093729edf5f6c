import { load, type OpenSession } from './load.ts';
import type { Row } from './row.ts';
import { ServerProcess } from './server-process.ts';

/** A server and what is asked of it. */
export interface Contender {
  /** A file of servers/. */
  readonly server: string;
  readonly args?: readonly string[] | undefined;
  /** What has to be done before the first round. */
  prepare?(port: number): Promise<void>;
  /** The datagrams of one round; they are called for anew each time, because a Partial IV serves once. */
  requests(count: number): Uint8Array[];
  /** Where they travel in a session of each round. */
  readonly session?: OpenSession;
  fault(reply: Uint8Array): string | undefined;
}

export interface Throughput {
  readonly bench: string;
  readonly ours: Contender;
  readonly peers: readonly Contender[];
  /** Requests under way at once. */
  readonly outstanding: number;
  /** Requests of one round; Message IDs must not repeat within one. */
  readonly requests: number;
  /** Bytes of a body that each reply brings: the figure is then MB/s. */
  readonly bytes?: number;
}

/** Counted rounds, after one that warms the servers up. */
const rounds = 5;

interface Sample {
  readonly perSecond: number;
  readonly cpu: number;
}

/** Measures our server and its peers in turn, round by round, so that a neighbour's noise meets all of them. */
export async function measure(bench: Throughput, progress: (text: string) => void): Promise<Row[]> {
  const contenders = [bench.ours, ...bench.peers];
  const servers: ServerProcess[] = [];
  try {
    for (const { server, args } of contenders) servers.push(await ServerProcess.start(server, [], args));
    for (const [index, contender] of contenders.entries()) await contender.prepare?.(servers[index]!.port);
    const samples: Sample[][] = contenders.map(() => []);
    for (let round = 0; round <= rounds; round++) {
      for (const [index, contender] of contenders.entries()) {
        progress(`${bench.bench}: ${contender.server}, ${round === 0 ? 'warming up' : `round ${round} of ${rounds}`}`);
        const sample = await once(servers[index]!, contender, bench);
        if (round > 0) samples[index]!.push(sample);
      }
    }
    const [ours, ...theirs] = samples.map((of) => ({ perSecond: median(of.map((s) => s.perSecond)), cpu: median(of.map((s) => s.cpu)) }));
    return theirs.map((their, index) => ({
      bench: bench.bench,
      ...(bench.bytes === undefined
        ? { value: Math.round(ours!.perSecond), unit: 'req/s' as const }
        : { value: rounded((ours!.perSecond * bench.bytes) / 1e6, 2), unit: 'MB/s' as const }),
      peer: bench.peers[index]!.server,
      ratio: rounded(their.cpu / ours!.cpu, 3),
      server_cpu_us: rounded(ours!.cpu, 2),
    }));
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
}

async function once(server: ServerProcess, contender: Contender, bench: Throughput): Promise<Sample> {
  const datagrams = contender.requests(bench.requests);
  const before = await server.cpu();
  const { session } = contender;
  const { replies, seconds } = await load({
    port: server.port,
    datagrams,
    outstanding: bench.outstanding,
    fault: (reply) => contender.fault(reply),
    ...(session === undefined ? {} : { session }),
  });
  const after = await server.cpu();
  return { perSecond: replies / seconds, cpu: (after - before) / replies };
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

export function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
