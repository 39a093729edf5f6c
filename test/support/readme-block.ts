/** What stands between `<!-- NAME -->` and `<!-- /NAME -->` of a README is made by a program, not by hand. */
interface Block {
  readonly start: number;
  readonly end: number;
}

function find(readme: string, name: string): Block {
  const [open, close] = [`<!-- ${name} -->\n`, `<!-- /${name} -->\n`];
  const [at, end] = [readme.indexOf(open), readme.indexOf(close)];
  if (at < 0 || end < at) throw new RangeError(`expected the lines ${open.trim()} and ${close.trim()}, got a README without`);
  return { start: at + open.length, end };
}

/** @throws {RangeError} there is no such block */
export function readBlock(readme: string, name: string): string {
  const { start, end } = find(readme, name);
  return readme.slice(start, end).trim();
}

/** @throws {RangeError} there is no such block */
export function writeBlock(readme: string, name: string, text: string): string {
  const { start, end } = find(readme, name);
  return `${readme.slice(0, start)}\n${text}\n\n${readme.slice(end)}`;
}
