import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ueConfigurations } from '../../../profiles/seal/configuration/ue-configuration.ts';
import { userProfiles } from '../../../profiles/seal/configuration/user-profile.ts';
import { SealError } from '../../../profiles/seal/error.ts';
import { readDiscovery } from '../../../profiles/seal/spatial/discovery.ts';
import { anchors, maps, readObject } from '../../../profiles/seal/spatial/spatial-object.ts';
import { type CborKey, type CborMap, type CborValue, decode, encode } from '../../../src/core/cbor.ts';

const names =
  'valTgtUe valUserId valUeId valServiceId profileInformation status profileConfigs configType configData valServiceDomain valUeIds uris imeiRanges tac snrs snrRange low high ueConfigs ueServiceId location lat lon altitude area south west north east tags allowedEntities';
const key = fc.oneof({ weight: 12, arbitrary: fc.constantFrom(...names.split(' ')) }, { weight: 1, arbitrary: fc.oneof(fc.string(), fc.integer()) });
const leaf = fc.oneof(
  fc.constantFrom('anna', '', '12345678', '7', 'x'.repeat(256)),
  fc.integer({ min: -200, max: 200 }),
  fc.double(),
  fc.boolean(),
  fc.constant(null),
  fc.uint8Array({ maxLength: 4 }),
);
const { value: anyValue } = fc.letrec<{ value: CborValue; map: CborMap }>((tie) => ({
  value: fc.oneof({ depthSize: 'small', withCrossShrink: true }, leaf, tie('map'), fc.array(tie('value'), { maxLength: 3 })) as fc.Arbitrary<CborValue>,
  map: fc.array(fc.tuple(key, tie('value')), { maxLength: 6 }).map((entries) => new Map(entries as [CborKey, CborValue][])),
}));
const body = fc.array(fc.tuple(key, anyValue), { maxLength: 10 }).map((entries): CborMap => new Map(entries as [CborKey, CborValue][]));

/** What is taken comes back as it was from the store; what is not is refused with a code, and nothing else is thrown. */
function takenOrRefused(read: (body: CborMap) => { readonly body: CborMap }): void {
  fc.assert(
    fc.property(body, (given) => {
      try {
        const taken = read(given);
        assert.deepEqual(read(decode(encode(taken.body)) as CborMap), taken);
      } catch (error) {
        assert.ok(error instanceof SealError && error.responseCode === 150, String(error));
      }
    }),
    { numRuns: 300, seed: 11 },
  );
}

test('bodies that fit no data model are refused, whatever is in them', () => {
  takenOrRefused((given) => userProfiles.read(given, 'v2x'));
  takenOrRefused((given) => ueConfigurations.read(given, 'v2x'));
  for (const kind of [anchors, maps]) takenOrRefused((given) => readObject(kind, given, { kind: 'valUserId', id: 'anna' }));
});

test('queries that say nothing are refused, whatever is in them', () => {
  const argument = fc.tuple(
    fc.constantFrom('bbox', 'near', 'limit', 'tag', 'after', 'val-service-id', 'val-tgt-ue', 'ue-snr', 'x'),
    fc.oneof(fc.string(), fc.constantFrom('1,2,3,4', '{"valUeId":"a"}', '{}', '{'), fc.json()),
  );
  const query = fc.array(
    argument.map(([name, value]) => `${name}=${value}`),
    { maxLength: 3 },
  );
  const readers = [userProfiles.select, ueConfigurations.select, (given: readonly string[]) => readDiscovery(given, { usual: 20, most: 50 })];
  fc.assert(
    fc.property(query, (given) => {
      for (const read of readers) {
        try {
          read(given);
        } catch (error) {
          assert.ok(error instanceof SealError && error.responseCode === 128, String(error));
        }
      }
    }),
    { numRuns: 300, seed: 11 },
  );
});
