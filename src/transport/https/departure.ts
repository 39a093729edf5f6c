/** Answers that leave together at most. */
const most = 8;

interface Departure {
  readonly left: Promise<void>;
  readonly leave: () => void;
  waiting: number;
}

let next: Departure | undefined;

function planned(): Departure {
  let resolve!: () => void;
  const left = new Promise<void>((done) => {
    resolve = done;
  });
  const departure: Departure = {
    left,
    leave: () => {
      if (next === departure) next = undefined;
      resolve();
    },
    waiting: 0,
  };
  setImmediate(departure.leave);
  return departure;
}

/**
 * When an answer that is there may leave: with those that are there by the end of this turn of the event loop, or as soon as there are eight. An answer that
 * leaves alone wakes whoever waits for it, and to wake a process takes more time than to send; a server with one request under way goes on at once.
 */
export function departure(): Promise<void> {
  next ??= planned();
  const { left, leave } = next;
  if (++next.waiting === most) leave();
  return left;
}
