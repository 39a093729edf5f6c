/** One line of `npm run -s bench -- --json`. */
export interface Row {
  readonly bench: string;
  /** The median of the rounds; `null`: nothing could be measured, `note` says why. */
  readonly value: number | null;
  readonly unit: 'req/s' | 'op/s' | 'MB/s' | 'bytes' | 'ms';
  /** The smallest and the largest of the rounds; `null`: there was one. */
  readonly spread: Spread | null;
  readonly rounds: number;
  /** The server or the library that ours is compared with, or `limit`, or `floor` for the fewest bytes that the standards allow. */
  readonly peer: string;
  /** The same of the peer; `null`: it is not there, `note` says why. */
  readonly peer_value: number | null;
  readonly peer_spread: Spread | null;
  /** Above 1: ours is better. Of servers and libraries: CPU time for each request or operation, theirs by ours, in the median of the rounds. Of sizes and of times: the limit, the floor or the peer's by ours. `null`: there is nothing to compare. */
  readonly ratio: number | null;
  /** Our CPU time for each request or operation, in microseconds; `null` where no time is measured. */
  readonly server_cpu_us: number | null;
  readonly peer_cpu_us: number | null;
  readonly server_cpu_spread?: Spread | null;
  readonly peer_cpu_spread?: Spread | null;
  /** Bytes of the datagrams of one request, both ways. */
  readonly wire_bytes?: number;
  readonly peer_wire_bytes?: number;
  /** What is resident of the server's process after the last round. */
  readonly memory_bytes?: number;
  readonly peer_memory_bytes?: number;
  readonly note?: string;
}

export type Spread = readonly [smallest: number, largest: number];

/** Figures of rounds, and what came of them. */
export interface Summary {
  readonly value: number;
  readonly spread: Spread | null;
}

/** @param digits - behind the point */
export function summary(values: readonly number[], digits = 0): Summary {
  const spread: Spread | null = values.length < 2 ? null : [rounded(Math.min(...values), digits), rounded(Math.max(...values), digits)];
  return { value: rounded(median(values), digits), spread };
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

/** Theirs by ours, in the median of the rounds: they were measured in turn, so that a neighbour's noise met both sides of each. */
export function medianRatio(theirs: readonly number[], ours: readonly number[]): number {
  return rounded(median(theirs.map((one, round) => one / ours[round]!)), 3);
}

export function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

/** As people read it: three digits or so. */
export function number(value: number): string {
  const digits = Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0;
  return value.toLocaleString('en', { maximumFractionDigits: digits });
}

/** Of a size or a time, beside the most that it may be (`limit`) or the least that it can be (`floor`). */
export function rowBeside(
  bench: string,
  unit: Row['unit'],
  values: readonly number[],
  peer: 'limit' | 'floor',
  bound: number,
  more: { readonly digits?: number; readonly cpu?: number; readonly note?: string } = {},
): Row {
  const { value, spread } = summary(values, more.digits);
  return {
    bench,
    value,
    unit,
    spread,
    rounds: values.length,
    peer,
    peer_value: bound,
    peer_spread: null,
    ratio: rounded(bound / value, 3),
    server_cpu_us: more.cpu ?? null,
    peer_cpu_us: null,
    ...(more.note === undefined ? {} : { note: more.note }),
  };
}

/** Of what cannot be measured here. */
export function absentRow(bench: string, unit: Row['unit'], peer: string, note: string): Row {
  return {
    bench,
    value: null,
    unit,
    spread: null,
    rounds: 0,
    peer,
    peer_value: null,
    peer_spread: null,
    ratio: null,
    server_cpu_us: null,
    peer_cpu_us: null,
    note,
  };
}
