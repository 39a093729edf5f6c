import { closeSync, openSync, writeSync } from 'node:fs';
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
function writerOf(file: string): { readonly write: (packet: Packet) => void; readonly close: () => void } {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'w', 0o600);
  } catch (cause) {
    throw new UsageError(`--pcapng: ${file} cannot be written (${(cause as NodeJS.ErrnoException).code})`, { cause });
  }
  writeSync(descriptor, encodePcapngStart(LinkType.RAW));
  return {
    write: (packet) => {
      const bytes = encodeUdpPacket(packet);
      writeSync(descriptor, encodePcapngPacket({ time: packet.time, bytes, length: bytes.length }));
    },
    close: () => closeSync(descriptor),
  };
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
): Promise<{ readonly close: () => Promise<void> }> {
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
  return { close };
}
