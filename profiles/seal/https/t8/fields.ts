import { fromBase64, isBase64 } from './base64.ts';
import type { JsonObject } from './json.ts';
import type { InvalidParam } from './problem-details.ts';
import { badRequest } from './t8-error.ts';

const externalId = /^[\x21-\x3f\x41-\x7e]{1,126}@[\x21-\x3f\x41-\x7e]{1,126}$/;
const msisdn = /^[0-9]{5,15}$/;
const features = /^[0-9A-Fa-f]{1,64}$/;

/** How a device is named in a request: exactly one of them. */
export type DeviceName = { readonly externalId: string } | { readonly msisdn: string };

/** Whether it is an external identifier (TS 23.682, Section 4.6.2). */
export function isExternalId(text: string): boolean {
  return externalId.test(text);
}

/** Whether it is a telephone number as TS 23.003, Section 3.3, has it. */
export function isMsisdn(text: string): boolean {
  return msisdn.test(text);
}

/** Reads the members of a request and collects what is wrong, so that one answer names all of it. Members that are not known are let be. */
export class Fields {
  readonly #object: JsonObject;
  readonly #invalid: InvalidParam[] = [];

  constructor(object: JsonObject) {
    this.#object = object;
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#object, name);
  }

  /** Say that a member is wrong. */
  refuse(name: string, expected: string): void {
    this.#invalid.push({ param: `/${name}`, reason: `expected ${expected}` });
  }

  /** @throws {T8Error} `ERR_T8_REQUEST` with all that is wrong */
  done(): void {
    if (this.#invalid.length > 0) throw badRequest('expected members as the API has them, got others', this.#invalid);
  }

  read<T>(name: string, expected: string, accepts: (value: unknown) => value is T): T | undefined {
    const value = this.has(name) ? this.#object[name] : undefined;
    if (accepts(value)) return value;
    this.refuse(name, expected);
    return undefined;
  }

  optional<T>(name: string, expected: string, accepts: (value: unknown) => value is T): T | undefined {
    return this.has(name) ? this.read(name, expected, accepts) : undefined;
  }

  device(): DeviceName | undefined {
    const named = ['externalId', 'msisdn'].filter((name) => this.has(name));
    if (named.length !== 1) this.refuse('externalId', `one of externalId and msisdn, got ${named.length === 0 ? 'none' : 'both'}`);
    const id = this.optional('externalId', 'a local identifier, "@" and a domain', isText(isExternalId));
    const number = this.optional('msisdn', '5 to 15 digits', isText(isMsisdn));
    if (id !== undefined) return { externalId: id };
    return number === undefined ? undefined : { msisdn: number };
  }

  /** Bytes in base64. */
  bytes(name: string, most: number): Uint8Array | undefined {
    const text = this.read(
      name,
      `base64 of 1 to ${most} bytes`,
      isText((value) => value.length <= Math.ceil(most / 3) * 4 && value !== '' && isBase64(value)),
    );
    if (text === undefined) return undefined;
    const bytes = fromBase64(text);
    if (bytes.length > most) this.refuse(name, `base64 of 1 to ${most} bytes`);
    return bytes;
  }

  whole(name: string, least: number, most: number): number | undefined {
    return this.read(name, wholeNumber(least, most), isWhole(least, most));
  }

  optionalWhole(name: string, least: number, most: number): number | undefined {
    return this.optional(name, wholeNumber(least, most), isWhole(least, most));
  }

  /** What is served of the features that a client has (TS 29.500, Section 6.6.2); `undefined`: it says nothing of them. */
  features(supported: number): string | undefined {
    const given = this.optional(
      'supportedFeatures',
      'hexadecimal digits',
      isText((text) => features.test(text)),
    );
    return given === undefined ? undefined : (Number.parseInt(given.slice(-4), 16) & supported).toString(16);
  }
}

export function isText(accepts: (text: string) => boolean): (value: unknown) => value is string {
  return (value): value is string => typeof value === 'string' && accepts(value);
}

export function isBoolean(value: unknown): value is boolean {
  return typeof value === 'boolean';
}

const wholeNumber = (least: number, most: number): string => `a whole number of ${least} to ${most}`;

function isWhole(least: number, most: number): (value: unknown) => value is number {
  return (value): value is number => Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
}
