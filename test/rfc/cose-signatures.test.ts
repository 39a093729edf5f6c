import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { emptyBytes, fromBase64Url, fromHex, fromUtf8, toHex } from '../../src/core/bytes.ts';
import { CborError, type CborKey, type CborValue, decode, encode, Tagged } from '../../src/core/cbor.ts';
import {
  algorithmOf,
  CoseError,
  type CoseKey,
  certificateHash,
  countersignaturesOf,
  decodeCoseKey,
  isCertificateHash,
  legacyCountersignaturesOf,
  readSign,
  readSign1,
  verifyCountersignature,
  verifyLegacyCountersignature,
  verifyLegacyCountersignature0,
  verifySign,
  verifySign1,
} from '../../src/core/cose/index.ts';
import { signerStructure } from '../../src/core/cose/sign.ts';
import { sigStructure } from '../../src/core/cose/sign1.ts';
import { parseDiagnostic } from '../../src/core/parse-diagnostic.ts';
import { fixture, root } from '../support/fixtures.ts';
import { oneIn } from '../support/scale.ts';

// Files of cose-wg/Examples as they are: `input` says who signs, `output.cbor` is the object.
interface WgKey {
  readonly kty: string;
  readonly crv?: string;
  readonly x?: string;
  readonly y?: string;
  readonly x_hex?: string;
  readonly y_hex?: string;
}
interface WgSigner {
  readonly key: WgKey;
  readonly external?: string;
  readonly unsent?: { readonly alg: string };
  readonly countersign?: { readonly signers: readonly WgSigner[] };
  readonly countersign0?: { readonly signers: readonly WgSigner[] };
}
interface WgBody extends Partial<WgSigner> {
  readonly signers?: readonly WgSigner[];
  readonly recipients?: readonly WgSigner[];
}
interface WgExample {
  readonly fail?: boolean;
  readonly input: { readonly plaintext: string } & Readonly<Record<string, WgBody | string>>;
  readonly intermediates?: { readonly ToBeSign_hex?: string; readonly signers?: readonly { readonly ToBeSign_hex?: string }[] };
  readonly output: { readonly cbor: string; readonly cbor_diag: string };
}

const curves: Readonly<Record<string, number>> = { 'P-256': 1, 'P-384': 2, 'P-521': 3, Ed25519: 6 };

function keyOf({ kty, crv, x, y, x_hex, y_hex }: WgKey, alg?: string): CoseKey {
  const entries: readonly (readonly [number, CborValue])[] = [
    [1, kty === 'OKP' ? 1 : 2],
    [3, alg === undefined ? undefined : algorithmOf(alg)],
    [-1, curves[crv!]],
    [-2, x_hex === undefined ? fromBase64Url(x!) : fromHex(x_hex)],
    [-3, kty === 'OKP' ? undefined : y_hex === undefined ? fromBase64Url(y!) : fromHex(y_hex)],
  ];
  return decodeCoseKey(new Map<CborKey, CborValue>(entries.filter(([, value]) => value !== undefined)));
}

const aad = (signer: { readonly external?: string }): Uint8Array => (signer.external === undefined ? emptyBytes : fromHex(signer.external));
const partsOf = (item: CborValue): readonly CborValue[] => (item instanceof Tagged ? item.value : item) as readonly CborValue[];
const bodyOf = ({ input }: WgExample): WgBody =>
  Object.entries(input).find(([name, value]) => name !== 'failures' && typeof value === 'object' && !Array.isArray(value))![1] as WgBody;

/** Verify a COSE_Sign or COSE_Sign1 example by all who sign it. */
function open(example: WgExample, bytes: Uint8Array, anyCurve: boolean, check?: (structure: string | undefined, ours: Uint8Array) => void): Uint8Array[] {
  const body = bodyOf(example);
  const { intermediates } = example;
  if (body.signers === undefined) {
    const object = readSign1(decode(bytes));
    check?.(intermediates?.ToBeSign_hex, sigStructure(object.protectedBytes, aad(body), object.payload!));
    return [verifySign1(object, { key: keyOf(body.key!), externalAad: aad(body), anyCurve })];
  }
  const object = readSign(decode(bytes));
  return body.signers.map((signer, index) => {
    const found = object.signers[index]!;
    check?.(intermediates?.signers?.[index]?.ToBeSign_hex, signerStructure(object.protectedBytes, found.protectedBytes, aad(signer), object.payload!));
    return verifySign(object, found, { key: keyOf(signer.key), externalAad: aad(signer), anyCurve });
  });
}

