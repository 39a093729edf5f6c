/**
 * A time of ISO 8601 that begins with a date, in milliseconds since 1970. `undefined`: it is none, or a day that its month has not, of which `Date` would make one of
 * the month after.
 */
export function isoTimeOf(text: string): number | undefined {
  const date = text.slice(0, 10);
  const [day, time] = [Date.parse(`${date}T00:00:00Z`), Date.parse(text)];
  return Number.isNaN(day) || Number.isNaN(time) || new Date(day).toISOString().slice(0, 10) !== date ? undefined : time;
}
