/** One line of `npm run -s bench -- --json`. */
export interface Row {
  readonly bench: string;
  readonly value: number;
  readonly unit: 'req/s' | 'op/s' | 'MB/s' | 'bytes' | 'ms';
  /** The server or the library that ours is compared with, or `limit`. */
  readonly peer: string;
  /** Above 1: ours is better. Of servers and libraries: CPU time for each request or operation, theirs by ours. Of sizes and of times that have a limit: the limit by the value. `null`: the peer is not there, `note` says why. */
  readonly ratio: number | null;
  /** Our CPU time for each request or operation, in microseconds; `null` where no time is measured. */
  readonly server_cpu_us: number | null;
  readonly note?: string;
}
