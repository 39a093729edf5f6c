import { closeSync, existsSync, fstatSync, ftruncateSync, openSync, rmSync, writeSync } from 'node:fs';
import { encodePcapngPacket, encodePcapngStart, encodeUdpPacket, LinkType, type Packet, type Place, Tap } from '../../inspect/index.ts';
import { UsageError } from '../exit.ts';
import { err } from '../terminal.ts';

const hostAndPort = /^(?:(?:\[([0-9a-f:]+)\]|([\w.-]+)):)?(\d{1,5})$/i;

function placeOf(flag: string, text: string): Place {
  const [, six, four, digits] = hostAndPort.exec(text) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > 65_535) throw new UsageError(`${flag}: expected [address:]port, got ${JSON.stringify(text)}`);
  const address = six ?? four ?? '127.0.0.1';
  return { address: address === 'localhost' ? '127.0.0.1' : address, port };
}

/** A capture that grows. */
interface CaptureWriter {
  write(packet: Packet): void;
  /** Rejects when it cannot be written any more. */
  readonly fault: Promise<never>;
  close(): void;
}

/** A file that is there may be a device, whose end nobody can cut off. */
function writerOf(file: string): CaptureWriter {
  const refused = (cause: unknown): UsageError => new UsageError(`--pcapng: ${file}: cannot be written (${(cause as NodeJS.ErrnoException).code})`, { cause });
  const isThere = existsSync(file);
  let descriptor: number | undefined;
  try {
    descriptor = openSync(file, 'w', 0o600);
    writeSync(descriptor, encodePcapngStart(LinkType.RAW));
  } catch (cause) {
    if (descriptor !== undefined) closeSync(descriptor);
    if (!isThere) rmSync(file, { force: true });
    throw refused(cause);
  }
  const open = descriptor;
  const { promise: fault, reject } = withReject();
  let end = fstatSync(open).size;
  let isFaulty = false;
  return {
    write: (packet) => {
      if (isFaulty) return;
      const bytes = encodeUdpPacket(packet);
      const block = encodePcapngPacket({ time: packet.time, bytes, length: bytes.length });
      try {
        // The system may take less than all of it when the disk is full, and says why at the next attempt.
        for (let written = 0; written < block.length; ) written += writeSync(open, block, written);
        end += block.length;
      } catch (cause) {
        isFaulty = true;
        // Without the part of a packet that went.
        if (fstatSync(open).isFile()) ftruncateSync(open, end);
        reject(refused(cause));
      }
    },
    fault,
    close: () => closeSync(open),
  };
}

function withReject(): { readonly promise: Promise<never>; readonly reject: (error: Error) => void } {
  let reject: (error: Error) => void;
  const promise = new Promise<never>((_, refuse) => {
    reject = refuse;
  });
  promise.catch(() => {});
  return { promise, reject: reject! };
}

/**
 * Relays that show what passes.
 *
 * @throws {UsageError} for places that are none, and another number of `to` than of `taps`
 * @throws {InspectError} `ERR_INSPECT_TAP`
 */
export async function openTaps(
  taps: readonly string[],
  to: readonly string[],
  pcapng: string | undefined,
  on: (packet: Packet) => void,
): Promise<{ readonly fault: Promise<never>; readonly close: () => Promise<void> }> {
  if (taps.length !== to.length) throw new UsageError(`--tap and --to: expected as many of each, got ${taps.length} and ${to.length}`);
  const places = taps.map((text, index) => [placeOf('--tap', text), placeOf('--to', to[index]!)] as const);
  const writer = pcapng === undefined ? undefined : writerOf(pcapng);
  const open: Tap[] = [];
  const close = async (): Promise<void> => {
    for (const tap of open) await tap.close();
    writer?.close();
  };
  try {
    for (const [listen, target] of places) {
      const tap = await Tap.open({
        listen,
        to: target,
        on: (packet) => {
          writer?.write(packet);
          on(packet);
        },
      });
      open.push(tap);
      console.error(err('dim', `${tap.local.address}:${tap.local.port} goes to ${target.address}:${target.port}; Ctrl-C ends it`));
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { fault: writer?.fault ?? new Promise(() => {}), close };
}
