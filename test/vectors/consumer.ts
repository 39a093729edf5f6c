import assert from 'node:assert/strict';
import { macAlgorithms } from '../../src/core/cose/algorithms.ts';
import { encodeClaims } from '../../src/core/cwt.ts';
import { aeadParameters, decode, decodeCoseKey, openCwt, type TokenKey } from '../../src/core/index.ts';
import { type Action, findValue, readBytes, type Vector } from './format.ts';

/** Takes a vector as a tester of another stack would: what it does not refuse, it has to understand. */
type Consumer = (vector: Vector) => void;

/** The keys of a recipient of tokens. */
function tokenKeys(vector: Vector): TokenKey[] {
  const names = ['key', 'outerKey'].filter((name) => findValue(vector, name) !== undefined);
  return names.map((name) => {
    const key = decodeCoseKey(decode(readBytes(vector, name)));
    const algorithm = key.alg as number;
    const use = aeadParameters(algorithm) !== undefined ? 'encrypt0' : macAlgorithms.has(algorithm) ? 'mac0' : 'sign1';
    return { use, algorithm, key, ...(key.kid === undefined ? {} : { kid: key.kid }) };
  });
}

const onlyOutput = (vector: Vector): Uint8Array => {
  const names = Object.keys(vector.output);
  assert.equal(names.length, 1, vector.id);
  return readBytes(vector, names[0]!);
};

export const consumers: Readonly<Partial<Record<Action, Consumer>>> = {
  'open-token': (vector) => {
    const { claims } = openCwt(onlyOutput(vector), tokenKeys(vector));
    assert.deepEqual(encodeClaims(claims), readBytes(vector, 'claims'), vector.id);
  },
};
