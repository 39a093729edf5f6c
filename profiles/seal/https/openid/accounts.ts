import type { Account, KoaContextWithOIDC } from 'oidc-provider';
import type { Subjects } from '../../identities/subjects.ts';
import { type ValClaims, valClaims } from '../../val-claims.ts';
import { errors } from './library.ts';
import type { RevokeGrant } from './openid-grants.ts';

export interface AccountsOptions {
  readonly subjects: Subjects;
  /** Whether a VAL user may still use what was given to them. */
  readonly isActive: (user: string) => Promise<boolean>;
  readonly revokeGrant: RevokeGrant;
}

/** The VAL claims by the names that they have in a JWT. */
export function jwtClaims(claims: ValClaims): Readonly<Record<string, unknown>> {
  const named: Record<string, unknown> = {};
  for (const name of Object.keys(valClaims) as (keyof typeof valClaims)[]) if (claims[name] !== undefined) named[valClaims[name].name] = claims[name];
  return named;
}

/** VAL users as accounts of the provider: the name of an account is the subject. */
export class Accounts {
  readonly #options: AccountsOptions;
  /** What was vouched for while a request was worked on. */
  readonly #vouched = new WeakMap<object, ValClaims>();
  readonly #users = new WeakMap<object, { readonly account: string; readonly user: Promise<string | undefined> }>();

  constructor(options: AccountsOptions) {
    this.#options = options;
  }

  /** The name of the account of a VAL user. */
  accountOf(user: string): Promise<string> {
    return this.#options.subjects.of(user);
  }

  /** The VAL user of an account who may use it; `undefined`: there is none. */
  async userOf(account: string): Promise<string | undefined> {
    const user = await this.#options.subjects.userOf(account);
    return user !== undefined && (await this.#options.isActive(user)) ? user : undefined;
  }

  /** The same while a request is worked on, for which it is looked up once. */
  userFor(context: object, account: string): Promise<string | undefined> {
    const known = this.#users.get(context);
    if (known?.account === account) return known.user;
    const user = this.userOf(account);
    this.#users.set(context, { account, user });
    return user;
  }

  /** The ID token that this request gets says of its user what the access token does. */
  vouched(context: object, claims: ValClaims): void {
    this.#vouched.set(context, claims);
  }

  /** TS 33.434, A.5.3: looked up again for each code and each refresh token; where there is none any more, all that it was given is revoked. */
  readonly find = async (context: KoaContextWithOIDC, account: string, token?: { readonly grantId?: string | undefined }): Promise<Account | undefined> => {
    if ((await this.userFor(context, account)) === undefined) {
      if (token === undefined) throw new errors.AccessDenied('expected an account that is still there');
      if (token.grantId !== undefined) await this.#options.revokeGrant(token.grantId, 'account');
      return undefined;
    }
    return { accountId: account, claims: async () => ({ sub: account, ...jwtClaims(this.#vouched.get(context) ?? {}) }) };
  };
}
