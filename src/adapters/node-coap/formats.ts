import { NodeCoapError } from './errors.ts';

/** Media types by Content-Format, as node-coap spells them: the CoAP Content-Formats registry as of 2026-11, as far as node-coap goes. */
const registry: Readonly<Record<number, string>> = {
  0: 'text/plain',
  16: 'application/cose; cose-type="cose-encrypt0"',
  17: 'application/cose; cose-type="cose-mac0"',
  18: 'application/cose; cose-type="cose-sign1"',
  40: 'application/link-format',
  41: 'application/xml',
  42: 'application/octet-stream',
  47: 'application/exi',
  50: 'application/json',
  51: 'application/json-patch+json',
  52: 'application/merge-patch+json',
  60: 'application/cbor',
  61: 'application/cwt',
  62: 'application/multipart-core',
  63: 'application/cbor-seq',
  101: 'application/cose-key',
  102: 'application/cose-key-set',
  110: 'application/senml+json',
  111: 'application/sensml+json',
  112: 'application/senml+cbor',
  113: 'application/sensml+cbor',
  114: 'application/senml-exi',
  115: 'application/sensml-exi',
  256: 'application/coap-group+json',
  271: 'application/dots+cbor',
  272: 'application/missing-blocks+cbor-seq',
  280: 'application/pkcs7-mime; smime-type=server-generated-key',
  281: 'application/pkcs7-mime; smime-type=certs-only',
  284: 'application/pkcs8',
  285: 'application/csrattrs',
  286: 'application/pkcs10',
  287: 'application/pkix-cert',
  310: 'application/senml+xml',
  311: 'application/sensml+xml',
  320: 'application/senml-etch+json',
  322: 'application/senml-etch+cbor',
  432: 'application/td+json',
  10000: 'application/vnd.ocf+cbor',
  10001: 'application/oscore',
  10002: 'application/javascript',
  11542: 'application/vnd.oma.lwm2m+tlv',
  11543: 'application/vnd.oma.lwm2m+json',
  11544: 'application/vnd.oma.lwm2m+cbor',
  20000: 'text/css',
  30000: 'image/svg+xml',
};
const nameByNumber = new Map(Object.entries(registry).map(([number, name]) => [Number(number), name]));
const numberByName = new Map(Object.entries(registry).map(([number, name]) => [name, Number(number)]));

/** Give a Content-Format a name. What the program would tell node-coap by the function of this name. */
export function registerFormat(name: string, value: number): void {
  nameByNumber.set(value, name);
  numberByName.set(name, value);
}

/** The name of a Content-Format; the number itself for one without. */
export function formatName(number: number): string | number {
  return nameByNumber.get(number) ?? number;
}

/** @throws {NodeCoapError} `ERR_NODE_COAP_OPTION` */
export function formatNumber(name: string): number {
  const number = numberByName.get(name) ?? numberByName.get(name.split(';')[0]!.trim());
  if (number === undefined) throw new NodeCoapError('ERR_NODE_COAP_OPTION', `expected the name of a Content-Format, got ${JSON.stringify(name)}`);
  return number;
}
