import { type Acceptance, AceError, decodeExiCti, errorResponse, type ProfileAtRs, scopeText, type TokenUpload } from '../ace/index.ts';
import {
  Code,
  findOption,
  formatCode,
  Method,
  networkOf,
  OptionNumber,
  type RateLimit,
  type Request,
  type Response,
  uintOf,
  uintOption,
} from '../coap/index.ts';
import { emptyBytes } from '../core/bytes.ts';
import type { ClaimsSet } from '../core/cwt.ts';
import type { Env } from '../core/env.ts';
import { messageOf, ProtocolError } from '../core/errors.ts';
import type { Emit, RefusalReason } from './events.ts';
import type { ExiCounters } from './exi.ts';
import type { Introspections } from './introspection.ts';
import type { ResourceServerLimits } from './options.ts';
import { type RevocationsAtRs, revokedError } from './revocation.ts';
import { type CheckedToken, checkClaims, type OpenToken, openToken, type TokenCheckOptions } from './token-check.ts';
import type { AccessToken, KeptClaims, TokenTable } from './token-table.ts';

/** A profile at work, under its number. */
export interface ProfileInUse {
  readonly id: number;
  readonly name: string;
  readonly rs: ProfileAtRs;
}

export interface AuthzInfoOptions {
  readonly profiles: readonly ProfileInUse[];
  readonly check: TokenCheckOptions;
  readonly tokens: TokenTable;
  readonly exi: ExiCounters;
  readonly revocations: RevocationsAtRs;
  readonly introspections: Introspections;
  /** That of the moment. */
  readonly rate: () => RateLimit;
  readonly env: Env;
  /** Those of the moment. */
  readonly limits: () => Partial<Pick<ResourceServerLimits, 'upload' | 'pending'>>;
  readonly emit: Emit;
}

function plain(code: number, retryAfter?: number): Response {
  return { code, options: retryAfter === undefined ? [] : [uintOption(OptionNumber.MaxAge, retryAfter)], payload: emptyBytes };
}

/**
 * The authorization information endpoint: takes access tokens.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9200#section-5.10.1
 */
export class AuthzInfo {
  readonly #options: AuthzInfoOptions;
  #pending = 0;

  constructor(options: AuthzInfoOptions) {
    this.#options = options;
  }

  get pending(): number {
    return this.#pending;
  }

  /** Look at an upload, or at a block of one, before it is put together. */
  admit(request: Request): { readonly response: Response; readonly reason: RefusalReason } | undefined {
    // Other methods are the router's to refuse.
    if (request.code !== Method.POST) return undefined;
    const block = findOption(request.options, OptionNumber.Block1)?.value;
    const first = block === undefined || blockNumber(block) === 0;
    const { upload: longest = 4096 } = this.#options.limits();
    if (blockOffset(block) + request.payload.length > longest || announced(request) > longest) {
      const response: Response = { code: Code.RequestEntityTooLarge, options: [uintOption(OptionNumber.Size1, longest)], payload: emptyBytes };
      return { response, reason: 'size' };
    }
    const wait = first ? this.#options.rate().take(networkOf(request.peer.address)) : 0;
    return wait === 0 ? undefined : { response: plain(Code.TooManyRequests, wait), reason: 'rate' };
  }

  /** Answer a POST. It never rejects. */
  async post(request: Request): Promise<Response> {
    if (this.#isBusy()) {
      this.#refused(request.peer.key, 'ERR_RS_BUSY', 'too many uploads at once', Code.ServiceUnavailable);
      return plain(Code.ServiceUnavailable, 1);
    }
    this.#pending++;
    try {
      return await this.#take(request);
    } catch (error) {
      if (error instanceof AceError) {
        this.#refused(request.peer.key, error.code, error.message, error.responseCode);
        return errorResponse(error);
      }
      const reason = error instanceof ProtocolError ? error.code : 'unknown';
      this.#options.emit({ type: 'fault', reason, detail: messageOf(error) });
      return plain(Code.InternalServerError);
    } finally {
      this.#pending--;
    }
  }

  /** A token that came to a profile by another way. It rejects with an `AceError` for what is wrong with it. */
  async receive(profile: ProfileInUse, upload: TokenUpload): Promise<Acceptance> {
    const peer = 'unknown';
    try {
      if (this.#isBusy()) throw new AceError('ERR_RS_BUSY', 'too many uploads at once', { responseCode: Code.ServiceUnavailable });
      this.#pending++;
      try {
        return await this.#accept(peer, profile, upload);
      } finally {
        this.#pending--;
      }
    } catch (error) {
      if (error instanceof AceError) this.#refused(peer, error.code, error.message, error.responseCode);
      throw error;
    }
  }

  #isBusy(): boolean {
    return this.#pending >= (this.#options.limits().pending ?? 64);
  }

  async #take(request: Request): Promise<Response> {
    const { profile, upload } = this.#decode(request);
    try {
      return (await this.#accept(request.peer.key, profile, upload)).response;
    } catch (error) {
      const { refusedWith } = upload;
      if (refusedWith === undefined || !(error instanceof AceError) || error.responseCode >= Code.InternalServerError) throw error;
      throw new AceError(error.code, error.message, { responseCode: refusedWith, cause: error });
    }
  }

