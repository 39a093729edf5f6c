/** CoAP Content-Formats, the part of the IANA registry that this stack meets, as of 2026-11. */
export const ContentFormat = {
  TextPlain: 0,
  CoseEncrypt0: 16,
  CoseMac0: 17,
  CoseSign1: 18,
  AceCbor: 19,
  LinkFormat: 40,
  Xml: 41,
  OctetStream: 42,
  Exi: 47,
  Json: 50,
  Cbor: 60,
  Cwt: 61,
  CborSequence: 63,
  CoseEncrypt: 96,
  CoseMac: 97,
  CoseSign: 98,
  CoseKey: 101,
  CoseKeySet: 102,
  ConciseProblemDetails: 257,
  AceTrl: 262,
  MissingBlocks: 272,
  AifCbor: 290,
  AifJson: 291,
  Oscore: 10001,
} as const;
export type ContentFormat = (typeof ContentFormat)[keyof typeof ContentFormat];

const mediaTypes: ReadonlyMap<number, string> = new Map([
  [0, 'text/plain; charset=utf-8'],
  [16, 'application/cose; cose-type="cose-encrypt0"'],
  [17, 'application/cose; cose-type="cose-mac0"'],
  [18, 'application/cose; cose-type="cose-sign1"'],
  [19, 'application/ace+cbor'],
  [40, 'application/link-format'],
  [41, 'application/xml'],
  [42, 'application/octet-stream'],
  [47, 'application/exi'],
  [50, 'application/json'],
  [60, 'application/cbor'],
  [61, 'application/cwt'],
  [63, 'application/cbor-seq'],
  [96, 'application/cose; cose-type="cose-encrypt"'],
  [97, 'application/cose; cose-type="cose-mac"'],
  [98, 'application/cose; cose-type="cose-sign"'],
  [101, 'application/cose-key'],
  [102, 'application/cose-key-set'],
  [257, 'application/concise-problem-details+cbor'],
  [262, 'application/ace-trl+cbor'],
  [272, 'application/missing-blocks+cbor-seq'],
  [290, 'application/aif+cbor'],
  [291, 'application/aif+json'],
  [10001, 'application/oscore'],
]);

/** The media type of a Content-Format, `content-format 4711` for one that is not in the table. */
export function contentFormatName(number: number): string {
  return mediaTypes.get(number) ?? `content-format ${number}`;
}

/** The Content-Format of a media type (its parameters count, white space does not), or of a decimal number. */
export function contentFormatOf(name: string): number | undefined {
  if (/^\d{1,5}$/.test(name)) {
    const number = Number(name);
    return number <= 0xffff ? number : undefined;
  }
  const wanted = name.toLowerCase().replace(/\s+/g, '');
  if (wanted === 'text/plain') return ContentFormat.TextPlain;
  for (const [number, mediaType] of mediaTypes) {
    if (mediaType.replace(/\s+/g, '') === wanted) return number;
  }
  return undefined;
}
