import { encodeExiCti, lastExiSequence, type Scope } from '../../ace/index.ts';
import { type ClaimsSet, type Confirmation, openCwt, protectCwt, type TokenKey } from '../../core/cwt.ts';
import type { Env } from '../../core/env.ts';
import { ProtocolError } from '../../core/errors.ts';
import type { Written } from '../../core/options.ts';
import type { Store } from '../../store/index.ts';
import { AuthorizationServerError } from '../error.ts';
import type { RegisteredResourceServer } from '../registry/registry.ts';
import { currentKey } from './token-keys.ts';
import type { AddedClaims } from './token-rules.ts';

/** What goes into a token. */
export interface TokenContent {
  readonly resourceServer: RegisteredResourceServer;
  readonly audience: string;
  readonly scope: Scope;
  readonly cnf: Confirmation;
  readonly confidential: boolean;
  /** `iat` is in it. */
  readonly dated: boolean;
  /** `iss` is in it, whatever the registration of the resource server says. */
  readonly issuer?: boolean;
  readonly cnonce?: Uint8Array;
  readonly added?: AddedClaims;
  /** Seconds. */
  readonly lifetime: number;
  /** Seconds since 1970, whole. */
  readonly issuedAt: number;
}

/** Makes access tokens: CWTs that one resource server can open. @see https://www.rfc-editor.org/rfc/rfc9200#section-5.10 */
export class TokenMint {
  readonly #store: Store;
  readonly #env: Env;
  readonly #issuer: string | undefined;

  constructor(options: { readonly store: Store; readonly env: Env; readonly issuer?: string }) {
    this.#store = options.store;
    this.#env = options.env;
    this.#issuer = options.issuer;
  }

  /**
   * Claims are kept to what the RS needs: iat only where the key may be that of an earlier token, or where it is added, and iss only for an RS that is registered to want it, because the key that protects a token names its issuer.
   *
   * At once, but for a resource server that wants `exi`.
   *
   * @throws {AuthorizationServerError} `ERR_AS_TOKEN_KEY`; `ERR_AS_EXI` when the sequence numbers of an RS are used up; a `StoreError` when none can be had
   */
  mint(content: TokenContent): Uint8Array | Promise<Uint8Array> {
    const { resourceServer } = content;
    return resourceServer.exi ? this.#nextCti(resourceServer.id).then((cti) => this.#protect(content, cti)) : this.#protect(content);
  }

  /** @param cti - for a token with `exi` */
  #protect(content: TokenContent, cti?: Uint8Array): Uint8Array {
    const { resourceServer, cnonce } = content;
    const claims: Written<ClaimsSet> = { ...content.added };
    if ((content.issuer === true || resourceServer.iss) && this.#issuer !== undefined) claims.iss = this.#issuer;
    claims.aud = content.audience;
    if (cti !== undefined) {
      claims.exi = content.lifetime;
      claims.cti = cti;
    } else claims.exp = content.issuedAt + content.lifetime;
    if (content.dated) claims.iat ??= content.issuedAt;
    claims.cnf = content.cnf;
    claims.scope = content.scope;
    if (cnonce !== undefined) claims.cnonce = cnonce;
    return protectCwt(claims, keyFor(resourceServer, content.confidential, content.issuedAt), this.#env.random);
  }

  /** RFC 9200, Section 5.10.3: it counts the exi tokens for this RS. The first is 1; none is given twice, whatever happens after. */
  async #nextCti(resourceServer: string): Promise<Uint8Array> {
    const sequence = (await this.#store.increment(`as/exi/${encodeURIComponent(resourceServer)}`, 1)) + 1;
    if (sequence > lastExiSequence) throw new AuthorizationServerError('ERR_AS_EXI', `expected a sequence number of 32 bits, got ${sequence}`);
    return encodeExiCti(resourceServer, sequence);
  }
}

function keyFor(resourceServer: RegisteredResourceServer, confidential: boolean, now: number): TokenKey {
  const key = currentKey(resourceServer.tokenKeys, confidential, now);
  if (key !== undefined) return key;
  const expected = confidential ? 'a key for COSE_Encrypt0' : 'a token key';
  throw new AuthorizationServerError('ERR_AS_TOKEN_KEY', `expected ${expected} for "${resourceServer.id}" whose time it is, got none`);
}

/**
 * Protect a token with each key and open it again, so that a key that does not fit its algorithm stops the start and not the first request.
 *
 * @throws {AuthorizationServerError} `ERR_AS_CONFIG`
 */
export function tryTokenKeys(resourceServer: RegisteredResourceServer, random: Env['random']): void {
  resourceServer.tokenKeys.forEach((key, index) => {
    try {
      openCwt(protectCwt({ aud: resourceServer.id }, key, random), [key]);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      throw new AuthorizationServerError('ERR_AS_CONFIG', `resource server "${resourceServer.id}": tokenKeys[${index}]: ${error.message}`, { cause: error });
    }
  });
}
