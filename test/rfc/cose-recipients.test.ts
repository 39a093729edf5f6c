import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, emptyBytes, fromHex, toHex } from '../../src/core/bytes.ts';
import { CborError, type CborKey, type CborValue, decode } from '../../src/core/cbor.ts';
import { type CoseObjectWithRecipients, decrypt, type OpenWithRecipientOptions, readEncrypt } from '../../src/core/cose/encrypt.ts';
import { encStructure } from '../../src/core/cose/encrypt0.ts';
import { CoseError, type CoseKey, decodeCoseKey, type KdfInfo } from '../../src/core/cose/index.ts';
import { kdfContext } from '../../src/core/cose/kdf-context.ts';
import { contentKey } from '../../src/core/cose/key-distribution.ts';
import { readMac, verifyMac } from '../../src/core/cose/mac.ts';
import { macStructure } from '../../src/core/cose/mac0.ts';
import type { CoseRecipient } from '../../src/core/cose/recipient.ts';
import { agree } from '../../src/core/crypto/index.ts';
import { fixture } from '../support/fixtures.ts';
import { oneIn, scale } from '../support/scale.ts';

interface KeyFields {
  readonly kty: number;
  readonly crv?: number;
  readonly x?: string;
  readonly y?: string;
  readonly d?: string;
  readonly k?: string;
  /** The IV that the Partial IV of the message stands for. */
  readonly iv?: string;
}

interface Example {
  readonly name: string;
  readonly kind: 'Encrypt' | 'Mac';
  readonly fail: boolean;
  readonly keys: readonly {
    readonly key: KeyFields;
    readonly sender?: KeyFields;
    readonly partyU?: string;
    readonly partyV?: string;
    readonly suppPubOther?: string;
    readonly suppPrivInfo?: string;
    readonly context?: string;
    readonly secret?: string;
    readonly kek?: string;
  }[];
  readonly external?: string;
  readonly plaintext: string;
  readonly structure?: string;
  readonly cek?: string;
  readonly cbor: string;
}

const kinds = { Encrypt: { read: readEncrypt, open: decrypt }, Mac: { read: readMac, open: verifyMac } } as const;

function keyOf({ kty, crv, x, y, d, k }: KeyFields, baseIv?: Uint8Array): CoseKey {
  const bytes = (hex: string | undefined): CborValue => (hex === undefined ? undefined : fromHex(hex));
  const entries: readonly (readonly [number, CborValue])[] = [
    [1, kty],
    [5, baseIv],
    [-1, kty === 4 ? bytes(k) : crv],
    [-2, bytes(x)],
    [-3, bytes(y)],
    [-4, bytes(d)],
  ];
  return decodeCoseKey(new Map<CborKey, CborValue>(entries.filter(([, value]) => value !== undefined)));
}

/** The Base IV that gives an IV with the Partial IV of a message (RFC 9052 Section 3.1). */
function baseIvOf(iv: string | undefined, partialIv: Uint8Array | undefined): Uint8Array | undefined {
  if (iv === undefined || partialIv === undefined) return undefined;
  const base = fromHex(iv);
  concat(new Uint8Array(base.length - partialIv.length), partialIv).forEach((byte, at) => {
    base[at]! ^= byte;
  });
  return base;
}

function infoOf({ partyU, partyV, suppPubOther, suppPrivInfo }: Example['keys'][number]): KdfInfo {
  return {
    ...(partyU === undefined ? {} : { partyU: { identity: fromHex(partyU) } }),
    ...(partyV === undefined ? {} : { partyV: { identity: fromHex(partyV) } }),
    ...(suppPubOther === undefined ? {} : { suppPubOther: fromHex(suppPubOther) }),
    ...(suppPrivInfo === undefined ? {} : { suppPrivInfo: fromHex(suppPrivInfo) }),
  };
}

function optionsOf(example: Example, object: CoseObjectWithRecipients, at: number): OpenWithRecipientOptions {
  const entry = example.keys[at]!;
  return {
    key: keyOf(entry.key, baseIvOf(entry.key.iv, object.headers.partialIv)),
    ...(entry.sender === undefined ? {} : { sender: keyOf(entry.sender) }),
    info: infoOf(entry),
    externalAad: example.external === undefined ? emptyBytes : fromHex(example.external),
  };
}

const leaves = (recipients: readonly CoseRecipient[]): readonly CoseRecipient[] =>
  recipients.flatMap((recipient) => (recipient.recipients.length > 0 ? leaves(recipient.recipients) : [recipient]));

const { examples } = fixture<{ examples: readonly Example[] }>('cose/recipients.json');

for (const [number, example] of examples.entries()) {
  const { name, kind, cbor, plaintext } = example;
  const { read, open } = kinds[kind];
  const bytes = fromHex(cbor);

  if (example.fail) {
    test(`COSE WG example ${name}: refused`, () => {
      assert.throws(
        () => {
          const object = read(decode(bytes));
          open(object, optionsOf(example, object, 0));
        },
        (error: unknown) => error instanceof CoseError,
      );
    });
    continue;
  }

  test(`COSE WG example ${name}`, () => {
    const object = read(decode(bytes));
    const recipients = leaves(object.recipients);
    assert.equal(recipients.length, example.keys.length);
    for (const [at, entry] of example.keys.entries()) {
      const options = optionsOf(example, object, at);
      const aad = options.externalAad!;
      const structure = kind === 'Mac' ? macStructure(object.protectedBytes, aad, object.payload!, 'MAC') : encStructure(object.protectedBytes, aad, 'Encrypt');
      if (example.structure !== undefined) assert.equal(toHex(structure), example.structure);
      const recipient = recipients[at]!;
      if (entry.secret !== undefined) assert.equal(toHex(agree(options.key, recipient.senderKey ?? options.sender!)), entry.secret);
      if (entry.context !== undefined) {
        const [algorithm, , , [bits]] = decode(fromHex(entry.context)) as [number, unknown, unknown, [number]];
        assert.equal(toHex(kdfContext(algorithm, bits / 8, recipient.protectedBytes, recipient.parameters, options.info!)), entry.context);
      }
      if (example.cek !== undefined) assert.equal(toHex(contentKey(object.recipients, object.headers.alg as number, options).k!), example.cek);
      assert.equal(toHex(open(object, options)), plaintext);
      assert.throws(() => open(object, { ...options, externalAad: Uint8Array.of(1, ...aad) }), { code: 'ERR_COSE_VERIFY' });
    }
  });

  test(`COSE WG example ${name}: a changed bit is refused by COSE or CBOR, or changes nothing that is covered`, () => {
    const whole = read(decode(bytes));
    const options = example.keys.map((_, at) => optionsOf(example, whole, at));
    // Quick: from another byte in each example.
    const step = oneIn(192, 'the changed bytes of the COSE WG examples with recipients', 24);
    const first = number % step;
    for (let at = first; at < bytes.length; at += step) {
      for (const bit of scale === 'full' ? [0, 1, 2, 3, 4, 5, 6, 7] : [(at + number) % 8]) {
        const changed = bytes.slice();
        changed[at]! ^= 1 << bit;
        try {
          assert.equal(toHex(open(read(decode(changed)), options[0]!)), plaintext);
        } catch (error) {
          assert.ok(error instanceof CoseError || error instanceof CborError, `byte ${at}, bit ${bit}: ${error}`);
        }
      }
    }
  });

  test(`COSE WG example ${name}: every prefix is refused`, () => {
    for (let end = 0; end < bytes.length; end++) assert.throws(() => read(decode(bytes.subarray(0, end))), CborError);
  });
}
