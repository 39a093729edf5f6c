import type { InitializeHook, LoadHook } from 'node:module';

interface Fault {
  /** URL of the compiled file. */
  readonly url: string;
  readonly replace: readonly [from: string, to: string];
}

let fault: Fault;

export const initialize: InitializeHook<Fault> = (data) => {
  fault = data;
};

/** Loads every file as it is, and one with the fault in it. */
export const load: LoadHook = async (url, context, next) => {
  const loaded = await next(url, context);
  if (url !== fault.url) return loaded;
  const source = String(Buffer.from(loaded.source as Uint8Array));
  // A function, since `$` in a replacement has a meaning.
  return { ...loaded, source: source.replace(fault.replace[0], () => fault.replace[1]) };
};
