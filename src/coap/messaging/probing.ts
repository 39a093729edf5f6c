import type { Body } from '../message/message.ts';

/**
 * The bytes of a Non-confirmable message divided by PROBING_RATE: milliseconds for which it counts as outstanding when no response comes.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7252#section-4.7
 */
export function probingTime(token: Uint8Array, body: Body, probingRate: number): number {
  // Heads of options and of long tokens by their upper bound, which errs on the slow side.
  let bytes = 4 + token.length + (token.length > 12 ? 2 : 0) + (body.payload.length === 0 ? 0 : 1 + body.payload.length);
  for (const { value } of body.options) bytes += (value.length < 13 ? 3 : 5) + value.length;
  return (1000 * bytes) / probingRate;
}
