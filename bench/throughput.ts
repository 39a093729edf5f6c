import { type LoadOptions, type LoadResult, load } from './load.ts';
import { medianRatio, type Row, rounded, type Summary, summary } from './row.ts';
import { counted, manyRounds, type Run } from './run.ts';
import { AbsentPeer, type Server } from './server.ts';
import { ServerProcess } from './server-process.ts';

/** A server and what is asked of it. */
export interface Contender {
  /** What stands in `peer` of a row. */
  readonly name: string;
  /** @throws {AbsentPeer} it is not on this machine */
  start(): Promise<Server>;
  /** What has to be done before the first round. */
  prepare?(port: number): Promise<void>;
  /** One round of so many requests. */
  load(port: number, count: number): Promise<LoadResult>;
  /** The share of a round's requests that it is asked, for one that takes far longer than ours; 1 where it is not said. */
  readonly share?: number;
}

export interface Throughput {
  readonly bench: string;
  readonly ours: Contender;
  readonly peers: readonly Contender[];
  /** Requests of one round; Message IDs must not repeat within one. */
  readonly requests: number;
  /** Rounds before those that count, in which whoever compiles while it runs compiles what is hot. Default 1. */
  readonly warming?: number;
  /** Its rounds are short. */
  readonly short?: boolean;
  /** Bytes of a body that each reply brings: the figure is then MB/s. */
  readonly bytes?: number;
}

/** What our load generator sends. The datagrams are called for anew each round, because a Partial IV serves once. */
export interface Datagrams extends Pick<LoadOptions, 'outstanding' | 'session' | 'fault'> {
  requests(count: number): Uint8Array[];
}

export function sending({ requests, ...options }: Datagrams): Contender['load'] {
  return (port, count) => load({ ...options, port, datagrams: requests(count) });
}

/** A server of servers/. */
export function own(server: string, args: readonly string[] = []): Pick<Contender, 'name' | 'start'> {
  return { name: server, start: () => ServerProcess.start(server, [], args) };
}

interface Sample {
  readonly perSecond: number;
  readonly cpu: number;
  /** Of a request, both ways. */
  readonly wire: number | undefined;
}

interface Entrant {
  readonly contender: Contender;
  readonly server: Server;
  readonly samples: Sample[];
}

interface Measured extends Summary {
  readonly cpu: Summary;
  /** Of each round. */
  readonly cpus: readonly number[];
  readonly wire: number | undefined;
  readonly memory: number | undefined;
}

/** Measures our server and its peers in turn, round by round, so that a neighbour's noise meets all of them. */
export async function measure(bench: Throughput, run: Run): Promise<Row[]> {
  const entrants: Entrant[] = [];
  const absent = new Map<Contender, string>();
  const rounds = bench.short === true ? manyRounds(run) : run.rounds;
  try {
    for (const contender of [bench.ours, ...bench.peers]) {
      run.progress(`${bench.bench}: starting ${contender.name}`);
      try {
        const server = await contender.start();
        entrants.push({ contender, server, samples: [] });
        await contender.prepare?.(server.port);
      } catch (error) {
        if (!(error instanceof AbsentPeer)) throw error;
        absent.set(contender, error.message);
      }
    }
    for (let round = 1 - (bench.warming ?? 1); round <= rounds; round++) {
      for (const { contender, server, samples } of entrants) {
        run.progress(`${bench.bench}: ${contender.name}, ${round < 1 ? 'warming up' : `round ${round} of ${rounds}`}`);
        const sample = await once(server, contender, counted(run, bench.requests));
        if (round > 0) samples.push(sample);
      }
    }
    const measured = new Map(entrants.map((entrant) => [entrant.contender, summed(entrant, bench)]));
    return bench.peers.map((peer) => rowOf(bench, rounds, measured.get(bench.ours)!, peer, measured.get(peer), absent.get(peer)));
  } finally {
    await Promise.all(entrants.map(({ server }) => server.stop()));
  }
}

async function once(server: Server, contender: Contender, requests: number): Promise<Sample> {
  const before = await server.cpu();
  const { replies, seconds, bytes } = await contender.load(server.port, Math.ceil(requests * (contender.share ?? 1)));
  const after = await server.cpu();
  return { perSecond: replies / seconds, cpu: (after - before) / replies, wire: bytes === undefined ? undefined : rounded(bytes / replies, 1) };
}

function summed({ server, samples }: Entrant, { bytes }: Throughput): Measured {
  const speed = samples.map(({ perSecond }) => (bytes === undefined ? perSecond : (perSecond * bytes) / 1e6));
  const cpus = samples.map(({ cpu }) => cpu);
  return {
    ...summary(speed, bytes === undefined ? 0 : 2),
    cpu: summary(cpus, 2),
    cpus,
    wire: samples.at(-1)!.wire,
    memory: server.memory(),
  };
}

function rowOf(bench: Throughput, rounds: number, ours: Measured, { name }: Contender, theirs: Measured | undefined, note: string | undefined): Row {
  return {
    bench: bench.bench,
    value: ours.value,
    unit: bench.bytes === undefined ? 'req/s' : 'MB/s',
    spread: ours.spread,
    rounds,
    peer: name,
    peer_value: theirs?.value ?? null,
    peer_spread: theirs?.spread ?? null,
    ratio: theirs === undefined ? null : medianRatio(theirs.cpus, ours.cpus),
    server_cpu_us: ours.cpu.value,
    peer_cpu_us: theirs?.cpu.value ?? null,
    server_cpu_spread: ours.cpu.spread,
    peer_cpu_spread: theirs?.cpu.spread ?? null,
    ...(ours.wire === undefined ? {} : { wire_bytes: ours.wire }),
    ...(theirs?.wire === undefined ? {} : { peer_wire_bytes: theirs.wire }),
    ...(ours.memory === undefined ? {} : { memory_bytes: ours.memory }),
    ...(theirs?.memory === undefined ? {} : { peer_memory_bytes: theirs.memory }),
    ...(note === undefined ? {} : { note }),
  };
}
