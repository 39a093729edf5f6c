import { formatCode, type Option, OptionNumber, type Response, uintOf } from '../coap/index.ts';
import { fromUtf8 } from '../core/bytes.ts';

/** An answer, and whether something vouches for it. */
export class AceResponse {
  readonly code: number;
  readonly options: readonly Option[];
  readonly payload: Uint8Array;
  /** Whether it came inside an association with the RS. An error that did not may come from anybody. */
  readonly protected: boolean;

  constructor(response: Response) {
    this.code = response.code;
    this.options = response.options;
    this.payload = response.payload;
    this.protected = response.association !== undefined;
  }

  /** `2.05` */
  get codeText(): string {
    return formatCode(this.code);
  }

  get ok(): boolean {
    return this.code < 128;
  }

  get contentFormat(): number | undefined {
    return uintOf(this.options, OptionNumber.ContentFormat);
  }

  /** @throws {BytesError} `ERR_BYTES_UTF8` */
  text(): string {
    return fromUtf8(this.payload);
  }
}
