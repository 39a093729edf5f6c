import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  AceError,
  aifMethods,
  decodeAif,
  decodeExiCti,
  encodeAif,
  encodeExiCti,
  intersectScopes,
  localPart,
  parseScope,
  type Scope,
  type ScopeTable,
  scopeText,
  type Verdict,
} from '../../src/ace/index.ts';
import { Method } from '../../src/coap/index.ts';
import { fromHex, toHex } from '../../src/core/bytes.ts';

const table: ScopeTable = {
  r_temp: { '/temperature': ['GET', 'FETCH'] },
  w_led: { led: ['PUT'], '/temperature': ['POST'] },
};

const badScope = (error: unknown): boolean => error instanceof AceError && error.code === 'ERR_ACE_SCOPE' && error.responseCode === 128;

test('RFC 9200 5.10.2: nothing on the path is 4.03, something else on it is 4.05', () => {
  const permissions = parseScope('r_temp', table);
  assert.equal(permissions.decide('/temperature', Method.GET), 'permit');
  assert.equal(permissions.decide('/temperature', Method.FETCH), 'permit');
  assert.equal(permissions.decide('/temperature', Method.PUT), 'method');
  assert.equal(permissions.decide('/led', Method.PUT), 'path');
  assert.equal(permissions.decide('/temperature/', Method.GET), 'path');
  assert.equal(permissions.decide('/', Method.GET), 'path');
});

test('scope names: several names add up, a query is covered by its path', () => {
  const permissions = parseScope('r_temp w_led', table);
  assert.equal(permissions.decide('/temperature', Method.GET), 'permit');
  assert.equal(permissions.decide('/temperature', Method.POST), 'permit');
  assert.equal(permissions.decide(localPart(['led'], ['x=1', 'y']), Method.PUT), 'permit');
});

test('scope names: a path with a star covers what is below it, whatever the query, and adds to what is nearer', () => {
  const permissions = parseScope('read write', { read: { '/docs/*': ['GET'] }, write: { '/docs/a%20b/*': ['PUT'], '/docs/own': ['DELETE'] } });
  const verdicts = (target: string): Verdict[] => [Method.GET, Method.PUT, Method.DELETE].map((method) => permissions.decide(target, method));
  assert.deepEqual(verdicts('/docs/1'), ['permit', 'method', 'method']);
  assert.deepEqual(verdicts('/docs/1/2?x=/docs/a%20b/'), ['permit', 'method', 'method']);
  assert.deepEqual(verdicts('/docs/a%20b/3'), ['permit', 'permit', 'method']);
  assert.deepEqual(verdicts('/docs/own'), ['permit', 'method', 'permit']);
  for (const other of ['/docs', '/docs2/1', '/', '/docs%2F1']) assert.deepEqual(verdicts(other), ['path', 'path', 'path'], other);
});

test('RFC 9200 5.10.1.1: a scope that is not recognised as a whole is refused', () => {
  for (const scope of ['r_temp unknown', 'unknown', '', 'r_temp  w_led', ' r_temp', 'r_temp"', 'toString', '__proto__']) {
    assert.throws(() => parseScope(scope, table), badScope, scope);
  }
});

test('RFC 9237 2.1: an AIF entry covers its path and query exactly', () => {
  const permissions = parseScope(
    encodeAif([
      ['/s/temp', 1],
      ['/s/temp?unit=k', 2],
    ]),
  );
  assert.equal(permissions.decide(localPart(['s', 'temp']), Method.GET), 'permit');
  assert.equal(permissions.decide(localPart(['s', 'temp']), Method.POST), 'method');
  assert.equal(permissions.decide(localPart(['s', 'temp'], ['unit=k']), Method.POST), 'permit');
  assert.equal(permissions.decide(localPart(['s', 'temp'], ['unit=c']), Method.GET), 'path');
});

test('RFC 9237 3: entries of one local part are merged, with or without the leading slash', () => {
  const permissions = parseScope(
    encodeAif([
      ['temp', 1],
      ['/temp', 4],
    ]),
  );
  assert.equal(permissions.decide('/temp', Method.GET), 'permit');
  assert.equal(permissions.decide('/temp', Method.PUT), 'permit');
  assert.equal(permissions.decide('/temp', Method.POST), 'method');
});

test('RFC 9237 3: every method has its bit', () => {
  for (const [name, code] of Object.entries(Method)) {
    const permissions = parseScope(encodeAif([['/x', aifMethods([name])]]));
    for (const other of Object.values(Method)) assert.equal(permissions.decide('/x', other), other === code ? 'permit' : 'method', `${name} ${other}`);
  }
  assert.equal(aifMethods(['GET', 'PUT']), 5);
  assert.equal(aifMethods(['POST', 'Dynamic-GET', 'Dynamic-DELETE']), 2 + 2 ** 32 + 2 ** 35);
  assert.throws(() => aifMethods(['LIST']), badScope);
});

test('RFC 9237 2.3: Dynamic-* bits are carried and permit nothing by themselves', () => {
  const bytes = encodeAif([['/a/make-coffee', aifMethods(['POST', 'Dynamic-GET', 'Dynamic-DELETE'])]]);
  assert.equal(toHex(bytes), '81826e2f612f6d616b652d636f666665651b0000000900000002');
  const permissions = parseScope(bytes);
  assert.equal(permissions.decide('/a/make-coffee', Method.POST), 'permit');
  assert.equal(permissions.decide('/a/make-coffee', Method.GET), 'method');
  assert.deepEqual(decodeAif(bytes), [['/a/make-coffee', 2 + 2 ** 32 + 2 ** 35]]);
  const only = parseScope(encodeAif([['/x', 2 ** 32]]));
  assert.equal(only.decide('/x', Method.GET), 'path');
});

