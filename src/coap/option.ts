/** A CoAP option as it stands in a message: its number and its value. */
export interface Option {
  readonly number: number;
  readonly value: Uint8Array;
}
