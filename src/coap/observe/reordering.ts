import type { Response } from '../layer.ts';
import { OptionNumber, uintOf } from '../message/option.ts';

const half = 0x80_0000;

/**
 * Whether a notification was sent after another one: by the number that a layer below gave (OSCORE), else by 24-bit serial number arithmetic on the Observe
 * options. A response that cannot be compared counts as newer. The clock rule of the section is up to the caller.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7641#section-3.4
 */
export function isNewer(before: Response, incoming: Response): boolean {
  if (before.sequence !== undefined && incoming.sequence !== undefined) return incoming.sequence > before.sequence;
  // RFC 8613 §4.1.3.5.2: only the first notification may come without a Partial IV, so it is the oldest.
  if (before.sequence !== undefined) return false;
  if (incoming.sequence !== undefined) return true;
  // RFC 8323 §7.1: a connection keeps the order, and the value MUST be ignored.
  if (incoming.peer?.capabilities !== undefined) return true;
  const v1 = uintOf(before.options, OptionNumber.Observe);
  const v2 = uintOf(incoming.options, OptionNumber.Observe);
  if (v1 === undefined || v2 === undefined) return true;
  return (v1 < v2 && v2 - v1 < half) || (v1 > v2 && v1 - v2 > half);
}