/** The bytes of these two have a text as kid, where their own diagnostic notation, and RFC 9052 Section 3.1, have a byte string. */
const textKid: ReadonlySet<string> = new Set(['x509-examples/signed-01.json', 'x509-examples/signed-02.json']);
const bytesOf = (name: string, { output }: WgExample): Uint8Array => (textKid.has(name) ? encode(parseDiagnostic(output.cbor_diag)) : fromHex(output.cbor));

const filesOf = (family: string): readonly string[] => readdirSync(join(root, 'fixtures', 'cose', family)).sort();

/** ES512 with a key of P-256: RFC 9053 Section 2.1 allows it and suggests not to do so. It verifies for whoever asks for any curve. */
const weak: ReadonlySet<string> = new Set(['ecdsa-examples/ecdsa-04.json', 'ecdsa-examples/ecdsa-sig-04.json']);

for (const family of ['sign-tests', 'sign1-tests', 'ecdsa-examples', 'eddsa-examples', 'x509-examples']) {
  for (const file of filesOf(family)) {
    const name = `${family}/${file}`;
    const example = fixture<WgExample>(`cose/${name}`);
    const bytes = bytesOf(name, example);
    if (textKid.has(name)) {
      test(`COSE WG example ${name}: a kid that is a text`, () => {
        assert.throws(() => open(example, fromHex(example.output.cbor), false), { code: 'ERR_COSE_FORMAT' });
      });
    }
    if (example.fail === true) {
      test(`COSE WG example ${name}: refused`, () => {
        assert.throws(() => open(example, bytes, false), CoseError);
      });
      continue;
    }
    const anyCurve = weak.has(name);
    if (anyCurve) {
      test(`COSE WG example ${name}: hash and curve of different strength are refused unless any curve is asked for`, () => {
        assert.throws(() => open(example, bytes, false), { code: 'ERR_COSE_ALGORITHM' });
      });
    }
    test(`COSE WG example ${name}`, () => {
      const payloads = open(example, bytes, anyCurve, (theirs, ours) => {
        if (theirs !== undefined) assert.equal(toHex(ours), theirs.toLowerCase());
      });
      for (const payload of payloads) assert.equal(fromUtf8(payload), example.input.plaintext);
    });
    test(`COSE WG example ${name}: a changed bit is refused by COSE or CBOR, or changes nothing that is covered`, () => {
      for (let at = 0; at < bytes.length; at += (bytes.length > 400 ? 7 : 1) * oneIn(17, 'the changed bytes of the COSE WG examples with signatures')) {
        const changed = bytes.slice();
        changed[at]! ^= 1 << (at % 8);
        try {
          for (const payload of open(example, changed, anyCurve)) assert.equal(fromUtf8(payload), example.input.plaintext);
        } catch (error) {
          assert.ok(error instanceof CoseError || error instanceof CborError, `byte ${at}: ${error}`);
        }
      }
    });
  }
}

/** What of an example is countersigned: the object, its signers, its recipients. */
function targets(example: WgExample, item: CborValue): readonly (readonly [CborValue, WgSigner])[] {
  const body = bodyOf(example);
  const inner = partsOf(item).at(-1);
  const lists = [body.signers, body.recipients].filter((list) => list !== undefined);
  return [
    [item, body as WgSigner],
    ...lists.flatMap((list) => (Array.isArray(inner) ? list.map((signer, index) => [inner[index] as CborValue, signer] as const) : [])),
  ];
}

