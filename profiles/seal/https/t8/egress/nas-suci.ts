const filler = 15;
/** Octets from the MCC to the identifier of the home network's key: what stands before the output of the protection scheme. */
const headLength = 7;
/** Digits of the MSIN without which it is taken for something else. */
const fewestDigits = 8;

const isDigit = (half: number): boolean => half <= 9;
const isDigitOrFiller = (half: number): boolean => half <= 9 || half === filler;

/** Octets 5 to 7 of the mobile identity, as a number: the MCC, and an MNC of two digits or three. */
function networkCode(mcc: string, mnc: string): number {
  const [c1, c2, c3] = [...mcc].map(Number) as [number, number, number];
  const [n1, n2, n3 = filler] = [...mnc].map(Number) as [number, number, number?];
  return (((c2 << 4) | c1) << 16) | (((n3 << 4) | c3) << 8) | (n2 << 4) | n1;
}

/**
 * SUCIs of an operator's home networks in the form of NAS, by the null scheme: the mobile identity of TS 24.501, 9.11.3.4, of type SUCI and SUPI format IMSI, in
 * which network, routing indicator, scheme and the digits of the MSIN follow each other.
 */
export class NasSuciSearch {
  readonly #networks = new Set<number>();
  /** By their first octet: whether there is one. */
  readonly #begins = new Uint8Array(256);

  /** Nothing in an IMSI says whether its MNC has two digits or three; a SUCI does. */
  addNetworksOf(imsi: string): void {
    for (const length of [2, 3]) {
      const code = networkCode(imsi.slice(0, 3), imsi.slice(3, 3 + length));
      this.#networks.add(code);
      this.#begins[code >> 16] = 1;
    }
  }

  /** Whether there is one in these bytes. */
  isIn(bytes: Uint8Array): boolean {
    for (let at = 0; at + headLength + fewestDigits / 2 <= bytes.length; at++) {
      if (this.#begins[bytes[at]!] !== 1) continue;
      if (this.#networks.has((bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!) && isClearAt(bytes, at + 3)) return true;
    }
    return false;
  }
}

/** Whether a routing indicator, the null scheme and enough digits of an MSIN stand there. */
function isClearAt(bytes: Uint8Array, at: number): boolean {
  const scheme = bytes[at + 2]! & 15;
  const msin = bytes.subarray(at + 4, at + 4 + fewestDigits / 2);
  return scheme === 0 && allHalves(bytes.subarray(at, at + 2), isDigitOrFiller) && allHalves(msin, isDigit);
}

function allHalves(octets: Uint8Array, test: (half: number) => boolean): boolean {
  return octets.every((octet) => test(octet & 15) && test(octet >> 4));
}
