import { toKey } from '../../../../src/core/bytes.ts';

const form = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Whether it is base64 with its padding (RFC 4648, Section 4). */
export function isBase64(text: string): boolean {
  return form.test(text);
}

/** Base64 of at most 64 KiB. */
export function toBase64(bytes: Uint8Array): string {
  return btoa(toKey(bytes));
}

/** Bytes of what `isBase64`. */
export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
