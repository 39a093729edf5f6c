import {
  algorithmNames,
  CoseTag,
  CountersignatureLabel,
  curveNames,
  HeaderLabel,
  hashNames,
  headerNames,
  KeyLabel,
  KeyOperation,
  KeyType,
  RecipientLabel,
  recipientNames,
} from '../core/cose/index.ts';
import type { ItemNames } from '../core/diagnostic.ts';

export type Named = { readonly name: string } & ItemNames;

/** Names of an enumeration's values: `{ GET: 1 }` gives 1 its name. */
export function valuesOf(enumeration: Readonly<Record<string, number>>): ItemNames {
  return { values: new Map(Object.entries(enumeration).map(([name, value]) => [value, name])) };
}

/** Names by label, and what is known of some of the values. */
function namedEntries(names: ReadonlyMap<number, string>, more: ReadonlyMap<number, ItemNames>): [number, Named][] {
  return [...names].map(([label, name]) => [label, { ...more.get(label), name }]);
}

export const algorithm: ItemNames = { values: algorithmNames };

/** A COSE_Key; what -1 to -4 mean hangs on the key type, and the private ones are secret whatever it is. */
export const coseKeyNames: ItemNames = {
  entries: new Map<number, Named>([
    [KeyLabel.kty, { name: 'kty', ...valuesOf(KeyType) }],
    [KeyLabel.kid, { name: 'kid' }],
    [KeyLabel.alg, { name: 'alg', ...algorithm }],
    [KeyLabel.keyOps, { name: 'key_ops', every: valuesOf(KeyOperation) }],
    [KeyLabel.baseIv, { name: 'Base IV' }],
    // A byte string at -1 is the symmetric key, an integer is the curve.
    [KeyLabel.crv, { name: 'crv or k', secret: 'but-integers', values: curveNames }],
    [KeyLabel.x, { name: 'x' }],
    [KeyLabel.y, { name: 'y' }],
    [KeyLabel.d, { name: 'd', secret: true }],
  ]),
};

/** A COSE_KeySet (RFC 9052, Section 7). */
export const coseKeySetNames: ItemNames = { every: { name: 'COSE_Key', ...coseKeyNames } };

/** A countersignature is in the headers of a structure and has headers itself, so these two know each other. */
const headerEntries = new Map<number, Named>();
const headers: ItemNames = { entries: headerEntries };
const triple = (of: ItemNames, last: string): readonly Named[] => [{ name: 'protected', embedded: of }, { name: 'unprotected', ...of }, { name: last }];
const countersignature: Named = { name: 'COSE_Countersignature', elements: triple(headers, 'signature') };
const countersignatures: ItemNames = { ...countersignature, arrays: countersignature };

const headerValues = new Map<number, ItemNames>([
  [HeaderLabel.alg, algorithm],
  [HeaderLabel.crit, { every: { values: headerNames } }],
  [HeaderLabel.x5t, { elements: [{ values: hashNames }] }],
  [CountersignatureLabel.legacy, countersignatures],
  [CountersignatureLabel.full, countersignatures],
]);
for (const [label, named] of namedEntries(headerNames, headerValues)) headerEntries.set(label, named);

/** Of a recipient, whose algorithms have parameters of their own. */
const recipientHeaders: ItemNames = {
  entries: new Map([
    ...headerEntries,
    ...namedEntries(
      recipientNames,
      new Map([
        [RecipientLabel.ephemeralKey, coseKeyNames],
        [RecipientLabel.staticKey, coseKeyNames],
      ]),
    ),
  ]),
};

// A recipient may have recipients.
const recipientParts = [...triple(recipientHeaders, 'ciphertext')];
const recipient: Named = { name: 'COSE_recipient', elements: recipientParts };
recipientParts.push({ name: 'recipients', arrays: recipient });
const recipients: Named = { name: 'recipients', arrays: recipient };

const signatures: Named = { name: 'signatures', arrays: { name: 'COSE_Signature', elements: triple(headers, 'signature') } };

/** The tags that COSE defines. @param payload what is signed or MACed */
export function coseTags(payload: ItemNames): ReadonlyMap<number, Named> {
  const head = [
    { name: 'protected', embedded: headers },
    { name: 'unprotected', ...headers },
  ];
  const content = { name: 'payload', embedded: payload };
  const structure = (name: string, ...rest: readonly Named[]): Named => ({ name, elements: [...head, ...rest] });
  return new Map([
    [CoseTag.Encrypt0, structure('COSE_Encrypt0', { name: 'ciphertext' })],
    [CoseTag.Mac0, structure('COSE_Mac0', content, { name: 'tag' })],
    [CoseTag.Sign1, structure('COSE_Sign1', content, { name: 'signature' })],
    [CoseTag.Countersignature, countersignature],
    [CoseTag.Encrypt, structure('COSE_Encrypt', { name: 'ciphertext' }, recipients)],
    [CoseTag.Mac, structure('COSE_Mac', content, { name: 'tag' }, recipients)],
    [CoseTag.Sign, structure('COSE_Sign', content, signatures)],
  ]);
}

/** The parts of a COSE object without its tag, which could be any of six. */
export function untaggedCose(payload: ItemNames): readonly Named[] {
  return [
    { name: 'protected', embedded: headers },
    { name: 'unprotected', ...headers },
    { name: 'payload or ciphertext', embedded: payload },
    { name: 'signature, tag, signatures or recipients', arrays: { ...recipient, name: 'COSE_Signature or COSE_recipient' } },
    recipients,
  ];
}

const party = (name: string): Named => ({ name, elements: [{ name: 'identity' }, { name: 'nonce' }, { name: 'other' }] });

/** COSE_KDF_Context (RFC 9053 Section 5.2). What it adds in private is as secret as the key. */
export const kdfContextNames: ItemNames = {
  elements: [
    { name: 'AlgorithmID', ...algorithm },
    party('PartyUInfo'),
    party('PartyVInfo'),
    { name: 'SuppPubInfo', elements: [{ name: 'keyDataLength' }, { name: 'protected', embedded: recipientHeaders }, { name: 'other' }] },
    { name: 'SuppPrivInfo', secret: true },
  ],
};
