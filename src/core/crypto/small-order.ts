const p25519 = 2n ** 255n - 19n;
const p448 = 2n ** 448n - 2n ** 224n - 1n;

interface LowPoints {
  readonly p: bigint;
  /** The bits of the last byte that belong to the coordinate. */
  readonly mask: number;
  readonly coordinates: readonly bigint[];
}

const x25519Order8: readonly bigint[] = [
  325606250916557431795983626356110631294008115727848805560023387167927233504n,
  39382357235489614581723060781553021112529911719440698176882885853963445705823n,
];
const ed25519Order8 = 2707385501144840649318225287225658788936804267575313519463743609750303402022n;

/** The coordinate that stands on the wire (u, or y for the Edwards curves) of the points whose order divides the cofactor, by COSE curve. */
const lowPoints: ReadonlyMap<number, LowPoints> = new Map([
  [4, { p: p25519, mask: 0x7f, coordinates: [0n, 1n, p25519 - 1n, ...x25519Order8] }],
  [5, { p: p448, mask: 0xff, coordinates: [0n, 1n, p448 - 1n] }],
  [6, { p: p25519, mask: 0x7f, coordinates: [0n, 1n, p25519 - 1n, ed25519Order8, p25519 - ed25519Order8] }],
  [7, { p: p448, mask: 0x7f, coordinates: [0n, 1n, p448 - 1n] }],
]);

/**
 * Whether an OKP public key is a point of small order, in its canonical form or another.
 *
 * With such a key X25519 and X448 give zeros, whatever the private key is, and a signature can be made that verifies for many messages.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7748#section-6
 */
export function isSmallOrder(crv: number, x: Uint8Array): boolean {
  const low = lowPoints.get(crv);
  if (low === undefined || x.length === 0) return false;
  let value = BigInt(x[x.length - 1]! & low.mask);
  for (let i = x.length - 2; i >= 0; i--) value = (value << 8n) | BigInt(x[i]!);
  return low.coordinates.includes(value % low.p);
}
