/**
 * The first of the `required` names under which `options` has nothing, or `undefined`. Types keep a TypeScript program from leaving one out; a JavaScript
 * program should hear which it is.
 */
export function missingOption<T extends object>(options: T, required: readonly (keyof T & string)[]): string | undefined {
  const given: unknown = options;
  if (typeof given !== 'object' || given === null) return required[0];
  return required.find((name) => options[name] === undefined || options[name] === null);
}

/**
 * An object while it is put together, so that what is not there is left out without a spread: each spread gives the object a shape of its own, which whoever reads
 * it has to learn anew.
 */
export type Written<T> = { -readonly [K in keyof T]: T[K] };
