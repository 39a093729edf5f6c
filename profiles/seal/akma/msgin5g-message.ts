import { ContentFormat, encodePayload } from '../../../src/coap/index.ts';
import { fromUtf8 } from '../../../src/core/bytes.ts';
import { type CborKey, type CborValue, decode } from '../../../src/core/cbor.ts';
import { ProtocolError } from '../../../src/core/errors.ts';
import { AkmaError } from './error.ts';

/** Message Type of TS 24.538, Section 7.1. */
const messageTypes = ['REG', 'DEREG', 'MSG', 'MSGRESP', 'IMDN', 'SEGREC', 'SEGCONFIR'] as const;
/** Message Type by its name. */
export type MessageType = (typeof messageTypes)[number];

/** JSON and CBOR, the formats of messages. */
export const messageFormats: readonly number[] = [ContentFormat.Json, ContentFormat.Cbor];

/** What a client sends to register, or to end its registration (TS 23.554, Table 8.2.1-1). */
export interface RegistrationRequest {
  readonly messageType: MessageType;
  readonly ueServiceId: string;
  /** UE credential information: the A-KID, whose K_AF the channel proves. */
  readonly credentialInformation?: string;
  /** MSGin5G Client Profile; kept as it came. */
  readonly clientProfile?: unknown;
}

/** What the server answers to a registration or to its end (TS 23.554, Table 8.2.1-2). */
export interface RegistrationResponse {
  readonly messageType: MessageType;
  readonly ueServiceId: string;
  /** Seconds until the registration ends; for REG. */
  readonly expiresIn?: number;
}

/** Names in JSON and keys in CBOR. TS 24.538 has no CBOR, so the keys are ours. */
const fields = {
  messageType: 1,
  ueServiceId: 2,
  credentialInformation: 3,
  clientProfile: 4,
  expiresIn: 5,
} as const;
type Field = keyof typeof fields;

const mostText = 512;
/** Bytes of a message: a server keeps the profile that is in it for as long as the client is registered. */
export const longestMessage = 8_192;

function wrong(expected: string): AkmaError {
  return new AkmaError('ERR_AKMA_MESSAGE', `MSGin5G message: expected ${expected}, got another`);
}

/** @throws {CoapError} `ERR_COAP_VALUE` for a client profile that the format cannot hold */
export function encodeMessage(message: RegistrationRequest | RegistrationResponse, contentFormat: number): Uint8Array {
  const entries = (Object.entries(message) as [Field, unknown][]).filter(([, value]) => value !== undefined);
  if (contentFormat === ContentFormat.Json) return encodePayload(Object.fromEntries(entries), contentFormat);
  return encodePayload(new Map(entries.map(([name, value]) => [fields[name], value])), contentFormat);
}

/**
 * What each field says, by name. Fields that are not known are left out.
 *
 * @throws {AkmaError} `ERR_AKMA_MESSAGE`
 */
function decodeFields(payload: Uint8Array, contentFormat: number): Readonly<Partial<Record<Field, unknown>>> {
  if (payload.length > longestMessage) throw wrong(`at most ${longestMessage} bytes`);
  const value = contentFormat === ContentFormat.Json ? jsonOf(payload) : cborOf(payload);
  const known: Partial<Record<Field, unknown>> = {};
  for (const [name, key] of Object.entries(fields) as [Field, number][]) {
    const item = value instanceof Map ? value.get(key) : Object.hasOwn(value, name) ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
    if (item !== undefined) known[name] = item;
  }
  return known;
}

function jsonOf(payload: Uint8Array): object {
  let value: unknown;
  try {
    value = JSON.parse(fromUtf8(payload));
  } catch {
    throw wrong('JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong('an object');
  return value;
}

function cborOf(payload: Uint8Array): ReadonlyMap<CborKey, CborValue> {
  let value: CborValue;
  try {
    value = decode(payload);
  } catch (error) {
    if (error instanceof ProtocolError) throw wrong('CBOR');
    throw error;
  }
  if (!(value instanceof Map)) throw wrong('a map');
  return value;
}

function text(name: Field, value: unknown): string {
  if (typeof value !== 'string' || value === '' || value.length > mostText) throw wrong(`${name} as a text of 1 to ${mostText} characters`);
  return value;
}

function common(known: ReturnType<typeof decodeFields>): { readonly messageType: MessageType; readonly ueServiceId: string } {
  const messageType = messageTypes.find((type) => type === known.messageType);
  if (messageType === undefined) throw wrong(`messageType as one of ${messageTypes.join(', ')}`);
  return { messageType, ueServiceId: text('ueServiceId', known.ueServiceId) };
}

/** @throws {AkmaError} `ERR_AKMA_MESSAGE` */
export function decodeRequest(payload: Uint8Array, contentFormat: number): RegistrationRequest {
  const known = decodeFields(payload, contentFormat);
  const { credentialInformation, clientProfile } = known;
  return {
    ...common(known),
    ...(credentialInformation === undefined ? {} : { credentialInformation: text('credentialInformation', credentialInformation) }),
    ...(clientProfile === undefined ? {} : { clientProfile }),
  };
}

/** @throws {AkmaError} `ERR_AKMA_MESSAGE` */
export function decodeResponse(payload: Uint8Array, contentFormat: number): RegistrationResponse {
  const known = decodeFields(payload, contentFormat);
  const { expiresIn } = known;
  if (expiresIn !== undefined && !(typeof expiresIn === 'number' && Number.isSafeInteger(expiresIn) && expiresIn >= 0)) throw wrong('expiresIn as seconds');
  return { ...common(known), ...(expiresIn === undefined ? {} : { expiresIn }) };
}
