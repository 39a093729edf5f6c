import type { Entry } from './entry.ts';

/** An entry for programs; `start` is the time of the first one. */
export function entryFacts(entry: Entry, start: number): Readonly<Record<string, unknown>> {
  const { number, time, from, to, transport, bytes, kind, title, gist, protection, isSealed, exchange, answerTime, remarks, layers } = entry;
  return {
    number,
    time: Number(((time - start) / 1000).toFixed(6)),
    since_1970: Number((time / 1000).toFixed(6)),
    from,
    to,
    transport,
    bytes,
    kind,
    title,
    ...(gist === '' ? {} : { gist }),
    ...(protection.length === 0 ? {} : { protection, opened: !isSealed }),
    ...(exchange === undefined ? {} : { exchange }),
    ...(answerTime === undefined ? {} : { answer_ms: Number(answerTime.toFixed(3)) }),
    ...(remarks.length === 0 ? {} : { remarks }),
    layers: layers.map(({ name, lines }) => ({ name, lines })),
  };
}
