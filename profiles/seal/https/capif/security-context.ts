import { type JsonObject, strictJsonObject } from '../guard/strict-json.ts';
import { CapifError } from './error.ts';

/** How an API invoker proves itself to an AEF on CAPIF-2e: methods 1, 2 and 3 of TS 33.122, 6.5.2. */
export type SecurityMethod = 'PSK' | 'PKI' | 'OAUTH';

/** What holds between an invoker and an AEF, or one API of it (TS 29.222, SecurityInformation). */
export interface SecurityInformation {
  readonly aefId: string;
  /** Absent: all APIs of the AEF. */
  readonly apiId?: string;
  /** What the invoker has, what it would rather use first. */
  readonly prefSecurityMethods: readonly SecurityMethod[];
  /** What the core function has selected. */
  readonly selSecurityMethod?: SecurityMethod;
  /** What the invoker may call, for the AEF to read. TS 29.222 has it as a text without a form: here it is a scope. */
  readonly authorizationInfo?: string;
}

/** The security context of an API invoker (TS 29.222, ServiceSecurity). */
export interface ServiceSecurity {
  readonly securityInfo: readonly SecurityInformation[];
  /** Where the invoker hears of revocations. */
  readonly notificationDestination: string;
}

/** Rights that end (TS 29.222, SecurityNotification). */
export interface SecurityNotification {
  readonly apiInvokerId: string;
  /** Absent: at all AEFs. */
  readonly aefId?: string;
  readonly apiIds: readonly string[];
  /** `OVERLIMIT_USAGE`, `UNEXPECTED_REASON`, or one of a later release. */
  readonly cause: string;
}

const methods: readonly unknown[] = ['PSK', 'PKI', 'OAUTH'];
const mostEntries = 64;
const longest = 4096;

function unfit(name: string, expected: string): CapifError {
  return new CapifError('ERR_CAPIF_FORMAT', `${name}: expected ${expected}, got something else`);
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= longest;
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value) && value.length > 0 && value.length <= mostEntries;
}

function optionalText(object: JsonObject, name: string): string | undefined {
  const value = object[name];
  if (value === undefined || isText(value)) return value;
  throw unfit(name, 'a text');
}

function objectOf(what: string, value: unknown): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw unfit(what, 'an object in JSON that has each of its members once');
}

/**
 * What TS 29.222 lets later releases add is passed over: security methods that are not known here, and entries that name an interface in place of an AEF.
 *
 * @throws {CapifError} `ERR_CAPIF_FORMAT`
 */
export function readServiceSecurity(bytes: Uint8Array): ServiceSecurity {
  const { securityInfo, notificationDestination } = objectOf('ServiceSecurity', strictJsonObject(bytes));
  if (!isList(securityInfo)) throw unfit('securityInfo', `1 to ${mostEntries} entries`);
  if (!isText(notificationDestination)) throw unfit('notificationDestination', 'a URI');
  const entries = securityInfo.map(informationOf).filter((entry) => entry !== undefined);
  if (entries.length === 0) throw unfit('securityInfo', 'an entry with aefId');
  return { securityInfo: entries, notificationDestination };
}

const isMethod = (value: unknown): value is SecurityMethod => methods.includes(value);

function informationOf(value: unknown): SecurityInformation | undefined {
  const object = objectOf('securityInfo', value);
  const { aefId, interfaceDetails, prefSecurityMethods } = object;
  if (!isList(prefSecurityMethods) || !prefSecurityMethods.every(isText)) throw unfit('prefSecurityMethods', 'security methods such as PKI and OAUTH');
  const selected = optionalText(object, 'selSecurityMethod');
  if (aefId === undefined && interfaceDetails !== undefined) {
    objectOf('interfaceDetails', interfaceDetails);
    return undefined;
  }
  if (!isText(aefId)) throw unfit('aefId', 'an AEF by its identifier');
  const [apiId, authorizationInfo] = [optionalText(object, 'apiId'), optionalText(object, 'authorizationInfo')];
  return {
    aefId,
    ...(apiId === undefined ? {} : { apiId }),
    prefSecurityMethods: prefSecurityMethods.filter(isMethod),
    ...(isMethod(selected) ? { selSecurityMethod: selected } : {}),
    ...(authorizationInfo === undefined ? {} : { authorizationInfo }),
  };
}

/** A notification as it stands alone, or as `revokeInfo` of a request to an AEF. @throws {CapifError} `ERR_CAPIF_FORMAT` */
export function readSecurityNotification(bytes: Uint8Array): SecurityNotification {
  const whole = objectOf('SecurityNotification', strictJsonObject(bytes));
  const object = whole['revokeInfo'] === undefined ? whole : objectOf('revokeInfo', whole['revokeInfo']);
  const { apiInvokerId, apiIds, cause } = object;
  if (!isText(apiInvokerId)) throw unfit('apiInvokerId', 'an invoker by its identifier');
  if (!isList(apiIds) || !apiIds.every(isText)) throw unfit('apiIds', 'APIs by their identifiers');
  if (!isText(cause)) throw unfit('cause', 'a text such as OVERLIMIT_USAGE');
  const aefId = optionalText(object, 'aefId');
  return { apiInvokerId, ...(aefId === undefined ? {} : { aefId }), apiIds, cause };
}
