import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex, utf8 } from '../../src/core/bytes.ts';
import { type CborKey, type CborValue, encode, Tagged } from '../../src/core/cbor.ts';
import {
  Algorithm,
  algorithmNames,
  type CoseKey,
  CoseTag,
  CountersignatureLabel,
  Curve,
  certificateHash,
  coseKeyMap,
  countersign,
  countersign0,
  curveNames,
  encrypt,
  HeaderLabel,
  hashNames,
  headerNames,
  KeyType,
  mac,
  mac0,
  RecipientLabel,
  recipientNames,
  sign,
  sign1,
  withCountersignature0,
  withCountersignatures,
} from '../../src/core/cose/index.ts';
import { keyPair } from '../../src/core/crypto/index.ts';
import { encodeClaims } from '../../src/core/cwt.ts';
import { diagnose } from '../../src/core/diagnostic.ts';
import { systemEnv } from '../../src/core/env.ts';
import { coseKeyNames, coseKeySetNames, itemNames } from '../../src/inspect/index.ts';
import { fixture } from '../support/fixtures.ts';
import { aceExits } from './lab.ts';

const { random } = systemEnv;
const p256 = (): CoseKey => ({ kty: KeyType.EC2, ...keyPair(Curve.P256, random) });
const signer = p256();
const payload = utf8('This is the content.');
const notation = (value: CborValue): string => diagnose(encode(value), { names: itemNames, width: 0 });

test('decode: every label, algorithm, curve and hash of the registry tables has a name', () => {
  for (const [labels, names] of [
    [{ ...HeaderLabel, ...CountersignatureLabel }, headerNames],
    [RecipientLabel, recipientNames],
    [Curve, curveNames],
    [Algorithm, algorithmNames],
  ] as const) {
    assert.deepEqual([...names.keys()].sort(), Object.values(labels).sort());
    assert.equal(new Set(names.values()).size, names.size);
  }
  for (const algorithm of hashNames.keys()) assert.ok(certificateHash(payload, algorithm).hash.length > 0);
  for (const tag of Object.values(CoseTag)) assert.match(notation(new Tagged(tag, [])), /^\/ COSE_/);
});

test('decode: countersignatures of RFC 9338 and RFC 8152, one and several, with headers of their own', () => {
  const target = sign1({ key: signer, algorithm: Algorithm.ES256, payload });
  const options = { key: signer, algorithm: Algorithm.ES256, kid: Uint8Array.of(7) };
  const own = "/ protected / <<{/ alg / 1: -7 / ES256 /, / kid / 4: h'07'}>>, / unprotected / {}, / signature / h'";
  const one = notation(withCountersignatures(target, [countersign(target, options)]));
  assert.ok(one.includes(`/ Countersignature version 2 / 11: [${own}`), one);
  const two = notation(withCountersignatures(target, [countersign(target, options), countersign(target, options)]));
  assert.ok(two.includes(`/ Countersignature version 2 / 11: [/ COSE_Countersignature / [${own}`), two);
  const abbreviated = notation(withCountersignature0(target, countersign0(target, options)));
  assert.ok(abbreviated.includes("/ Countersignature0 version 2 / 12: h'"), abbreviated);
  const legacy = diagnose(fromHex(fixture<{ output: { cbor: string } }>('cose/countersign/signed-03.json').output.cbor), { names: itemNames, width: 0 });
  assert.ok(
    legacy.includes("/ counter signature / 7: [/ protected / <<{/ alg / 1: -8 / EdDSA /}>>, / unprotected / {/ kid / 4: h'3131'}, / signature / h'"),
    legacy,
  );
});

