import { decodeMessage, findOption, OptionNumber } from '../../src/coap/index.ts';
import { toHex } from '../../src/core/bytes.ts';
import { decodeOscoreOption } from '../../src/oscore/index.ts';
import type { Simulator } from '../support/simulator.ts';

/** Every Partial IV on the wire, by who sent it to whom; retransmissions are one message. One address has one context with another. */
export function partialIvs(sim: Simulator): string[] {
  const messages = new Map<string, string>();
  for (const { from, to, datagram } of sim.wire) {
    const message = decodeMessage(datagram);
    const option = findOption(message.options, OptionNumber.Oscore);
    const partialIv = option === undefined ? undefined : decodeOscoreOption(option.value).partialIv;
    if (partialIv !== undefined) messages.set(`${from} ${to} ${toHex(message.payload)}`, `${from} ${to} ${toHex(partialIv)}`);
  }
  return [...messages.values()];
}
