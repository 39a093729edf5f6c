/**
 * What is wrong with the first of the `required` names under which `options` has nothing, or a promise; or `undefined`. Types keep a TypeScript program from
 * this; a JavaScript program should hear which it is.
 */
export function optionFault<T extends object>(options: T | undefined, required: readonly (keyof T & string)[]): string | undefined {
  for (const name of required) {
    const value = options?.[name] ?? undefined;
    if (value === undefined) return `${name}: expected a value, got none`;
    if (value instanceof Promise) return `${name}: expected what its promise gives, got the promise: is an await missing?`;
  }
  return undefined;
}

/**
 * An object while it is put together, so that what is not there is left out without a spread: each spread gives the object a shape of its own, which whoever reads
 * it has to learn anew.
 */
export type Written<T> = { -readonly [K in keyof T]: T[K] };
