import { DtlsObserver } from '../../src/dtls/index.ts';
import { CaptureReader, type Frame, Inspector, Keyring, Ladder, LinkType, ladderPage, PacketReader } from '../../src/inspect/index.ts';
import { clientAddress, psk, serverAddress } from '../dtls/parties.ts';
import { client, inspect, packetsOf, pcapngOf, pcapOf, server, tcpFrame, udpFrame, wrappings } from '../inspect/captures.ts';
import { dance, labKeys } from '../inspect/dance.ts';
import { datagramsOf, suites } from './dtls.ts';
import { mutateBytes, mutateDatagram } from './mutate.ts';
import type { TargetEntry } from './target.ts';

const danced = await dance();
const frames: readonly Frame[] = danced.slice(0, 4).map(({ from, to, bytes, time }) => udpFrame(from, to, bytes, time));
const wrapped = Object.values(wrappings).map(([linkType, wrap]) => ({ ...frames[0]!, linkType, bytes: wrap(frames[0]!.bytes) }));
const captures = [
  pcapOf(frames),
  pcapOf([tcpFrame(client, server, 1, 0x18, Uint8Array.of(0x50, 0xe1, 0x22, 4, 0x80, 0x20))], { littleEndian: true }),
  pcapngOf(frames, { nano: true }),
  pcapngOf(frames.slice(0, 2), { littleEndian: true }, 'simple'),
  ...wrapped.map((frame) => pcapOf([frame])),
];

/** A capture to the end: the ladder and the page. */
function draw(capture: Uint8Array): void {
  const inspector = new Inspector(new Keyring(labKeys));
  const packets = new PacketReader();
  const entries = [...new CaptureReader((lines) => inspector.addKeyLog(lines)).push(capture)]
    .flatMap((frame) => packets.take(frame))
    .flatMap((packet) => inspector.packet(packet));
  inspector.finish();
  const ladder = new Ladder([], { width: 100, unicode: true, verbose: true, roles: inspector.roles, paint: (_style, text) => text });
  for (const entry of entries) ladder.lines(entry);
  ladderPage(entries, { title: 'any', roles: inspector.roles });
}

/** What looks at captures, whose bytes are of strangers throughout. */
export const inspectTargets: readonly TargetEntry[] = [
  {
    name: 'capture file',
    share: 50,
    open: () => Promise.resolve({ name: 'capture file', seeds: captures, mutate: mutateBytes, run: draw }),
  },
  {
    name: 'frame of a capture',
    share: 50,
    open: () =>
      Promise.resolve({
        name: 'frame of a capture',
        seeds: wrapped.map(({ bytes }) => bytes),
        mutate: mutateBytes,
        run: (bytes) => {
          for (const linkType of Object.values(LinkType)) packetsOf([{ time: 0, linkType, bytes, length: bytes.length }]);
        },
      }),
  },
  {
    name: 'datagram that is inspected',
    share: 50,
    open: () => {
      let inspector: Inspector | undefined;
      let count = 0;
      return Promise.resolve({
        name: 'datagram that is inspected',
        seeds: danced.map(({ bytes }) => bytes),
        mutate: mutateDatagram,
        run: (bytes) => {
          // After the dance, whose contexts and tokens are then known.
          if (count++ % 64 === 0) inspector = inspect(danced, labKeys, { ports: [5683] }).inspector;
          for (const packet of danced.slice(-2)) inspector!.packet({ ...packet, bytes });
        },
      });
    },
  },
  {
    name: 'DTLS session that is observed',
    share: 50,
    open: async () => {
      const [fromClient, fromServer] = await Promise.all([clientAddress, serverAddress].map((address) => datagramsOf(suites[0]!, address)));
      return {
        name: 'DTLS session that is observed',
        seeds: [...fromClient!, ...fromServer!],
        mutate: mutateBytes,
        run: (bytes) => {
          const observer = new DtlsObserver({ masterSecret: () => undefined, psk: () => psk });
          for (const [index, datagram] of fromClient!.entries()) {
            observer.receive(datagram, 'client', 'server');
            if (index === bytes.length % fromClient!.length) observer.receive(bytes, 'client', 'server');
            if (fromServer![index] !== undefined) observer.receive(fromServer![index]!, 'server', 'client');
          }
          observer.receive(bytes, 'server', 'client');
        },
      };
    },
  },
];
