import type { Entry } from './entry.ts';

/** `28 B` */
export function sizeText(bytes: number): string {
  return `${bytes} B`;
}

/** `2.1 ms`, `1.20 s` */
export function durationText(milliseconds: number): string {
  return milliseconds < 1000 ? `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms` : `${(milliseconds / 1000).toFixed(2)} s`;
}

/** What stands in brackets behind the title: how the message is protected, and whether that was opened. */
export function protectionText({ protection, isSealed }: Entry): string {
  return protection.length === 0 ? '' : `${protection.join(' in ')}${isSealed ? ', not opened' : ''}`;
}

/** `46 B, 5.7 ms` */
export function figuresOf({ bytes, answerTime }: Entry): string {
  return answerTime === undefined ? sizeText(bytes) : `${sizeText(bytes)}, ${durationText(answerTime)}`;
}
