import { codeName, formatCode } from '../coap/index.ts';

/** A code in words, for reports: `4.01 (Unauthorized)`. */
export function codeText(code: number): string {
  return `${formatCode(code)} (${codeName(code)})`;
}
