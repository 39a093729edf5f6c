import {
  CoapError,
  type CoapUri,
  contentFormatOf,
  type DeadlineOptions,
  emptyOption,
  encodePayload,
  Method,
  type Option,
  OptionNumber,
  type OutgoingRequest,
  opaqueOption,
  type Peer,
  sortOptions,
  uintOption,
  uriOptions,
} from '../coap/index.ts';
import { emptyBytes } from '../core/bytes.ts';

/** What to ask, beside the URI. */
export interface CoapRequestInit extends DeadlineOptions {
  /** GET when absent. */
  readonly method?: keyof typeof Method;
  /** Bytes or text; any other value becomes JSON or CBOR, as `contentFormat` says. */
  readonly payload?: unknown;
  /** A number or a media type: `60`, `application/cbor`. Absent: `text/plain` for text, none for bytes. */
  readonly contentFormat?: number | string;
  readonly accept?: number | string;
  /** Representations that are at hand already; 2.03 says which of them holds. */
  readonly etag?: Uint8Array | readonly Uint8Array[];
  /** Only if the representation is one of these; one of no bytes: if there is any. */
  readonly ifMatch?: Uint8Array | readonly Uint8Array[];
  /** Only if there is no representation. */
  readonly ifNoneMatch?: boolean;
  /** `false`: send as a Non-confirmable message. */
  readonly confirmable?: boolean;
  /** Options that have no name here. */
  readonly options?: readonly Option[];
}

/**
 * The request that a URI and an init stand for.
 *
 * @throws {CoapError} `ERR_COAP_URI`, `ERR_COAP_METHOD`, `ERR_COAP_CONTENT_FORMAT`, `ERR_COAP_VALUE`
 */
export function outgoingRequest(uri: CoapUri, init: CoapRequestInit, peer: Peer): OutgoingRequest {
  const { method = 'GET', payload, confirmable = true } = init;
  const code = Object.hasOwn(Method, method) ? Method[method] : undefined;
  if (code === undefined) throw new CoapError('ERR_COAP_METHOD', `expected one of ${Object.keys(Method).join(', ')}, got ${String(method)}`);
  const contentFormat = init.contentFormat === undefined ? (typeof payload === 'string' ? 0 : undefined) : formatNumber(init.contentFormat);
  const options = uriOptions(uri, peer);
  for (const etag of all(init.etag)) options.push(opaqueOption(OptionNumber.ETag, etag));
  for (const etag of all(init.ifMatch)) options.push(opaqueOption(OptionNumber.IfMatch, etag));
  if (init.ifNoneMatch === true) options.push(emptyOption(OptionNumber.IfNoneMatch));
  if (contentFormat !== undefined) options.push(uintOption(OptionNumber.ContentFormat, contentFormat));
  if (init.accept !== undefined) options.push(uintOption(OptionNumber.Accept, formatNumber(init.accept)));
  options.push(...(init.options ?? []));
  return {
    peer,
    code,
    options: sortOptions(options),
    payload: payload === undefined ? emptyBytes : encodePayload(payload, contentFormat),
    ...(confirmable ? {} : { nonConfirmable: true }),
  };
}

function all(etags: Uint8Array | readonly Uint8Array[] | undefined): readonly Uint8Array[] {
  if (etags === undefined) return [];
  return etags instanceof Uint8Array ? [etags] : etags;
}

function formatNumber(format: number | string): number {
  const number = typeof format === 'number' ? format : contentFormatOf(format);
  if (number !== undefined && Number.isInteger(number) && number >= 0 && number <= 0xffff) return number;
  throw new CoapError('ERR_COAP_CONTENT_FORMAT', `expected a number of 0 to 65535 or a media type of the registry, got ${JSON.stringify(format)}`);
}
