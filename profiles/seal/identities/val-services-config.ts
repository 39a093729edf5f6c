import { IdentityError, isIdentityName, type ValIdentityKind } from './identity.ts';
import type { IdentityRegister } from './register.ts';

/** Who may have a VAL service: a ValTargetUe of TS 29.549. */
export interface ValTarget {
  readonly kind: Exclude<ValIdentityKind, 'server'>;
  readonly id: string;
}

/** What a VAL server provisions for its VAL services: VALServicesConfig of TS 29.549, SS_IdmParameterProvisioning. */
export interface ValServicesConfig {
  readonly valServerId: string;
  readonly services: readonly { readonly valServiceId: string; readonly targets: readonly ValTarget[] }[];
}

type Json = Readonly<Record<string, unknown>>;

function wrong(where: string, expected: string): IdentityError {
  return new IdentityError('ERR_SEAL_IDENTITY', `${where}: expected ${expected}`);
}

function object(where: string, value: unknown): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(where, 'an object, got something else');
  return value as Json;
}

function name(where: string, value: unknown): string {
  if (typeof value !== 'string' || !isIdentityName(value)) throw wrong(where, 'a name of 1 to 255 bytes, got something else');
  return value;
}

function list(where: string, value: unknown): readonly unknown[] {
  if (!Array.isArray(value) || value.length === 0) throw wrong(where, 'a list of at least one, got something else');
  return value;
}

/**
 * A VALServicesConfig, from parsed JSON. Members that it does not know are left alone, as 3GPP APIs have it.
 *
 * @throws {IdentityError} `ERR_SEAL_IDENTITY`, naming the member
 */
export function readValServicesConfig(json: unknown): ValServicesConfig {
  const document = object('VALServicesConfig', json);
  return {
    valServerId: name('valServerId', document['valServerId']),
    services: list('valSvcConf', document['valSvcConf']).map((given, index) => {
      const at = `valSvcConf[${index}]`;
      const service = object(at, given);
      return {
        valServiceId: name(`${at}.valServiceId`, service['valServiceId']),
        targets: list(`${at}.idList`, service['idList']).map((target, place) => readTarget(`${at}.idList[${place}]`, target)),
      };
    }),
  };
}

/** Exactly one of valUserId and valUeId. */
function readTarget(at: string, given: unknown): ValTarget {
  const { valUserId, valUeId } = object(at, given);
  if ((valUserId === undefined) === (valUeId === undefined)) throw wrong(at, 'one of valUserId and valUeId');
  return valUserId === undefined ? { kind: 'ue', id: name(`${at}.valUeId`, valUeId) } : { kind: 'user', id: name(`${at}.valUserId`, valUserId) };
}

/**
 * Provision all that a VALServicesConfig names, beside the VAL services that are there already: carried out twice it does no more than once.
 *
 * @returns the identities that it names, the VAL server first
 * @throws {IdentityError} `ERR_SEAL_IDENTITY`; what came before is provisioned then
 */
export async function provisionServices(
  { valServerId, services }: ValServicesConfig,
  register: IdentityRegister,
): Promise<readonly { readonly kind: ValIdentityKind; readonly id: string }[]> {
  const wanted = new Map<string, { readonly kind: ValIdentityKind; readonly id: string; readonly services: Set<string> }>();
  const want = (kind: ValIdentityKind, id: string, valServiceId: string): void => {
    const key = `${kind} ${id}`;
    const entry = wanted.get(key) ?? { kind, id, services: new Set<string>() };
    wanted.set(key, entry);
    entry.services.add(valServiceId);
  };
  for (const { valServiceId } of services) want('server', valServerId, valServiceId);
  for (const { valServiceId, targets } of services) for (const { kind, id } of targets) want(kind, id, valServiceId);
  for (const { kind, id, services: more } of wanted.values()) await register.addServices(kind, id, [...more]);
  return [...wanted.values()].map(({ kind, id }) => ({ kind, id }));
}
