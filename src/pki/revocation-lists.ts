import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { KeyUsageFlags, KeyUsagesExtension, X509Certificate, X509Crl } from '@peculiar/x509';
import type { Env } from '../core/env.ts';
import { ProtocolError } from '../core/errors.ts';
import { crlsOfPem } from '../core/pem.ts';

/** Lists of revoked certificates that are none, or that say nothing of a certificate. Code: `ERR_PKI_CRL`. */
export class PkiError extends ProtocolError {}

const bad = (message: string, cause?: unknown): PkiError => new PkiError('ERR_PKI_CRL', message, { cause });

/** Extensions of a list that may be critical. Those of a delta, and of a list for some certificates alone, narrow what it says, so they are not here. */
const known: ReadonlySet<string> = new Set(['2.5.29.20', '2.5.29.35']);

/**
 * Lists of revoked certificates of the authorities that a party trusts (RFC 5280, Section 5), to be asked about the certificates that its peers show.
 *
 * ```ts
 * const lists = new RevocationLists(readFileSync('ca.crl.pem', 'utf8'), systemEnv);
 * const credentials = { certificate: { roots, host, isRevoked: ({ chain }) => lists.isRevoked(chain) } };
 * ```
 */
export class RevocationLists {
  readonly #lists: readonly X509Crl[];
  readonly #now: Env['epoch'];
  /** By the issuer whose signature a list has. */
  readonly #verified: WeakMap<X509Crl, string> = new WeakMap();

  /**
   * @param pem - one list or several
   * @throws {PkiError} `ERR_PKI_CRL` for a text without a list, and for lists with what would narrow them: deltas, distribution points, indirect lists
   */
  constructor(pem: string, { epoch }: Pick<Env, 'epoch'>) {
    this.#now = epoch;
    this.#lists = ders(pem).map((der) => {
      try {
        const list = new X509Crl(der);
        // What is read at the first use only is read here.
        void [list.issuer, list.thisUpdate, list.nextUpdate, list.entries.length];
        return list;
      } catch (cause) {
        throw bad(`expected lists of revoked certificates in PEM, got ${der.length} bytes that are none`, cause);
      }
    });
    if (this.#lists.length === 0) throw bad('expected lists of revoked certificates in PEM, got none');
    if (this.#lists.some(({ extensions, entries }) => !isPlain(extensions) || entries.some((entry) => !isPlain(entry.extensions))))
      throw bad('expected whole lists of one authority each, without critical extensions that narrow them, got another');
  }

  /**
   * Whether one of the certificates of a verified path is revoked: of each but the trusted one, which is the last.
   *
   * @param chain - in DER, that of the peer first
   * @throws {PkiError} `ERR_PKI_CRL` where no list of its issuer is of now, so that nobody knows
   * @see https://www.rfc-editor.org/rfc/rfc5280#section-6.3
   */
  async isRevoked(chain: readonly Uint8Array[]): Promise<boolean> {
    const certificates = chain.map((der) => new X509Certificate(der.slice()));
    for (const [index, certificate] of certificates.slice(0, -1).entries()) {
      const found = await this.#listsOf(certificates[index + 1]!);
      if (found.length === 0) throw bad(`expected a list of now of ${certificate.issuer}, got none`);
      if (found.some((list) => list.findRevoked(certificate) !== null)) return true;
    }
    return false;
  }

  async #listsOf(issuer: X509Certificate): Promise<readonly X509Crl[]> {
    const now = 1000 * this.#now();
    const found: X509Crl[] = [];
    for (const list of this.#lists) {
      const { thisUpdate, nextUpdate } = list;
      const isOfNow = thisUpdate.getTime() <= now && nextUpdate !== undefined && now < nextUpdate.getTime();
      if (isOfNow && list.issuer === issuer.subject && (await this.#isSigned(list, issuer))) found.push(list);
    }
    return found;
  }

  async #isSigned(list: X509Crl, issuer: X509Certificate): Promise<boolean> {
    // RFC 5280 §6.3.3 (f).
    if (!maySignLists(issuer)) return false;
    const name = issuer.toString('hex');
    if (this.#verified.get(list) === name) return true;
    try {
      if (!(await list.verify({ publicKey: issuer }, webcrypto))) return false;
    } catch {
      // A key, or an algorithm, that is not known here signs nothing.
      return false;
    }
    this.#verified.set(list, name);
    return true;
  }
}

/** Whether keyUsage, where there is one, has cRLSign. */
function maySignLists(issuer: X509Certificate): boolean {
  const usage = issuer.getExtension(KeyUsagesExtension);
  return usage === null || (usage.usages & KeyUsageFlags.cRLSign) !== 0;
}

function ders(pem: string): readonly Uint8Array<ArrayBuffer>[] {
  try {
    return crlsOfPem(pem).map((der) => Uint8Array.from(der));
  } catch (cause) {
    throw bad('expected lists of revoked certificates in PEM, got text that is none', cause);
  }
}

const isPlain = (extensions: readonly { readonly type: string; readonly critical: boolean }[]): boolean =>
  extensions.every(({ type, critical }) => !critical || known.has(type));
