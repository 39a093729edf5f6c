/** Degrees: WGS 84. */
export interface Position {
  readonly latitude: number;
  readonly longitude: number;
}

/** Between two parallels and two meridians; from `west` on to the east, so that `west` is the larger number where 180 degrees lies within. A position is an area too. */
export interface Area {
  readonly south: number;
  readonly west: number;
  readonly north: number;
  readonly east: number;
}

/** Metres: the mean radius of the earth. */
const radius = 6_371_008.8;
const radians = Math.PI / 180;

/** Degrees to go east, 0 up to 360. */
function eastward(from: number, to: number): number {
  return (((to - from) % 360) + 360) % 360;
}

function width({ west, east }: Area): number {
  // From -180 to 180 is all around, not nothing.
  return east - west >= 360 ? 360 : eastward(west, east);
}

/** Whether two areas have a position in common. */
export function areasMeet(a: Area, b: Area): boolean {
  if (a.south > b.north || b.south > a.north) return false;
  return eastward(a.west, b.west) <= width(a) || eastward(b.west, a.west) <= width(b);
}

/** Metres of the shortest way from a position to an area; 0 within it. */
export function distanceTo(area: Area, position: Position): number {
  const { latitude, longitude } = position;
  const nearest = Math.min(Math.max(latitude, area.south), area.north);
  if (eastward(area.west, longitude) <= width(area)) return distance(position, { latitude: nearest, longitude });
  return Math.min(...[area.west, area.east].map((meridian) => distanceToMeridian(area, meridian, position)));
}

/** The nearest position of a meridian's part is one of its ends, or lies where the great circle through the position meets the meridian at a right angle. */
function distanceToMeridian({ south, north }: Area, meridian: number, position: Position): number {
  const turn = (meridian - position.longitude) * radians;
  const latitude = position.latitude * radians;
  const foot = Math.atan2(Math.sin(latitude), Math.cos(latitude) * Math.cos(turn)) / radians;
  const candidates = foot > south && foot < north ? [south, north, foot] : [south, north];
  return Math.min(...candidates.map((found) => distance(position, { latitude: found, longitude: meridian })));
}

/** Metres along a great circle, by the haversine formula. */
function distance(a: Position, b: Position): number {
  const half = (from: number, to: number): number => Math.sin(((to - from) * radians) / 2) ** 2;
  const h = half(a.latitude, b.latitude) + Math.cos(a.latitude * radians) * Math.cos(b.latitude * radians) * half(a.longitude, b.longitude);
  return 2 * radius * Math.asin(Math.min(1, Math.sqrt(h)));
}
