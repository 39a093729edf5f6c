import { type Body, ContentFormat, codeClass, contentFormatName, type MessageType, OptionNumber, uintOf } from '../coap/index.ts';
import { type CborMap, type CborValue, decode } from '../core/cbor.ts';
import type { ProtocolError } from '../core/errors.ts';
import { codeText } from './code-text.ts';
import { describe } from './datagram-line.ts';
import { Nonconformity } from './errors.ts';

/** `type`: of an answer that is a message. @throws {Nonconformity} */
export function expectCode({ code, type }: Pick<Body, 'code'> & { readonly type?: MessageType }, ...wanted: readonly number[]): void {
  if (!wanted.includes(code)) throw new Nonconformity(wanted.map(codeText).join(' or '), type === undefined ? codeText(code) : describe({ type, code }));
}

/** @throws {Nonconformity} `wanted` says what is to happen instead of a success */
export function expectRefusal({ code }: Pick<Body, 'code'>, wanted: string): void {
  if (codeClass(code) < 4) throw new Nonconformity(wanted, codeText(code));
}

/** @throws {Nonconformity} */
export function expectFormat({ options }: Pick<Body, 'options'>, wanted: number): void {
  const format = uintOf(options, OptionNumber.ContentFormat);
  if (format !== wanted)
    throw new Nonconformity(
      `Content-Format ${wanted} (${contentFormatName(wanted)})`,
      format === undefined ? 'none' : `${format} (${contentFormatName(format)})`,
    );
}

/** The CBOR map of an answer. @throws {Nonconformity} */
export function expectMap(answer: Body, format: number = ContentFormat.AceCbor): CborMap {
  expectFormat(answer, format);
  const value = readBy(() => decode(answer.payload), 'a CBOR map');
  if (!(value instanceof Map)) throw new Nonconformity('a CBOR map', 'another item');
  return value as CborMap;
}

/** A byte string of a map. @throws {Nonconformity} */
export function expectBytes(map: CborMap, label: number, name: string): Uint8Array {
  const value: CborValue | undefined = map.get(label);
  if (!(value instanceof Uint8Array)) throw new Nonconformity(`${name} (${label}) as a byte string`, value === undefined ? 'none' : 'another type');
  return value;
}

/** Run a decoder over what the target has sent. @throws {Nonconformity} when it is not `wanted` */
export function readBy<T>(decoder: () => T, wanted: string): T {
  try {
    return decoder();
  } catch (error) {
    throw new Nonconformity(wanted, (error as ProtocolError).message);
  }
}

/** What the target answers, or nothing where it answers otherwise than it is asked to: for cases in which that will do as well. */
export async function unlessBroken<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof Nonconformity) return undefined;
    throw error;
  }
}
