const secondsOfDay = 86_400;

/**
 * Seconds since 1970 of an RFC 3339 date-time, as TS 29.571 has it; `undefined` for what is none.
 */
export function readDateTime(text: string): number | undefined {
  if (!/^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)$/.test(text)) return undefined;
  const milliseconds = Date.parse(text.toUpperCase());
  return Number.isNaN(milliseconds) ? undefined : milliseconds / 1000;
}

/** The date-time of seconds since 1970, whole seconds, in UTC. */
export function writeDateTime(seconds: number): string {
  const whole = Math.floor(seconds);
  const days = Math.floor(whole / secondsOfDay);
  const [year, month, day] = civilOf(days);
  const left = whole - days * secondsOfDay;
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
  return `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}T${two(left / 3600)}:${two((left / 60) % 60)}:${two(left % 60)}Z`;
}

/** Year, month and day of a count of days since 1970, of years that begin in March, so that the leap day is their last. */
function civilOf(days: number): readonly [number, number, number] {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const year = Math.floor((dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365);
  const dayOfYear = dayOfEra - (365 * year + Math.floor(year / 4) - Math.floor(year / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  return [year + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1];
}
