import { createReadStream, statSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { ProtocolError } from '../../core/errors.ts';
import { CaptureReader, Inspector, Keyring, PacketReader } from '../../inspect/index.ts';
import { UsageError } from '../exit.ts';
import { checkOutput } from '../output-file.ts';
import { userSignal } from '../signals.ts';
import { err } from '../terminal.ts';
import { type KeyFlags, keysOf } from './keys.ts';
import { Output, type OutputFlags } from './output.ts';
import { openTaps } from './taps.ts';

export interface InspectFlags extends KeyFlags, OutputFlags {
  readonly port?: readonly number[];
  readonly follow?: boolean;
  readonly tap?: readonly string[];
  readonly to?: readonly string[];
  readonly pcapng?: string;
}

/** `ace-coap inspect` */
export async function inspectCommand(capture: string | undefined, flags: InspectFlags): Promise<void> {
  const { tap, to, pcapng, port, secrets = false } = flags;
  if ((capture === undefined) === (tap === undefined)) throw new UsageError('inspect: expected a capture or --tap, got neither or both');
  if (tap === undefined && (to !== undefined || pcapng !== undefined)) throw new UsageError('--to and --pcapng: expected --tap with them, got none');
  checkOutput(flags.html, '--html');
  checkOutput(flags.svg, '--svg');
  const { keys, roles } = await keysOf(flags);
  const inspector = new Inspector(new Keyring(keys), { secrets, roles, ...(port === undefined ? {} : { ports: port }) });
  const isLive = tap !== undefined || flags.follow === true;
  const output = new Output(inspector, flags, { isLive, title: capture ?? `tap ${tap!.join(', ')}` });
  let fault: unknown;
  if (capture !== undefined) await readCapture(capture, inspector, output, flags);
  else {
    // Whoever reads that it listens may end it at once.
    const ended = userSignal();
    const taps = await openTaps(tap!, to ?? [], pcapng, (packet) => output.entries(inspector.packet(packet)));
    fault = await Promise.race([ended, taps.fault]).then(
      () => undefined,
      (error) => error,
    );
    await taps.close();
  }
  inspector.finish();
  output.finish();
  if (fault !== undefined) throw fault;
}

/** Milliseconds between two looks at a file that grows. */
const lookEvery = 200;

/** The bytes of a file, and with `follow` those that come to it until a signal to stop. */
async function* chunksOf(file: string, follow: boolean): AsyncGenerator<Uint8Array> {
  if (file === '-') {
    // Ctrl-C ends what writes into the pipe too, and its end is the end of what is read.
    if (follow) userSignal().catch(() => {});
    for await (const chunk of process.stdin) yield chunk as Uint8Array;
    return;
  }
  let read = 0;
  let stopped = false;
  const stop = follow ? userSignal().then(() => void (stopped = true)) : undefined;
  do {
    for await (const chunk of createReadStream(file, { start: read }) as AsyncIterable<Uint8Array>) {
      read += chunk.length;
      yield chunk;
    }
    if (!follow) return;
    await Promise.race([stop, pause(lookEvery)]);
  } while (!stopped);
}

async function readCapture(file: string, inspector: Inspector, output: Output, { follow = false }: InspectFlags): Promise<void> {
  if (file !== '-') checkFile(file);
  const reader = new CaptureReader((lines) => inspector.addKeyLog(lines));
  const packets = new PacketReader();
  try {
    for await (const chunk of chunksOf(file, follow)) {
      for (const frame of reader.push(chunk)) for (const packet of packets.take(frame)) output.entries(inspector.packet(packet));
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    // What came before the fault is shown.
    inspector.finish();
    output.finish(true);
    throw error;
  }
  if (!reader.isRecognised) throw new UsageError(`${file}: expected a file of pcap or pcapng, got ${reader.pending} bytes`);
  if (reader.pending > 0) warn(`the capture ends within a packet: ${reader.pending} bytes are no whole one`);
  const { links, incomplete } = packets.skipped;
  for (const [linkType, count] of links) warn(`${count} packets of link type ${linkType}, which is not read`);
  if (incomplete > 0) warn(`${incomplete} packets of which fragments are missing`);
}

function checkFile(file: string): void {
  try {
    if (!statSync(file).isDirectory()) return;
  } catch (cause) {
    throw new UsageError(`${file}: cannot be read (${(cause as NodeJS.ErrnoException).code})`, { cause });
  }
  throw new UsageError(`${file}: expected a capture, got a folder`);
}

function warn(text: string): void {
  console.error(`${err('yellow', 'note:')} ${text}`);
}
