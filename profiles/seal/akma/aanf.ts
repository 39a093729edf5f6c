import { fromHex, toHex } from '../../../src/core/bytes.ts';
import { type AfId, formatAfId, parseAfId } from './af-id.ts';
import { readDateTime, writeDateTime } from './date-time.ts';
import { AkmaError } from './error.ts';

/** K_AF and how long it may be used, and who the UE is. */
export interface ApplicationKey {
  readonly kAf: Uint8Array;
  /** Seconds since 1970. */
  readonly expiresAt: number;
  /** `imsi-001010000000001`; an AAnF tells it to an AF of its own operator. */
  readonly supi?: string;
  /** `msisdn-491710000000`, or an external identifier. */
  readonly gpsi?: string;
}

/** What the AUSF registers after primary authentication. */
export interface AnchorKey {
  readonly aKid: string;
  readonly kAkma: Uint8Array;
  readonly supi: string;
  readonly gpsi?: string;
}

/** The AKMA anchor function, as its peers see it (Naanf_AKMA, TS 29.535). A promise that fails says that nobody knows: `ERR_AKMA_AANF`. */
export interface Aanf {
  /** K_AF of the UE that an A-KID names; `undefined`: it names none. */
  retrieveApplicationKey(aKid: string, afId: AfId): Promise<ApplicationKey | undefined>;
  /** Keep the key of a UE until another comes or its context is removed. Here the AUSF writes. */
  registerAnchorKey(key: AnchorKey): Promise<void>;
  /** Forget the anchor keys of a UE. */
  removeContext(supi: string): Promise<void>;
}

/** Paths of the API (TS 29.535, 6.1). */
export const aanfPaths = {
  register: '/naanf-akma/v1/register-anchorkey',
  retrieve: '/naanf-akma/v1/retrieve-applicationkey',
  remove: '/naanf-akma/v1/remove-context',
} as const;

type Json = Readonly<Record<string, unknown>>;
type Reader = (name: string, pattern: RegExp) => string;

/**
 * The members of a JSON object, of which errors say the name and never the value.
 *
 * @throws {AkmaError} `ERR_AKMA_JSON`
 */
function members(what: string, value: unknown): { readonly text: Reader; readonly optional: (name: string, pattern: RegExp) => string | undefined } {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new AkmaError('ERR_AKMA_JSON', `${what}: expected an object, got another value`);
  const fields = value as Json;
  const optional = (name: string, pattern: RegExp): string | undefined => {
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (field === undefined) return undefined;
    if (typeof field !== 'string' || !pattern.test(field))
      throw new AkmaError('ERR_AKMA_JSON', `${what}: ${name}: expected a text of its form, got another value`);
    return field;
  };
  const text = (name: string, pattern: RegExp): string => {
    const field = optional(name, pattern);
    if (field === undefined) throw new AkmaError('ERR_AKMA_JSON', `${what}: ${name}: expected a text, got none`);
    return field;
  };
  return { text, optional };
}

const keyForm = /^[0-9A-Fa-f]{64}$/;
const supiForm = /^(?:imsi-\d{5,15}|(?:nai|gci|gli)-.{1,253})$/;
const gpsiForm = /^(?:msisdn-\d{5,15}|extid-[^@]{1,253}@[^@]{1,253})$/;
const textForm = /^.{1,512}$/;

/** AkmaKeyInfo (TS 29.535, 6.1.6.2.2). */
export function anchorKeyToJson({ aKid, kAkma, supi, gpsi }: AnchorKey): Json {
  return { aKId: aKid, kAkma: toHex(kAkma), supi, ...(gpsi === undefined ? {} : { gpsi }) };
}

/** @throws {AkmaError} `ERR_AKMA_JSON` */
export function anchorKeyOfJson(value: unknown): AnchorKey {
  const { text, optional } = members('AkmaKeyInfo', value);
  const gpsi = optional('gpsi', gpsiForm);
  return { aKid: text('aKId', textForm), kAkma: fromHex(text('kAkma', keyForm)), supi: text('supi', supiForm), ...(gpsi === undefined ? {} : { gpsi }) };
}

/** AkmaAfKeyRequest. */
export function keyRequestToJson(aKid: string, afId: AfId): Json {
  return { afId: formatAfId(afId), aKId: aKid };
}

/** @throws {AkmaError} `ERR_AKMA_JSON`, `ERR_AKMA_AF_ID` */
export function keyRequestOfJson(value: unknown): { readonly aKid: string; readonly afId: AfId } {
  const { text } = members('AkmaAfKeyRequest', value);
  return { aKid: text('aKId', textForm), afId: parseAfId(text('afId', textForm)) };
}

/** AkmaAfKeyData. */
export function applicationKeyToJson({ kAf, expiresAt, supi, gpsi }: ApplicationKey): Json {
  return {
    kaf: toHex(kAf),
    expiry: writeDateTime(expiresAt),
    ...(supi === undefined ? {} : { supi }),
    ...(gpsi === undefined ? {} : { gpsi }),
  };
}

/** @throws {AkmaError} `ERR_AKMA_JSON` */
export function applicationKeyOfJson(value: unknown): ApplicationKey {
  const { text, optional } = members('AkmaAfKeyData', value);
  const expiresAt = readDateTime(text('expiry', textForm));
  if (expiresAt === undefined) throw new AkmaError('ERR_AKMA_JSON', 'AkmaAfKeyData: expiry: expected a date-time, got another text');
  const supi = optional('supi', supiForm);
  const gpsi = optional('gpsi', gpsiForm);
  return {
    kAf: fromHex(text('kaf', keyForm)),
    expiresAt,
    ...(supi === undefined ? {} : { supi }),
    ...(gpsi === undefined ? {} : { gpsi }),
  };
}

/** CtxRemove. */
export function removalToJson(supi: string): Json {
  return { supi };
}

/** @throws {AkmaError} `ERR_AKMA_JSON` */
export function removalOfJson(value: unknown): string {
  return members('CtxRemove', value).text('supi', supiForm);
}
