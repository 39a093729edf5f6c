import { AceError, AceErrorCode } from '../../../src/ace/index.ts';
import type { TokenGrant } from '../../../src/as/index.ts';
import { Code } from '../../../src/coap/index.ts';
import type { ValClaims } from '../val-claims.ts';
import type { ValIdentity } from './identity.ts';
import type { IdentityRegister } from './register.ts';

/** Who asks for a token, by the names under which the identities are provisioned. */
export interface Authenticated {
  readonly valUserId?: string;
  readonly valUeId?: string;
  readonly valServerId?: string;
}

/**
 * How a SIM-S finds out who asks (TS 33.434, B.3.1 and B.3.2, leave the method open). It says who it is and no more: what they may have follows from what is
 * provisioned.
 */
export interface ValAuthenticator {
  /**
   * The client of the grant has proved itself to the SIM-S by its channel; where there is a username, its password was right.
   *
   * @returns `undefined` for nobody: there is no token
   */
  authenticate(grant: TokenGrant, identities: IdentityRegister): Promise<Authenticated | undefined>;
}

/**
 * The usual method: a client is the VAL UE, VAL server or VAL user that is provisioned for it, and at a VAL UE the VAL user is the one whose password came with
 * the request, else the only one who uses it.
 */
export const byRegistration: ValAuthenticator = {
  async authenticate({ client, username }, identities) {
    const identity = await identities.ofClient(client);
    if (identity === undefined) return undefined;
    const { kind, id, valUserIds = [] } = identity;
    if (kind === 'server') return username === undefined ? { valServerId: id } : undefined;
    if (kind === 'user') return username === undefined || username === id ? { valUserId: id } : undefined;
    const user = username ?? (valUserIds.length === 1 ? valUserIds[0] : undefined);
    return { valUeId: id, ...(user === undefined ? {} : { valUserId: user }) };
  },
};

/** What a token says of whom it is given to. */
export interface Vouched {
  readonly sub: string;
  readonly claims: Omit<ValClaims, 'valSystemId'>;
}

/** Which VAL services an audience is for. */
export type ServesAudience = (valServiceId: string, audience: string) => boolean;

/**
 * The subject and the VAL claims of a token: whoever was authenticated is provisioned, the VAL user for the VAL UE, and both for a VAL service of the audience
 * (TS 33.434, 5.2.3 and B.3.4).
 *
 * @throws {AceError} `ERR_SEAL_IDENTITY` where it is not so
 */
export async function vouchFor(who: Authenticated | undefined, identities: IdentityRegister, audience: string, serves: ServesAudience): Promise<Vouched> {
  const { valUserId, valUeId, valServerId } = who ?? {};
  const server = valServerId === undefined ? undefined : await provisioned('server', valServerId, identities);
  const user = valUserId === undefined ? undefined : await provisioned('user', valUserId, identities);
  const ue = valUeId === undefined ? undefined : await provisioned('ue', valUeId, identities);
  if (user !== undefined && ue !== undefined && !(ue.valUserIds ?? []).includes(user.id)) throw refuse('the VAL user is none who uses the VAL UE');
  const parties = [server, user, ue].filter((one) => one !== undefined);
  const sub = (server ?? user ?? ue)?.id;
  if (sub === undefined) throw refuse('the client is no VAL user, VAL UE or VAL server that is provisioned');
  const valServiceIds = commonServices(parties).filter((service) => serves(service, audience));
  if (valServiceIds.length === 0) throw refuse('expected a VAL service of the audience that is provisioned for all of them, got none');
  return {
    sub,
    claims: {
      ...(user === undefined ? {} : { valUserId: user.id }),
      ...(ue === undefined ? {} : { valUeId: ue.id }),
      valServiceIds,
      ...(parties.some(({ sKeyProv }) => sKeyProv === true) ? { sKeyProv: true } : {}),
    },
  };
}

async function provisioned(kind: ValIdentity['kind'], id: string, identities: IdentityRegister): Promise<ValIdentity> {
  const found = await identities.get(kind, id);
  if (found === undefined) throw refuse(`the VAL ${kind === 'ue' ? 'UE' : kind} is none that is provisioned`);
  return found;
}

/** The VAL services that each party has of those who have some of their own. */
function commonServices(parties: readonly ValIdentity[]): readonly string[] {
  const [first = [], ...others] = parties.flatMap(({ valServiceIds }) => (valServiceIds === undefined ? [] : [valServiceIds]));
  return [...new Set(first)].filter((service) => others.every((services) => services.includes(service)));
}

function refuse(message: string): AceError {
  return new AceError('ERR_SEAL_IDENTITY', message, { responseCode: Code.BadRequest, error: AceErrorCode.unauthorized_client });
}
