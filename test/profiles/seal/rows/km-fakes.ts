import { decodeKmRequest, KeyManagementError, type KmRequest, type KmResponse, kmFields } from '../../../../profiles/seal/index.ts';
import { type AceClient, type AceRequestInit, AceResponse } from '../../../../src/client/index.ts';
import { ContentFormat, OptionNumber, uintOption } from '../../../../src/coap/index.ts';
import { emptyBytes } from '../../../../src/core/bytes.ts';
import { type CborValue, encode } from '../../../../src/core/cbor.ts';

type Fields = { readonly [K in keyof KmResponse]?: CborValue };

export interface FakeAnswer {
  /** What of a right response is otherwise; `undefined` takes a field out. */
  readonly fields?: Fields;
  readonly code?: number;
  /** Absent: application/cbor. */
  readonly contentFormat?: number;
  readonly isProtected?: boolean;
}

/** An SKM-S that answers as a test wants, also what no encoder of ours would write. */
export function answeredBy(answer: (request: KmRequest) => FakeAnswer): Pick<AceClient, 'fetch'> {
  return {
    fetch: async (_uri, { payload }: AceRequestInit = {}) => {
      const request = decodeKmRequest(payload as Uint8Array);
      const { fields = {}, code = 0x45, contentFormat = ContentFormat.Cbor, isProtected = true } = answer(request);
      return new AceResponse({
        code,
        options: [uintOption(OptionNumber.ContentFormat, contentFormat)],
        payload: encodeLoosely({ ...rightResponse(request), ...fields }),
        ...(isProtected ? { association: { kind: 'fake', id: 'fake', credential: 'fake' } } : {}),
      });
    },
  };
}

function rightResponse({ version: _, ...echoed }: KmRequest): Fields {
  return { userUri: 'anna@val.example', ...echoed, payload: Uint8Array.of(1) };
}

/** A KM Response with whatever stands in its fields. */
export function encodeLoosely(fields: Fields): Uint8Array {
  const map = new Map<number, CborValue>();
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) map.set(kmFields[name as keyof typeof kmFields].label, value);
  return map.size === 0 ? emptyBytes : encode(map);
}

/** For `assert.rejects`. */
export function isKmError(code: string, errorCode?: number): (error: unknown) => boolean {
  return (error) => error instanceof KeyManagementError && error.code === code && error.errorCode === errorCode;
}
