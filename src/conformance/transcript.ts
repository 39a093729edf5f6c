/** Bytes that went over the network. */
export interface Exchanged {
  readonly direction: 'out' | 'in';
  readonly transport: 'udp' | 'dtls' | 'tcp';
  /** Milliseconds since the case began. */
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** How many are kept of one case: a target that floods the checker must not fill its memory. */
const most = 200;

/** What a case sent and received, for its report. */
export class Transcript {
  readonly #now: () => number;
  readonly #begin: number;
  readonly #entries: Exchanged[] = [];

  constructor(now: () => number) {
    this.#now = now;
    this.#begin = now();
  }

  /** Copies the bytes; what is too much for a report is left out. */
  note(transport: Exchanged['transport'], direction: Exchanged['direction'], bytes: Uint8Array): void {
    if (this.#entries.length < most) this.#entries.push({ direction, transport, at: Math.round(this.#now() - this.#begin), bytes: bytes.slice() });
  }

  /** In the order in which they passed; `at` in milliseconds since the case began. */
  get entries(): readonly Exchanged[] {
    return this.#entries;
  }
}
