import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Area, areasMeet, distanceTo, type Position } from '../../../../profiles/seal/spatial/geography.ts';

const degrees = (most: number): fc.Arbitrary<number> => fc.integer({ min: -most, max: most });
const position = fc.record({ latitude: degrees(90), longitude: degrees(180) });
const area = fc
  .record({ a: degrees(90), b: degrees(90), west: degrees(180), east: degrees(180) })
  .map(({ a, b, west, east }): Area => ({ south: Math.min(a, b), north: Math.max(a, b), west, east }));
const small = fc
  .record({ south: degrees(90), height: fc.nat(20), west: degrees(180), width: fc.nat(20) })
  .map(({ south, height, west, width }): Area => ({ south, north: Math.min(90, south + height), west, east: ((west + width + 540) % 360) - 180 }));
const pointOf = ({ latitude, longitude }: Position): Area => ({ south: latitude, north: latitude, west: longitude, east: longitude });
const here = (latitude: number, longitude: number): Position => ({ latitude, longitude });

/** Positions of an area, at each degree. */
function* grid({ south, west, north, east }: Area): Generator<Position> {
  const width = east - west >= 360 ? 360 : (east - west + 360) % 360;
  for (let latitude = south; latitude <= north; latitude++)
    for (let longitude = 0; longitude <= width; longitude++) yield here(latitude, ((west + longitude + 540) % 360) - 180);
}

test('distances: a degree of a meridian, half around the earth, over the antimeridian and over the pole', () => {
  const metres = (a: Position, b: Position): number => Math.round(distanceTo(pointOf(b), a) / 1000);
  assert.equal(metres(here(0, 0), here(1, 0)), 111);
  assert.equal(metres(here(0, 0), here(0, 180)), 20_015);
  assert.equal(metres(here(0, 179.5), here(0, -179.5)), 111);
  assert.equal(metres(here(89, 0), here(89, 180)), 222);
  assert.equal(metres(here(48.8566, 2.3522), here(51.5074, -0.1278)), 344);
});

test('distances: to an area none of its positions is nearer, and one is about as near', () => {
  fc.assert(
    fc.property(small, position, (where, from) => {
      const shortest = distanceTo(where, from);
      let nearest = Number.POSITIVE_INFINITY;
      for (const found of grid(where)) nearest = Math.min(nearest, distanceTo(pointOf(found), from));
      assert.ok(shortest <= nearest + 1, `${shortest} ${nearest}`);
      // Half a degree at the most lies between a position and the grid.
      assert.ok(nearest - shortest <= 80_000, `${shortest} ${nearest}`);
    }),
    { numRuns: 30, seed: 7 },
  );
});

test('areas meet when a position is in both, whichever comes first', () => {
  fc.assert(
    fc.property(area, area, (a, b) => {
      let isShared = false;
      for (const found of grid(a)) isShared ||= areasMeet(pointOf(found), b);
      assert.equal(areasMeet(a, b), isShared);
      assert.equal(areasMeet(b, a), isShared);
    }),
    { numRuns: 40, seed: 7 },
  );
});
