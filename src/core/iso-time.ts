/**
 * A time of ISO 8601 that begins with a date, in milliseconds since 1970. `undefined`: it is none, or a day that its month has not, of which `Date` would make one of
 * the month after.
 */
export function isoTimeOf(text: string): number | undefined {
  const date = /^(\d{4})-(\d\d)-\d\d(?!\d)/.exec(text);
  if (date === null) return undefined;
  const [day, time] = [Date.parse(`${date[0]}T00:00:00Z`), Date.parse(text)];
  // Months of Date.UTC count from 0: this is the first day of the month after.
  return !Number.isNaN(time) && day < Date.UTC(Number(date[1]), Number(date[2]), 1) ? time : undefined;
}
