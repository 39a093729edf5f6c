/** One line of `npm run -s bench -- --json`. */
export interface Row {
  readonly bench: string;
  readonly value: number;
  readonly unit: 'req/s' | 'bytes';
  /** The server that ours is compared with, or `limit`. */
  readonly peer: string;
  /** Above 1: ours is better. Of servers: CPU time for each request, theirs by ours. Of sizes: the limit by the value. */
  readonly ratio: number;
  /** CPU time of our server for each request, in microseconds; `null` where no server is measured. */
  readonly server_cpu_us: number | null;
}
