import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fromBase64Url, fromHex, fromUtf8 } from '../../src/core/bytes.ts';
import { decode } from '../../src/core/cbor.ts';
import {
  type CoseKey,
  Curve,
  decodeCoseKey,
  legacyCountersignaturesOf,
  readSign,
  verifyLegacyCountersignature,
  verifySign,
} from '../../src/core/cose/index.ts';
import { fixture, root } from '../support/fixtures.ts';

interface WgKey {
  readonly crv: 'P-256' | 'P-521';
  readonly x: string;
  readonly y: string;
}
interface WgSigner {
  readonly key: WgKey;
}
interface SignExample {
  readonly input: {
    readonly plaintext: string;
    readonly sign: { readonly signers: readonly WgSigner[]; readonly countersign?: { readonly signers: readonly WgSigner[] } };
  };
  readonly output: { readonly cbor: string };
}

const curves = { 'P-256': Curve.P256, 'P-521': Curve.P521 } as const;
const keyOf = ({ key: { crv, x, y } }: WgSigner): CoseKey =>
  decodeCoseKey(
    new Map<number, number | Uint8Array>([
      [1, 2],
      [-1, curves[crv]],
      [-2, fromBase64Url(x)],
      [-3, fromBase64Url(y)],
    ]),
  );

for (const [name, countersigned] of [
  ['Appendix_C_1_2', false],
  ['Appendix_C_1_3', true],
] as const) {
  test(`RFC 8152 ${name}: each signature of COSE_Sign`, () => {
    const { input, output } = fixture<SignExample>(`cose/RFC8152/${name}.json`);
    const item = decode(fromHex(output.cbor));
    const object = readSign(item);
    assert.equal(object.signers.length, input.sign.signers.length);
    for (const [at, signer] of input.sign.signers.entries())
      assert.equal(fromUtf8(verifySign(object, object.signers[at]!, { key: keyOf(signer) })), input.plaintext);
    const counters = legacyCountersignaturesOf(item);
    assert.equal(counters.length, countersigned ? 1 : 0);
    for (const [at, maker] of (input.sign.countersign?.signers ?? []).entries()) verifyLegacyCountersignature(item, counters[at], { key: keyOf(maker) });
  });
}

test('RFC 8152 Appendix_C_1_4: a critical label of an application is refused unless the application says that it understands it', () => {
  const { input, output } = fixture<SignExample>('cose/RFC8152/Appendix_C_1_4.json');
  const item = decode(fromHex(output.cbor));
  assert.throws(() => readSign(item), { code: 'ERR_COSE_FORMAT', message: /crit.*understood/ });
  assert.throws(() => readSign(item, { understood: new Set(['other']) }), { code: 'ERR_COSE_FORMAT', message: /crit.*understood/ });
  const object = readSign(item, { understood: new Set(['reserved']) });
  assert.deepEqual(object.headers.unknown, new Map([['reserved', false]]));
  const [signer] = input.sign.signers;
  assert.equal(fromUtf8(verifySign(object, object.signers[0]!, { key: keyOf(signer!) })), input.plaintext);
});

/** Algorithms that this stack does not offer; no standard of ACE asks for them. */
const absent: ReadonlyMap<string, string> = new Map([
  ['rsa-pss-examples/rsa-pss-01', 'RSASSA-PSS'],
  ['rsa-pss-examples/rsa-pss-02', 'RSASSA-PSS'],
  ['rsa-oaep-examples/ps-128gcm-01', 'RSAES-OAEP'],
  ['rsa-oaep-examples/ps256-128gcm-01', 'RSAES-OAEP'],
  ['hashsig/hsssig-sig-01', 'HSS-LMS'],
]);

test('COSE WG examples: each of the 251 files is a fixture, or absent for its algorithm', () => {
  const { files } = fixture<{ files: readonly string[] }>('cose/files.json');
  assert.equal(new Set(files).size, 251);
  const held = new Map(
    ['examples', 'recipients'].flatMap((set) =>
      fixture<{ examples: readonly { readonly name: string; readonly fail: boolean }[] }>(`cose/${set}.json`).examples.map(
        ({ name, fail }) => [name, fail] as const,
      ),
    ),
  );
  for (const name of files) {
    const file = existsSync(join(root, 'fixtures', 'cose', `${name}.json`)) ? fixture<{ fail?: boolean }>(`cose/${name}.json`) : undefined;
    const fails = held.get(name) ?? (file === undefined ? undefined : file.fail === true);
    assert.equal(fails === undefined, absent.has(name), name);
    // Their tests open what does not fail and want a refusal of what does.
    if (name.includes('fail')) assert.equal(fails, true, name);
  }
  for (const name of [...held.keys(), ...absent.keys()]) assert.ok(files.includes(name), name);
});