  #decode(request: Request): { readonly profile: ProfileInUse; readonly upload: TokenUpload } {
    for (const profile of this.#options.profiles) {
      const upload = profile.rs.decodeUpload(request);
      if (upload !== undefined) return { profile, upload };
    }
    throw new AceError(
      'ERR_RS_CONTENT_FORMAT',
      `expected the Content-Format of a profile, got ${uintOf(request.options, OptionNumber.ContentFormat) ?? 'none'}`,
      {
        responseCode: Code.UnsupportedContentFormat,
      },
    );
  }

  async #accept(peer: string, profile: ProfileInUse, upload: TokenUpload): Promise<Acceptance> {
    const { env, check } = this.#options;
    const opened = await this.#open(upload.token);
    const checked = checkClaims(opened, env.epoch(), check);
    const { claims, issuer } = checked;
    if (claims.aceProfile !== undefined && claims.aceProfile !== profile.id) {
      throw new AceError('ERR_RS_PROFILE', `expected a token for profile ${profile.id}, got one for ${claims.aceProfile}`, { responseCode: Code.BadRequest });
    }
    const hashes = this.#options.revocations.check(upload.token, opened);
    if (!opened.opaque) await this.#options.introspections.confirm(upload.token, issuer);
    const endsAt = claims.exi === undefined ? undefined : await this.#options.exi.end(issuer, claims);
    const acceptance = await profile.rs.accept(claims, issuer, upload);
    const token: AccessToken = {
      profile: profile.id,
      issuer,
      scope: checked.scope,
      claims: kept(claims),
      permissions: checked.permissions,
      expiresAt: claims.exp ?? Number.POSITIVE_INFINITY,
      ...(endsAt === undefined || claims.cti === undefined ? {} : { endsAt, ...sequenceOf(claims.cti) }),
      hashes,
      ...(acceptance.saved === undefined ? {} : { saved: acceptance.saved }),
    };
    this.#bind(acceptance, token, profile);
    this.#accepted(peer, acceptance, token, profile, checked);
    return acceptance;
  }

  /** The claims of a token: in it, or at the AS. */
  async #open(token: Uint8Array): Promise<OpenToken & { readonly opaque: boolean }> {
    try {
      return { ...openToken(token, this.#options.env.epoch(), this.#options.check.issuers()), opaque: false };
    } catch (error) {
      if (!(error instanceof AceError)) throw error;
      const told = await this.#options.introspections.open(token);
      if (told === undefined) throw error;
      return { ...told, opaque: true };
    }
  }

  #bind(acceptance: Acceptance, token: AccessToken, profile: ProfileInUse): void {
    const { tokens } = this.#options;
    const { credential, association, update } = acceptance;
    if (!tokens.fits(credential)) {
      profile.rs.release(credential);
      throw new AceError('ERR_RS_KEY', 'expected a key identifier of a usual length, got a longer one', { responseCode: Code.BadRequest });
    }
    // The accepting may have taken its time.
    if (!tokens.isValid(token)) {
      if (!tokens.has(credential)) profile.rs.release(credential);
      throw new AceError('ERR_RS_EXPIRED', 'the token has expired', { responseCode: Code.Unauthorized });
    }
    if (this.#options.revocations.isRevoked(token)) {
      if (!tokens.has(credential)) profile.rs.release(credential);
      throw revokedError();
    }
    if (!update) tokens.put(credential, association, token);
    else if (!tokens.update(credential, association, token)) {
      throw new AceError('ERR_RS_UPDATE', 'the token to be replaced has ended', { responseCode: Code.Unauthorized });
    }
  }

  #accepted(peer: string, acceptance: Acceptance, token: AccessToken, profile: ProfileInUse, checked: CheckedToken): void {
    this.#options.emit({
      type: 'token-accepted',
      credential: acceptance.credential,
      scope: scopeText(checked.scope),
      expiresIn: Math.floor(this.#options.tokens.remaining(token)),
      profile: profile.name,
      update: acceptance.update,
      peer,
    });
  }

  #refused(peer: string, reason: string, detail: string, code: number): void {
    this.#options.emit({ type: 'token-refused', reason, detail, code: formatCode(code), peer });
  }
}

function kept({ sub, aud, unknown }: ClaimsSet): KeptClaims {
  return { ...(sub === undefined ? {} : { sub }), ...(aud === undefined ? {} : { aud }), ...(unknown === undefined ? {} : { unknown }) };
}

function sequenceOf(cti: Uint8Array): { readonly sequence?: number } {
  const exi = decodeExiCti(cti);
  return exi === undefined ? {} : { sequence: exi.sequence };
}

/** NUM, M and SZX of a Block option in one number; 0 when it is too long, which the block-wise layer refuses. */
function blockValue(value: Uint8Array): number {
  return value.length > 3 ? 0 : value.reduce((all, byte) => all * 256 + byte, 0);
}

function blockNumber(value: Uint8Array): number {
  return blockValue(value) >>> 4;
}

/** Where the block starts in the body (RFC 7959, Section 2.2). */
function blockOffset(value: Uint8Array | undefined): number {
  return value === undefined ? 0 : blockNumber(value) * 2 ** ((blockValue(value) & 7) + 4);
}

function announced(request: Request): number {
  const size = findOption(request.options, OptionNumber.Size1);
  return size === undefined || size.value.length > 4 ? 0 : uintOf([size], OptionNumber.Size1)!;
}
