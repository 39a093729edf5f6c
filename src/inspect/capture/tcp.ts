import { viewOf } from './frame.ts';

/** A segment, its header read. */
export interface Segment {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly flags: number;
  readonly payload: Uint8Array;
}

const finFlag = 1;
const synFlag = 2;
const resetFlag = 4;

export function readSegment(bytes: Uint8Array): Segment | undefined {
  if (bytes.length < 20) return undefined;
  const view = viewOf(bytes);
  const offset = (bytes[12]! >>> 4) * 4;
  if (offset < 20 || offset > bytes.length) return undefined;
  return {
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    sequence: view.getUint32(4),
    flags: bytes[13]!,
    payload: bytes.subarray(offset),
  };
}

/** Segments ahead of a gap that are kept, of one direction, and bytes of them. */
const mostAhead = 64;
const mostBytesAhead = 1 << 18;
/** Directions that are known at one time. */
const mostFlows = 512;

/** One direction of a connection. */
interface Flow {
  /** The sequence number that comes next. */
  next: number;
  readonly ahead: { readonly sequence: number; readonly payload: Uint8Array }[];
  aheadBytes: number;
}

/** Bytes of one direction in order. `lost`: so many before them the capture has not. `isStart`: the connection begins anew. */
export interface Ordered {
  readonly bytes: Uint8Array;
  readonly lost: number;
  readonly isStart: boolean;
}

/** How far `to` is ahead of `from`, in a circle of 32 bits. */
function distance(from: number, to: number): number {
  return (to - from) | 0;
}

/** Puts the bytes of connections in order. What is ahead of a gap waits for it, up to a bound; then the gap is given up. */
export class TcpReassembly {
  readonly #flows = new Map<string, Flow>();

  get flows(): number {
    return this.#flows.size;
  }

  /** `key` names the direction of a connection. */
  take(key: string, { sequence, flags, payload }: Segment): readonly Ordered[] {
    if ((flags & resetFlag) !== 0) {
      this.#flows.delete(key);
      return [];
    }
    const isSyn = (flags & synFlag) !== 0;
    const start = isSyn ? (sequence + 1) >>> 0 : sequence;
    let flow = this.#flows.get(key);
    const isStart = flow === undefined || (isSyn && flow.next !== start && distance(flow.next, start) !== 0);
    if (flow === undefined || isStart) flow = this.#open(key, start);
    const out: Ordered[] = [];
    if (isSyn && isStart) out.push({ bytes: payload.subarray(0, 0), lost: 0, isStart: true });
    if (payload.length > 0) {
      this.#put(flow, start, payload, out);
      this.#drain(flow, out);
    }
    if ((flags & finFlag) !== 0 && flow.ahead.length === 0) this.#flows.delete(key);
    return out;
  }

  #open(key: string, next: number): Flow {
    const flow: Flow = { next, ahead: [], aheadBytes: 0 };
    this.#flows.delete(key);
    this.#flows.set(key, flow);
    if (this.#flows.size > mostFlows) this.#flows.delete(this.#flows.keys().next().value!);
    return flow;
  }

  #put(flow: Flow, sequence: number, payload: Uint8Array, out: Ordered[]): void {
    const gap = distance(flow.next, sequence);
    if (gap > 0) {
      flow.ahead.push({ sequence, payload: payload.slice() });
      flow.aheadBytes += payload.length;
      if (flow.ahead.length > mostAhead || flow.aheadBytes > mostBytesAhead) this.#giveUp(flow, out);
      return;
    }
    const fresh = payload.subarray(Math.min(payload.length, -gap));
    if (fresh.length === 0) return;
    out.push({ bytes: fresh.slice(), lost: 0, isStart: false });
    flow.next = (flow.next + fresh.length) >>> 0;
  }

  /** Go on behind the gap. */
  #giveUp(flow: Flow, out: Ordered[]): void {
    flow.ahead.sort((a, b) => distance(b.sequence, a.sequence));
    const first = flow.ahead[0]!;
    out.push({ bytes: first.payload.subarray(0, 0), lost: distance(flow.next, first.sequence), isStart: false });
    flow.next = first.sequence;
  }

  #drain(flow: Flow, out: Ordered[]): void {
    for (;;) {
      const at = flow.ahead.findIndex(({ sequence }) => distance(flow.next, sequence) <= 0);
      if (at < 0) return;
      const [segment] = flow.ahead.splice(at, 1);
      flow.aheadBytes -= segment!.payload.length;
      this.#put(flow, segment!.sequence, segment!.payload, out);
    }
  }
}
