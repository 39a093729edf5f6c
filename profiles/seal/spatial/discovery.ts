import { Code } from '../../../src/coap/index.ts';
import { SealError } from '../error.ts';
import { type Area, areasMeet, distanceTo, type Position } from './geography.ts';
import type { SpatialObject } from './spatial-object.ts';

/** What to look for, and which page of it. */
export interface Discovery {
  readonly valServiceId?: string;
  /** All of them. */
  readonly tags: readonly string[];
  readonly area?: Area;
  /** `metres` around a position. */
  readonly near?: { readonly position: Position; readonly metres: number };
  /** Objects in one answer. */
  readonly limit: number;
  /** The last id of the page before. */
  readonly after?: string;
}

/** Objects in one answer of a discovery: when the query does not say, and at most. */
export interface PageSize {
  readonly usual: number;
  readonly most: number;
}

/** Half the circumference of the earth, in metres. */
const farthest = 20_037_509;

function wrong(expected: string): SealError {
  return new SealError('ERR_SEAL_QUERY', `expected ${expected}, got another query`, { responseCode: Code.BadRequest });
}

const decimal = /^-?\d{1,8}(\.\d{1,12})?$/;

/** Numbers with a comma between them, each within its bounds. */
function numbersOf(text: string, bounds: readonly (readonly [least: number, most: number])[], expected: string): readonly number[] {
  const parts = text.split(',');
  const numbers = parts.map((part) => (decimal.test(part) ? Number(part) : Number.NaN));
  if (parts.length !== bounds.length || !bounds.every(([least, most], index) => numbers[index]! >= least && numbers[index]! <= most)) throw wrong(expected);
  return numbers;
}

const parallels = [-90, 90] as const;
const meridians = [-180, 180] as const;

function areaOf(text: string): Area {
  const expected = 'bbox=SOUTH,WEST,NORTH,EAST in degrees';
  const [south, west, north, east] = numbersOf(text, [parallels, meridians, parallels, meridians], expected);
  if (south! > north!) throw wrong(expected);
  return { south: south!, west: west!, north: north!, east: east! };
}

function nearOf(text: string): { readonly position: Position; readonly metres: number } {
  const [latitude, longitude, metres] = numbersOf(text, [parallels, meridians, [0, farthest]], 'near=LATITUDE,LONGITUDE,METRES');
  return { position: { latitude: latitude!, longitude: longitude! }, metres: metres! };
}

const names = ['val-service-id', 'tag', 'bbox', 'near', 'limit', 'after'] as const;

/**
 * The query of a discovery. An argument that is not known is refused: without it the answer would be for another question.
 *
 * @throws {SealError} `ERR_SEAL_QUERY`, 4.00
 */
export function readDiscovery(query: readonly string[], { usual, most }: PageSize): Discovery {
  const values = new Map<string, string[]>(names.map((name) => [name, []]));
  for (const argument of query) {
    const equals = argument.indexOf('=');
    const list = equals < 1 ? undefined : values.get(argument.slice(0, equals));
    if (list === undefined) throw wrong(`arguments of ${names.join(', ')}`);
    list.push(argument.slice(equals + 1));
  }
  const one = (name: (typeof names)[number]): string | undefined => {
    const list = values.get(name)!;
    if (list.length > 1) throw wrong(`${name} once`);
    return list[0];
  };
  const [valServiceId, bbox, near, limit, after] = [one('val-service-id'), one('bbox'), one('near'), one('limit'), one('after')];
  return {
    ...(valServiceId === undefined ? {} : { valServiceId }),
    tags: values.get('tag')!,
    ...(bbox === undefined ? {} : { area: areaOf(bbox) }),
    ...(near === undefined ? {} : { near: nearOf(near) }),
    limit: limit === undefined ? Math.min(usual, most) : numbersOf(limit, [[1, most]], `limit=1 to ${most}`)[0]!,
    ...(after === undefined ? {} : { after }),
  };
}

/** Whether an object is what is looked for, on whichever page. */
export function isFound({ valServiceId, tags, area, near }: Discovery, object: SpatialObject): boolean {
  if (valServiceId !== undefined && object.valServiceId !== valServiceId) return false;
  if (!tags.every((tag) => object.tags.includes(tag))) return false;
  if (area !== undefined && !areasMeet(area, object.area)) return false;
  return near === undefined || distanceTo(object.area, near.position) <= near.metres;
}