for (const file of filesOf('countersign')) {
  test(`RFC 8152 4.5: COSE WG example countersign/${file}`, () => {
    const example = fixture<WgExample>(`cose/countersign/${file}`);
    let count = 0;
    for (const [target, described] of targets(example, decode(fromHex(example.output.cbor)))) {
      const found = legacyCountersignaturesOf(target);
      const makers = described.countersign?.signers ?? [];
      assert.equal(found.length, makers.length);
      for (const [index, maker] of makers.entries()) {
        const key = keyOf(maker.key);
        verifyLegacyCountersignature(target, found[index], { key });
        assert.throws(() => verifyLegacyCountersignature(target, found[index], { key, externalAad: Uint8Array.of(1) }), { code: 'ERR_COSE_VERIFY' });
        if (
          partsOf(target)
            .slice(3)
            .some((part) => part instanceof Uint8Array)
        )
          assert.throws(() => verifyCountersignature(target, found[index], { key }), { code: 'ERR_COSE_VERIFY' });
        count++;
      }
      assert.deepEqual(countersignaturesOf(target), []);
    }
    assert.ok(count > 0);
  });
}

for (const file of filesOf('countersign1')) {
  test(`RFC 8152 4.5: COSE WG example countersign1/${file}`, () => {
    const example = fixture<WgExample>(`cose/countersign1/${file}`);
    let count = 0;
    for (const [target, described] of targets(example, decode(fromHex(example.output.cbor)))) {
      for (const maker of described.countersign0?.signers ?? []) {
        const key = keyOf(maker.key, maker.unsent?.alg ?? 'EdDSA');
        verifyLegacyCountersignature0(target, { key });
        assert.throws(() => verifyLegacyCountersignature0(target, { key, externalAad: Uint8Array.of(1) }), { code: 'ERR_COSE_VERIFY' });
        count++;
      }
    }
    assert.ok(count > 0);
  });
}

const rfcKeys: Readonly<Record<string, CoseKey>> = {
  ES256: keyOf({ kty: 'EC', crv: 'P-256', x: 'usWxHK2PmfnHKwXPS54m0kTcGJ90UiglWiGahtagnv8', y: 'IBOL-C3BttVivg-lSreASjpkttcsz-1rb7btKLv8EX4' }),
  ES512: keyOf({
    kty: 'EC',
    crv: 'P-521',
    x: 'AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt',
    y: 'AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1',
  }),
  EdDSA: keyOf({ kty: 'OKP', crv: 'Ed25519', x_hex: 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a' }),
};
const rfcAlgorithm: Readonly<Record<string, string>> = { 'A.2.1': 'ES256', 'A.3.1': 'ES512', 'A.4.1': 'ES512' };

for (const { section, diagnostic } of fixture<{ examples: readonly { section: string; diagnostic: string }[] }>('cose/rfc9338.json').examples) {
  test(`RFC 9338 ${section}`, () => {
    const target = parseDiagnostic(diagnostic);
    const key = rfcKeys[rfcAlgorithm[section] ?? 'EdDSA']!;
    const [countersignature, ...more] = countersignaturesOf(target);
    assert.equal(more.length, 0);
    verifyCountersignature(target, countersignature, { key });
    assert.throws(() => verifyCountersignature(target, countersignature, { key, externalAad: Uint8Array.of(1) }), { code: 'ERR_COSE_VERIFY' });
  });
}

test('RFC 9360 2: certificates in the headers of the COSE WG examples, and their hash', () => {
  const headersOf = (file: string) => readSign(decode(bytesOf(`x509-examples/${file}`, fixture(`cose/x509-examples/${file}`)))).signers[0]!.headers;
  const [endEntity, authority] = headersOf('signed-02.json').x5bag!;
  assert.ok(endEntity && authority);
  assert.deepEqual(headersOf('signed-01.json').x5bag, [endEntity]);
  assert.deepEqual(headersOf('signed-03.json').x5chain, [endEntity]);
  assert.deepEqual(headersOf('signed-04.json').x5chain, [endEntity, authority]);
  const { x5t } = headersOf('signed-05.json');
  assert.deepEqual(certificateHash(endEntity), x5t);
  assert.ok(isCertificateHash(x5t!, endEntity));
  assert.ok(!isCertificateHash(x5t!, authority));
  assert.ok(!isCertificateHash({ ...x5t!, hash: x5t!.hash.subarray(1) }, endEntity));
  const short = certificateHash(endEntity, -15);
  assert.equal(toHex(short.hash), toHex(x5t!.hash.subarray(0, 8)));
  assert.ok(isCertificateHash(short, endEntity));
  assert.ok(!isCertificateHash({ ...short, hash: x5t!.hash }, endEntity));
});
