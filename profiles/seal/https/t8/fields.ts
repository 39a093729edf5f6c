import { fromBase64, isBase64 } from './base64.ts';
import type { JsonObject } from './json.ts';
import type { InvalidParam } from './problem-details.ts';
import { badRequest, T8Error } from './t8-error.ts';

const externalId = /^[\x21-\x3f\x41-\x7e]{1,126}@[\x21-\x3f\x41-\x7e]{1,126}$/;
const msisdn = /^[0-9]{5,15}$/;
const features = /^[0-9A-Fa-f]{1,64}$/;

/** Of several causes the one that weighs most is told (TS 29.500, Table 5.2.7.2-1). */
const weight = { OPTIONAL_IE_INCORRECT: 1, MANDATORY_IE_INCORRECT: 2, MANDATORY_IE_MISSING: 3 } as const;
type FieldsCause = keyof typeof weight;

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
  /** What there is to say of all of them together. */
  #reason: FieldsCause = 'OPTIONAL_IE_INCORRECT';

  constructor(object: JsonObject) {
    this.#object = object;
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#object, name);
  }

  /** Say that a member is wrong. */
  refuse(name: string, expected: string, reason: FieldsCause = 'OPTIONAL_IE_INCORRECT'): void {
    this.#invalid.push({ param: `/${name}`, reason: `expected ${expected}` });
    if (weight[reason] > weight[this.#reason]) this.#reason = reason;
  }

  /** @throws {T8Error} `ERR_T8_REQUEST` with all that is wrong */
  done(): void {
    if (this.#invalid.length > 0) throw badRequest('expected members as the API has them, got others', { reason: this.#reason, invalidParams: this.#invalid });
  }

  read<T>(name: string, expected: string, accepts: (value: unknown) => value is T): T | undefined {
    const value = this.has(name) ? this.#object[name] : undefined;
    if (accepts(value)) return value;
    this.refuse(name, expected, value === undefined ? 'MANDATORY_IE_MISSING' : 'MANDATORY_IE_INCORRECT');
    return undefined;
  }

  optional<T>(name: string, expected: string, accepts: (value: unknown) => value is T): T | undefined {
    if (!this.has(name)) return undefined;
    const value = this.#object[name];
    if (accepts(value)) return value;
    this.refuse(name, expected);
    return undefined;
  }

  oneOf<Word extends string>(name: string, words: readonly Word[]): Word | undefined {
    return this.read(name, `one of ${words.join(', ')}`, isOneOf(words));
  }

  optionalOneOf<Word extends string>(name: string, words: readonly Word[]): Word | undefined {
    return this.optional(name, `one of ${words.join(', ')}`, isOneOf(words));
  }

  device(): DeviceName | undefined {
    const named = ['externalId', 'msisdn'].filter((name) => this.has(name));
    if (named.length !== 1)
      this.refuse(
        'externalId',
        `one of externalId and msisdn, got ${named.length === 0 ? 'none' : 'both'}`,
        named.length === 0 ? 'MANDATORY_IE_MISSING' : 'MANDATORY_IE_INCORRECT',
      );
    const [id, number] = [
      this.has('externalId') ? this.read('externalId', 'a local identifier, "@" and a domain', isText(isExternalId)) : undefined,
      this.has('msisdn') ? this.read('msisdn', '5 to 15 digits', isText(isMsisdn)) : undefined,
    ];
    if (id !== undefined) return { externalId: id };
    return number === undefined ? undefined : { msisdn: number };
  }

  /** Bytes in base64. */
  bytes(name: string, most: number): Uint8Array | undefined {
    const expected = `base64 of 1 to ${most} bytes`;
    const bytes = this.#base64(name, expected);
    if (bytes !== undefined && bytes.length > most) this.refuse(name, expected, 'MANDATORY_IE_INCORRECT');
    return bytes;
  }

  /**
   * Non-IP data in base64.
   *
   * @throws {T8Error} `ERR_T8_SIZE` for more than may be (TS 29.122, 4.4.5.3.1)
   */
  packet(name: string, most: number): Uint8Array | undefined {
    const bytes = this.#base64(name, `base64 of 1 to ${most} bytes`);
    if (bytes !== undefined && bytes.length > most)
      throw new T8Error('ERR_T8_SIZE', `${name}: expected at most ${most} bytes, got ${bytes.length}`, { reason: 'DATA_TOO_LARGE' });
    return bytes;
  }

  #base64(name: string, expected: string): Uint8Array | undefined {
    const text = this.read(
      name,
      expected,
      isText((value) => value !== '' && isBase64(value)),
    );
    return text === undefined ? undefined : fromBase64(text);
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

function isOneOf<Word extends string>(words: readonly Word[]): (value: unknown) => value is Word {
  return (value): value is Word => words.some((word) => word === value);
}

export function isBoolean(value: unknown): value is boolean {
  return typeof value === 'boolean';
}

const wholeNumber = (least: number, most: number): string => `a whole number of ${least} to ${most}`;

function isWhole(least: number, most: number): (value: unknown) => value is number {
  return (value): value is number => Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
}