test('RFC 9237 3: a methods number of 64 bits stays exact', () => {
  const bytes = fromHex('8182622f781bffffffffffffffff');
  const aif = decodeAif(bytes);
  assert.equal(aif[0]?.[1], 2n ** 64n - 1n);
  assert.equal(toHex(encodeAif(aif)), toHex(bytes));
  assert.equal(parseScope(bytes).decide('/x', Method.iPATCH), 'permit');
});

test('no request code wraps around to the bit of another', () => {
  const permissions = parseScope(encodeAif([['/x', 1]]));
  for (const code of [0, 32, 33, 65, 97, -31]) assert.equal(permissions.decide('/x', code), 'method', `${code}`);
});

test('AIF: what is no array of [text, unsigned] is refused', () => {
  for (const hex of [
    '',
    'a0',
    '6161',
    '8101',
    '818101',
    '8182612f20',
    '8182412f01',
    '8182612ff5',
    '8183612f0101',
    '8182612f',
    '9f82612f01ff',
    '8182612ffb3ff0000000000000',
    '818261ff01',
  ]) {
    assert.throws(() => parseScope(fromHex(hex)), badScope, hex);
  }
  assert.throws(() => parseScope(encodeAif([['/%zz', 1]])), badScope);
  assert.throws(() => parseScope(encodeAif([['/%ff', 1]])), badScope);
});

test('RFC 7252 6.5: a slash inside a segment does not make two segments', () => {
  assert.equal(localPart([]), '/');
  assert.equal(localPart(['a', 'b']), '/a/b');
  assert.equal(localPart(['a/b']), '/a%2Fb');
  assert.equal(localPart(['a?b']), '/a%3Fb');
  assert.equal(localPart(['é']), '/%C3%A9');
  const permissions = parseScope(
    encodeAif([
      ['/a/b', 1],
      ['/%C3%a9', 1],
      ['/ü', 1],
    ]),
  );
  assert.equal(permissions.decide(localPart(['a/b']), Method.GET), 'path');
  assert.equal(permissions.decide(localPart(['a', 'b']), Method.GET), 'permit');
  assert.equal(permissions.decide(localPart(['é']), Method.GET), 'permit');
  assert.equal(permissions.decide(localPart(['ü']), Method.GET), 'permit');
});

test('local part: equal texts only for equal segments and queries', () => {
  const segments = fc.array(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 4 }), { maxLength: 3 });
  fc.assert(
    fc.property(segments, segments, segments, segments, (path, query, otherPath, otherQuery) => {
      const same = JSON.stringify([path, query]) === JSON.stringify([otherPath, otherQuery]);
      assert.equal(localPart(path, query) === localPart(otherPath, otherQuery), same);
    }),
    { numRuns: 200 },
  );
});

test('an AIF of a local part permits that local part', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 5 }), { maxLength: 3 }), (path) => {
      const target = localPart(path);
      assert.equal(parseScope(encodeAif([[target, 1]])).decide(target, Method.GET), 'permit');
    }),
    { numRuns: 200 },
  );
});

const reduce = (requested: Scope, granted: Scope): [string, boolean] | undefined => {
  const result = intersectScopes(requested, granted);
  return result && [scopeText(result.scope), result.reduced];
};

test('RFC 6749 3.3: the granted scope is what request and registration share', () => {
  assert.deepEqual(reduce('a b', 'b c a'), ['a b', false]);
  assert.deepEqual(reduce('a x b', 'a b'), ['a b', true]);
  assert.deepEqual(reduce('a a', 'a'), ['a', false]);
  assert.equal(reduce('x', 'a b'), undefined);
  assert.equal(reduce('a', encodeAif([['/a', 1]])), undefined);
  assert.equal(reduce(encodeAif([['/a', 1]]), 'a'), undefined);
  assert.throws(() => intersectScopes('a  b', 'a'), badScope);
});

test('RFC 9237: the granted AIF has for each local part the methods that both have', () => {
  const granted = encodeAif([
    ['/temp', 1],
    ['/led', 2 ** 33 + 5],
  ]);
  assert.deepEqual(reduce(encodeAif([['temp', 1]]), granted), ['[["temp", 1]]', false]);
  assert.deepEqual(
    reduce(
      encodeAif([
        ['/led', 7],
        ['/x', 1],
      ]),
      granted,
    ),
    ['[["/led", 5]]', true],
  );
  assert.deepEqual(reduce(encodeAif([['/led', 2 ** 33 + 4]]), granted), ['[["/led", 8589934596]]', false]);
  assert.equal(reduce(encodeAif([['/x', 1]]), granted), undefined);
  assert.throws(() => intersectScopes(fromHex('ff'), granted), badScope);
});

test('a byte string scope of another form matches only as a whole', () => {
  assert.deepEqual(reduce(fromHex('0102'), fromHex('0102')), ["h'0102'", false]);
  assert.equal(reduce(fromHex('01'), fromHex('0102')), undefined);
});

test('RFC 9200 5.10.3: cti is the identifier of the RS, then the sequence number', () => {
  const cti = encodeExiCti('rs1', 258);
  assert.equal(toHex(cti), '72733100000102');
  assert.deepEqual(decodeExiCti(cti), { resourceServer: new Uint8Array([0x72, 0x73, 0x31]), sequence: 258 });
  assert.equal(decodeExiCti(fromHex('00000001')), undefined);
  assert.equal(decodeExiCti(fromHex('')), undefined);
});
