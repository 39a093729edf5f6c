/** An Edwards curve over the prime field of `p`: a*x^2 + y^2 = 1 + d*x^2*y^2, where `a` is 1 or -1. */
interface EdwardsCurve {
  readonly p: bigint;
  readonly a: 1n | -1n;
  readonly d: bigint;
  readonly length: number;
}

const p25519 = 2n ** 255n - 19n;
const p448 = 2n ** 448n - 2n ** 224n - 1n;

/** RFC 8032 Sections 5.1 and 5.2, by COSE curve. */
const edwardsCurves: ReadonlyMap<number, EdwardsCurve> = new Map<number, EdwardsCurve>([
  [6, { p: p25519, a: -1n, d: 37095705934669439343138083508754565189542113879843219016388785533085940283555n, length: 32 }],
  [7, { p: p448, a: 1n, d: -39081n, length: 57 }],
]);

/** The Jacobi symbol (a/n) for an odd n above 0: where n is prime, 1 says that `a` is a square, -1 that it is none. */
function jacobi(a: bigint, n: bigint): -1 | 0 | 1 {
  let symbol: -1 | 1 = 1;
  let [top, bottom] = [a % n, n];
  while (top !== 0n) {
    while ((top & 1n) === 0n) {
      top >>= 1n;
      // (2/n) is -1 where n is 3 or 5 modulo 8.
      const rest = bottom & 7n;
      if (rest === 3n || rest === 5n) symbol = -symbol as -1 | 1;
    }
    // Quadratic reciprocity.
    if ((top & 3n) === 3n && (bottom & 3n) === 3n) symbol = -symbol as -1 | 1;
    [top, bottom] = [bottom % top, top];
  }
  return bottom === 1n ? symbol : 0;
}

/**
 * Whether bytes are a point of Ed25519 or Ed448, which a library asks only when it verifies: y below p, and x^2 = (1 - y^2) / (a - d*y^2) a square.
 *
 * Public keys only: the time that it takes depends on the value.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8032#section-5.1.3
 */
export function isEdwardsPoint(crv: number, x: Uint8Array): boolean {
  const curve = edwardsCurves.get(crv);
  if (curve === undefined || x.length !== curve.length) return false;
  const { p, a, d, length } = curve;
  let y = 0n;
  for (let i = length - 1; i >= 0; i--) y = (y << 8n) | BigInt(i === length - 1 ? x[i]! & 0x7f : x[i]!);
  if (y >= p) return false;
  const mod = (value: bigint): bigint => ((value % p) + p) % p;
  // A fraction is a square if the product of its parts is; the denominator is never 0 because d is no square.
  const product = mod(mod(1n - y * y) * mod(a - d * y * y));
  // x = 0 has no sign.
  if (product === 0n) return (x[length - 1]! & 0x80) === 0;
  return jacobi(product, p) === 1;
}
