import { fromUtf8 } from '../../core/bytes.ts';
import type { CborValue } from '../../core/cbor.ts';
import type { Response } from '../layer.ts';
import { formatCode } from '../message/code.ts';
import { findOption, type Option, OptionNumber, uintOf } from '../message/option.ts';
import { cborOf, jsonOf } from '../message/payload.ts';
import { relativeLocationOf } from '../message/uri.ts';

/** Seconds that a response without Max-Age is fresh (RFC 7252, Section 5.10.5). */
const defaultMaxAge = 60;

/**
 * A response as an application reads it, much like the platform's own `Response`.
 *
 * ```ts
 * const response = await request('coap://127.0.0.1/temperature');
 * if (response.ok) console.log(response.codeText, response.text());
 * ```
 */
export class CoapResponse {
  /** The byte on the wire: 69 is 2.05. */
  readonly code: number;
  readonly options: readonly Option[];
  readonly payload: Uint8Array;

  constructor(response: Response) {
    this.code = response.code;
    this.options = response.options;
    this.payload = response.payload;
  }

  /** `2.05` */
  get codeText(): string {
    return formatCode(this.code);
  }

  /** Whether the code is of class 2. */
  get ok(): boolean {
    return this.code < 128;
  }

  /** The number of its Content-Format (RFC 7252, Section 12.3). */
  get contentFormat(): number | undefined {
    return uintOf(this.options, OptionNumber.ContentFormat);
  }

  /** The first ETag, 1 to 8 bytes. */
  get etag(): Uint8Array | undefined {
    return findOption(this.options, OptionNumber.ETag)?.value;
  }

  /** Seconds; 60 when the response does not say. */
  get maxAge(): number {
    return uintOf(this.options, OptionNumber.MaxAge) ?? defaultMaxAge;
  }

  /**
   * Where a new resource is, relative to the request's URI: `/log/7`.
   *
   * @throws {CoapError} `ERR_COAP_URI`, `ERR_COAP_OPTION` for a location that nobody can follow
   * @throws {BytesError} `ERR_BYTES_UTF8`
   */
  get location(): string | undefined {
    return relativeLocationOf(this.options);
  }

  /** @throws {BytesError} `ERR_BYTES_UTF8` */
  text(): string {
    return fromUtf8(this.payload);
  }

  /**
   * The value that the payload holds as JSON.
   *
   * @throws {CoapError} `ERR_COAP_PAYLOAD`
   * @throws {BytesError} `ERR_BYTES_UTF8`
   */
  json(): unknown {
    return jsonOf(this.text());
  }

  /**
   * The value that the payload holds as CBOR; maps are `Map`s.
   *
   * @throws {CoapError} `ERR_COAP_PAYLOAD`
   */
  cbor(): CborValue {
    return cborOf(this.payload);
  }
}