test('decode: COSE_Sign, COSE_Mac and COSE_Encrypt, their signers and recipients; no private part of a key in a header', () => {
  const signed = notation(sign({ payload, signers: [{ key: signer, algorithm: Algorithm.ES256, kid: Uint8Array.of(1) }] }));
  assert.ok(signed.startsWith('/ COSE_Sign / 98([/ protected / '), signed);
  assert.ok(signed.includes("/ signatures / [/ COSE_Signature / [/ protected / <<{/ alg / 1: -7 / ES256 /, / kid / 4: h'01'}>>"), signed);
  const { d: _, ...receiver } = p256();
  const recipients = [{ key: receiver, algorithm: Algorithm.ECDH_ES_HKDF_256, info: { partyU: { nonce: Uint8Array.of(5) } } }];
  const encrypted = notation(encrypt({ algorithm: Algorithm.A128GCM, plaintext: payload, nonce: random(12), recipients, random }));
  assert.ok(encrypted.includes('/ recipients / [/ COSE_recipient / [/ protected / <<{/ alg / 1: -25 / ECDH-ES + HKDF-256 /'), encrypted);
  assert.match(encrypted, /\/ ephemeral key \/ -1: \{\/ kty \/ 1: 2 \/ EC2 \/, \/ crv or k \/ -1: 1 \/ P-256 \//);
  assert.match(encrypted, /\/ PartyU nonce \/ -22: h'05'/);
  const maced = notation(
    mac({ algorithm: Algorithm.HMAC_256, payload, recipients: [{ key: { kty: 4, k: random(32) }, algorithm: Algorithm.direct }], random }),
  );
  assert.ok(maced.includes('/ recipients / [/ COSE_recipient / ['), maced);
  assert.ok(maced.includes('{/ alg / 1: -6 / direct /}'), maced);

  const careless = new Map<CborKey, CborValue>([
    [1, -25],
    [-1, coseKeyMap(signer)],
  ]);
  const leaked = notation([new Uint8Array(0), new Map(), payload, payload, [[new Uint8Array(0), careless, new Uint8Array(0)]]]);
  const inside = diagnose(encode([new Uint8Array(0), new Map(), payload, payload, [[new Uint8Array(0), careless, new Uint8Array(0)]]]), {
    names: { tags: itemNames.tags!, ...itemNames.tags!.get(CoseTag.Mac) },
  });
  assert.ok(leaked.includes(toHex(signer.d!)), 'without a name for what it is, this test would see the private part');
  assert.ok(!inside.includes(toHex(signer.d!)), inside);
});

test('decode: a token in a token, and claims in what is signed or MACed', () => {
  const claims = encodeClaims({ aud: 'rs1', exp: 1_900_000_000 });
  const inner = encode(sign1({ key: signer, algorithm: Algorithm.ES256, payload: claims }));
  const outer = notation(mac0({ key: { kty: 4, k: random(32) }, algorithm: Algorithm.HMAC_256, payload: inner }));
  assert.match(outer, /^\/ COSE_Mac0 \/ 17\(\[.*\/ payload \/ <<\/ COSE_Sign1 \/ 18\(\[.*\/ payload \/ <<\{\/ aud \/ 3: "rs1", \/ exp \/ 4: 1900000000\}>>/);
});

test('decode: x5t and crit by name', () => {
  const x5t = certificateHash(payload);
  const text = notation(sign1({ key: signer, algorithm: Algorithm.ES256, payload, x5t }));
  assert.match(text, /\/ x5t \/ 34: \[-16 \/ SHA-256 \/, h'/);
  const critical = encode(
    new Map<CborKey, CborValue>([
      [1, -7],
      [2, [1, 99]],
      [99, 0],
    ]),
  );
  assert.match(diagnose(encode([critical, new Map()]), { names: itemNames.tags!.get(CoseTag.Sign1)! }), /\/ crit \/ 2: \[1 \/ alg \/, 99\]/);
});

test('decode: private parts of keys and key sets are not shown, in whatever form they are encoded', () => {
  const k = random(16);
  const set = encode([coseKeyMap(signer), coseKeyMap({ kty: 4, k, keyOps: [3, 4] })]);
  for (const text of [
    diagnose(set, { names: coseKeySetNames }),
    ...[signer, { kty: 4, k }].map((key) => diagnose(encode(coseKeyMap(key)), { names: coseKeyNames })),
  ]) {
    assert.ok(!text.includes(toHex(signer.d!)) && !text.includes(toHex(k)), text);
    assert.match(text, /secret of \d+ encoded bytes/);
  }
  assert.match(
    diagnose(set, { names: coseKeySetNames, width: 0 }),
    /\/ COSE_Key \/ \{\/ kty \/ 1: 4 \/ Symmetric \/,.*\/ key_ops \/ 4: \[3 \/ encrypt \/, 4 \/ decrypt \/\]/,
  );
});

test('ace-coap decode: key sets, COSE without a tag, COSE_KDF_Context, keys that are not deterministic: found out', async () => {
  const k = random(16);
  const lenientKey = `bf010420${toHex(encode(k))}ff`;
  const { context } = fixture<{ examples: readonly { keys: readonly { context?: string }[] }[] }>('cose/recipients.json')
    .examples.flatMap(({ keys }) => keys)
    .find((key) => key.context !== undefined)!;
  const untagged = sign({ payload, signers: [{ key: signer, algorithm: Algorithm.ES256 }] }).value;
  for (const [kind, hex, says] of [
    ['cose-key-set', toHex(encode([coseKeyMap(signer)])), / COSE_Key .*kty/s],
    ['cose', toHex(encode(untagged)), /COSE_Signature or COSE_recipient[\s\S]*ES256/],
    ['kdf-context', context!, /AlgorithmID[\s\S]*keyDataLength/],
    ['cose-key', lenientKey, /secret of 17 encoded bytes/],
  ] as const) {
    const { stdout } = await aceExits(0, ['decode', hex]);
    assert.ok(stdout.startsWith(`# ${kind}, `), stdout);
    assert.match(stdout, says);
    assert.ok(!stdout.includes(toHex(k)) && !stdout.includes(toHex(signer.d!)), stdout);
  }
});
