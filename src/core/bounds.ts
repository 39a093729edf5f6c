type Given<T> = { readonly [K in keyof T]?: T[K] | undefined };

/**
 * Whether what is given bounds anything: each is a number from 0 on, an infinite one too, or `undefined`. Nothing is more than what is no number.
 *
 * @param refuse - makes what is thrown for one that is none
 */
export function checkBounds(given: object, refuse: (message: string) => Error): void {
  for (const [name, value] of Object.entries(given) as [string, unknown][])
    if (value !== undefined && !(typeof value === 'number' && value >= 0)) throw refuse(`${name}: expected a number from 0 on, got ${String(value)}`);
}

/**
 * The bounds that are given, and those of `usual` where none is, or `undefined`.
 *
 * @param refuse - as of `checkBounds`
 */
export function boundsWith<T extends { readonly [K in keyof T]: number }>(usual: T, given: Given<T> | undefined, refuse: (message: string) => Error): T {
  const names = Object.keys(usual) as (keyof T & string)[];
  const own = Object.fromEntries(names.flatMap((name) => (given?.[name] === undefined ? [] : [[name, given[name]] as const])));
  checkBounds(own, refuse);
  return { ...usual, ...own };
}
