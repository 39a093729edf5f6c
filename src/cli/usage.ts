import { InvalidArgumentError, Option } from 'commander';

/** As long as a configuration may say. */
export const longestTime = 4_294_967_295;

/** Of an option: a time. */
export function seconds(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= longestTime)) throw new InvalidArgumentError(`expected a number of seconds above 0 and at most ${longestTime}.`);
  return value;
}

/** Of an option: a port. */
export function port(text: string): number {
  const value = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > 65_535) throw new InvalidArgumentError('expected a port from 1 to 65535.');
  return value;
}

/** Of an option: so many at once, and so many per second after that. */
export function burstAndRate(text: string): { readonly burst: number; readonly rate: number } {
  const match = /^([1-9]\d{0,5}),(\d+(?:\.\d+)?)$/.exec(text);
  const [burst, rate] = [Number(match?.[1]), Number(match?.[2])];
  if (match === null || !(rate > 0)) throw new InvalidArgumentError('expected how many at once, and per second after that, such as 20,0.5.');
  return { burst, rate };
}

/** For an option that may be given several times. */
export function each(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

/** Below the options of a command: how it is used. */
export function examples(...lines: readonly string[]): string {
  return `\n${lines.length > 1 ? 'Examples' : 'Example'}:\n${lines.map((line) => `  $ ${line}`).join('\n')}`;
}

/** What a command that serves logs; `more` is what its help says beside that. */
export function logLevel(more = ''): Option {
  return new Option('--log-level <level>', `what to log${more}`).choices(['debug', 'info', 'warn', 'error', 'silent']);
}
