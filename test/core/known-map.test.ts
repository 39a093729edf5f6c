import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CborKey, type CborMap, type CborValue, decode, encode, Simple, Tagged } from '../../src/core/cbor.ts';
import { type FieldType, type MapSpec, readKnownMap, writeKnownMap } from '../../src/core/known-map.ts';

const response = {
  accessToken: { label: 1, type: 'bstr', name: 'access_token', required: true },
  expiresIn: { label: 2, type: 'uint', name: 'expires_in' },
  clientSecret: { label: 25, type: 'bstr', name: 'client_secret' },
  k: { label: -1, type: 'bstr', secret: true },
} as const satisfies MapSpec;

const map = (...entries: (readonly [CborKey, CborValue])[]): CborMap => new Map(entries);

function messageOf(spec: MapSpec, value: CborValue): string {
  try {
    readKnownMap('token response', spec, value);
  } catch (error) {
    const { name, code, message } = error as { name: string; code: string; message: string };
    assert.equal(`${name} ${code}`, 'CborError ERR_CBOR_MAP');
    return message;
  }
  return 'none';
}

test('known map: errors say which map, key and name, what was expected and what came', () => {
  const token = [1, Uint8Array.of(1)] as const;
  const said: readonly (readonly [CborValue, string])[] = [
    [map(token, [2, '3600']), 'token response: key 2 (expires_in): expected unsigned integer, got text "3600"'],
    [map(token, [2, -1]), 'token response: key 2 (expires_in): expected unsigned integer, got number -1'],
    [map(token, [2, 1.5]), 'token response: key 2 (expires_in): expected unsigned integer, got number 1.5'],
    [map(token, [2, 2n ** 64n - 1n]), 'token response: key 2 (expires_in): expected unsigned integer, got number 18446744073709551615'],
    [map(token, [2, null]), 'token response: key 2 (expires_in): expected unsigned integer, got null'],
    [map(token, [2, undefined]), 'token response: key 2 (expires_in): expected unsigned integer, got undefined'],
    [map(token, [2, true]), 'token response: key 2 (expires_in): expected unsigned integer, got true'],
    [map(token, [2, [1, 2]]), 'token response: key 2 (expires_in): expected unsigned integer, got array of 2'],
    [map(token, [2, map()]), 'token response: key 2 (expires_in): expected unsigned integer, got map of 0'],
    [map(token, [2, new Tagged(1, 5)]), 'token response: key 2 (expires_in): expected unsigned integer, got tag 1'],
    [map(token, [2, new Simple(99)]), 'token response: key 2 (expires_in): expected unsigned integer, got simple value 99'],
    [map(token, [2, 'x'.repeat(41)]), `token response: key 2 (expires_in): expected unsigned integer, got text "${'x'.repeat(40)}..."`],
    [map(token, [2, '\u0007"']), 'token response: key 2 (expires_in): expected unsigned integer, got text "\\u0007\\""'],
    [map([2, 5]), 'token response: key 1 (access_token): expected byte string, got nothing'],
    [[], 'token response: expected map, got array of 0'],
    [Uint8Array.of(1, 2), 'token response: expected map, got byte string of 2 bytes'],
  ];
  for (const [value, message] of said) assert.equal(messageOf(response, value), message);
});

test('known map: errors print no value of a secret field, nor one that stands for the whole map', () => {
  const token = [1, Uint8Array.of(1)] as const;
  const said: readonly (readonly [CborValue, string])[] = [
    [map(token, [25, 'hunter2']), 'token response: key 25 (client_secret): expected byte string, got text of 7 characters'],
    [map(token, [25, 123456]), 'token response: key 25 (client_secret): expected byte string, got a number'],
    [map(token, [-1, 'c2VjcmV0']), 'token response: key -1 (k): expected byte string, got text of 8 characters'],
    ['hunter2', 'token response: expected map, got text of 7 characters'],
    [4711, 'token response: expected map, got a number'],
  ];
  for (const [value, message] of said) assert.equal(messageOf(response, value), message);
  assert.equal(
    messageOf({ userPassword: { label: 5, type: 'int' } }, map([5, 'a'])),
    'token response: key 5 (userPassword): expected integer, got text of 1 characters',
  );
  assert.equal(
    messageOf({ x: { label: 5, type: 'int', name: 'Password' } }, map([5, 'a'])),
    'token response: key 5 (Password): expected integer, got text of 1 characters',
  );
  assert.equal(
    messageOf({ secretCount: { label: 5, type: 'uint', secret: false } }, map([5, 'a'])),
    'token response: key 5 (secretCount): expected unsigned integer, got text "a"',
  );
});

test('known map: each type takes its values and no others', () => {
  const values: Readonly<Record<string, CborValue>> = {
    uint: 0,
    negative: -1,
    fraction: 1.5,
    huge: 1e300,
    bigint: 2n ** 60n,
    text: 'a',
    bytes: Uint8Array.of(1),
    true: true,
    null: null,
    undefined: undefined,
    array: [],
    map: map(),
    tag: new Tagged(1, 0),
    simple: new Simple(0),
  };
  const fits: Readonly<Record<FieldType, readonly string[]>> = {
    uint: ['uint'],
    int: ['uint', 'negative'],
    number: ['uint', 'negative', 'fraction', 'huge'],
    bool: ['true'],
    tstr: ['text'],
    bstr: ['bytes'],
    'tstr/bstr': ['text', 'bytes'],
    'tstr/int': ['uint', 'negative', 'text'],
    'tstr/array': ['text', 'array'],
    'int/null': ['uint', 'negative', 'null'],
    array: ['array'],
    map: ['map'],
    any: Object.keys(values),
  };
  for (const [type, names] of Object.entries(fits)) {
    const spec: MapSpec = { field: { label: 5, type: type as FieldType } };
    const taken = Object.keys(values).filter((name) => messageOf(spec, map([5, values[name]])) === 'none');
    assert.deepEqual(taken, names, type);
  }
});

test('known map: what is written reads back, and what is not known stands apart', () => {
  const fields = { accessToken: Uint8Array.of(1, 2), expiresIn: 3600 };
  const written = writeKnownMap(response, { ...fields, k: undefined as unknown as Uint8Array });
  assert.deepEqual([...written.keys()], [1, 2]);
  const more = new Map([...written, [99, 'x'], ['text', 1], [2n ** 60n, 2]] as [CborKey, CborValue][]);
  const { known, unknown } = readKnownMap('token response', response, decode(encode(more)));
  assert.deepEqual(known, fields);
  assert.deepEqual(unknown, map([99, 'x'], ['text', 1], [2n ** 60n, 2]));
  assert.equal(readKnownMap('token response', response, written).unknown.size, 0);
});

test('known map: fields named like those of every object are fields like others', () => {
  const spec = { constructor: { label: 1, type: 'uint' }, toString: { label: 2, type: 'uint' } } as const satisfies MapSpec;
  assert.deepEqual(Object.keys(readKnownMap('map', spec, map([1, 5])).known), ['constructor']);
});

test('a map with forms: a field that is no CBOR value is put by its form, and names that the spec does not have are left out', () => {
  const spec: MapSpec = { constructor: { label: 1, type: 'uint' }, at: { label: 2, type: 'uint' } } as const;
  const fields = { at: new Date(5_000), constructor: 7, unknown: 'x' };
  assert.deepEqual(
    writeKnownMap<MapSpec, { readonly at: (date: Date) => number }>(spec, fields as never, { at: (date) => date.getTime() / 1000 }),
    new Map([
      [1, 7],
      [2, 5],
    ]),
  );
});
