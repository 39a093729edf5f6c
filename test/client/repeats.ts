import { codeClass, decodeMessage, findOption, OptionNumber } from '../../src/coap/index.ts';
import { toHex } from '../../src/core/bytes.ts';
import type { Parties } from './parties.ts';

/** Messages that were protected with the same number of their own under the same identifier, other than by retransmission. */
export function repeats(parties: Parties): string[] {
  const seen = new Map<string, string>();
  const found: string[] = [];
  for (const { from, datagram } of parties.simulator.wire) {
    const message = decodeMessage(datagram);
    const option = findOption(message.options, OptionNumber.Oscore);
    // A response without a number of its own has that of its request.
    if (option === undefined || option.value.length === 0) continue;
    const isRequest = codeClass(message.code) === 0;
    const key = `${isRequest ? '' : `${from} `}${toHex(option.value)}`;
    const body = isRequest ? `${from} ${toHex(message.payload)}` : toHex(message.payload);
    if (seen.has(key) && seen.get(key) !== body) found.push(key);
    seen.set(key, body);
  }
  return found;
}
