const stops = ['SIGINT', 'SIGTERM'] as const;

/** What a SIGHUP is to, where there is somebody. */
let onHangup: (() => void) | undefined;
let cameEarly = false;
let isHeld = false;

/** Of a command line: whether its command serves until it is stopped, and reads its files again for a SIGHUP. */
export function serves(words: readonly string[]): boolean {
  return /^(?:as|rs|proxy|gateway|serve|seal (?:t8 serve|capif core|akma aanf|msgin5g serve))(?: |$)/.test(words.join(' '));
}

/**
 * From here on no SIGHUP ends this process. The entry of the program calls it before all else for a command that `serves`: one that comes while it starts is handed on by `stopSignal`, and one that comes
 * while it ends is nobody's.
 */
export function holdHangups(): void {
  if (isHeld) return;
  isHeld = true;
  process.on('SIGHUP', () => {
    if (onHangup === undefined) cameEarly = true;
    else onHangup();
  });
}

/**
 * The name of the first signal to stop. After it the process is as any other again, but for SIGHUP: a second one ends it at once.
 *
 * @param hangup - called for each SIGHUP until then
 */
export function stopSignal(hangup: () => void): Promise<string> {
  holdHangups();
  const { came } = first(stops);
  onHangup = hangup;
  if (cameEarly) hangup();
  cameEarly = false;
  return came.finally(() => {
    onHangup = () => {};
  });
}

/** The name of the first signal that ends what somebody watches at a terminal: Ctrl-C, SIGTERM, or SIGHUP, since the terminal was closed. A second one ends the process at once. */
export function userSignal(): Promise<string> {
  return first([...stops, 'SIGHUP']).came;
}

/** Do something that ends in order when `userSignal` comes: it aborts `stop`. */
export async function interruptible<T>(work: (stop: AbortSignal) => Promise<T>): Promise<T> {
  const stop = new AbortController();
  const { came, forget } = first([...stops, 'SIGHUP']);
  void came.then((name) => stop.abort(name));
  try {
    return await work(stop.signal);
  } finally {
    forget();
  }
}

function first(names: readonly NodeJS.Signals[]): { readonly came: Promise<string>; readonly forget: () => void } {
  let heard: (name: string) => void;
  const forget = (): void => {
    for (const name of names) process.off(name, heard);
  };
  const came = new Promise<string>((resolve) => {
    heard = (name) => {
      forget();
      resolve(name);
    };
    for (const name of names) process.on(name, heard);
  });
  return { came, forget };
}
