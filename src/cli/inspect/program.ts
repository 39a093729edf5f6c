import type { Command } from 'commander';
import { each, examples, port } from '../usage.ts';
import type { InspectFlags } from './inspect.ts';

const help = `
The keys of a lab folder open what they can: tokens on their way to authz-info, the contexts that follow from them, requests to the AS, DTLS sessions with a
pre-shared key. --oscore adds context files, --key-log what SSLKEYLOGFILE has collected. No key is printed without --secrets.`;

/** `ace-coap inspect` */
export function addInspect(ace: Command): void {
  ace
    .command('inspect')
    .argument('[capture]', 'a file of pcap or pcapng, or - for standard input')
    .description('show a capture, or what passes a tap, as a ladder of messages: decoded, opened with the keys that are given, with sizes and times')
    .option('-c, --config <path>', 'lab folder, or one of as.yaml, rs.yaml, client.yaml, admin.yaml: their keys')
    .option('--oscore <file>', 'OSCORE context file; may be repeated', each)
    .option('--key-log <file>', 'key log of DTLS sessions, as SSLKEYLOGFILE makes it')
    .option('--psk-identity <identity>', 'identity of a pre-shared key: text, hex:... or @file')
    .option('--psk <key>', 'that pre-shared key: text, hex:... or @file')
    .option('--port <port>', 'look at this port only, whatever passes there; may be repeated', (text: string, before: readonly number[] = []) => [
      ...before,
      port(text),
    ])
    .option('--follow', 'go on as the file grows; Ctrl-C ends it')
    .option('--tap <[address:]port>', 'in place of a capture: listen here (127.0.0.1) and show what passes; may be repeated', each)
    .option('--to <host:port>', 'with --tap: where it goes on to, in the same order', each)
    .option('--pcapng <file>', 'with --tap: write what passes to a file that Wireshark reads')
    .option('--html <file>', 'write a page that stands by itself: the ladder, each message decoded at a click')
    .option('--svg <file>', 'write the ladder as a picture')
    .option('--secrets', 'show key material')
    .option('--json', 'print one JSON object a message')
    .option('-v, --verbose', 'show each message decoded below its arrow')
    .addHelpText(
      'after',
      `${help}\n${examples(
        'ace-coap inspect capture.pcapng --config lab',
        'ace-coap inspect capture.pcapng --config lab --html ladder.html',
        'tcpdump -i lo -U -w - udp | ace-coap inspect - --config lab --follow',
        'ace-coap inspect --tap 5690 --to 127.0.0.1:5683 --config lab --html ladder.html',
      )}`,
    )
    .action(async (capture: string | undefined, flags: InspectFlags) => (await import('./inspect.ts')).inspectCommand(capture, flags));
}
