import { Code, ContentFormat, OptionNumber, type ResourceFunction, uintOption } from '../../../src/coap/index.ts';
import type { SealService } from '../service.ts';
import { type KeyManagementOptions, KeyManagementServer } from './key-management-server.ts';
import { encodeKmResponse, longestKmRequest } from './message.ts';
import { kmScope } from './request-check.ts';

/** A key management server, and its path. */
export interface KeyManagementServiceOptions extends KeyManagementOptions {
  /** Where requests are answered; `/km` when absent. */
  readonly path?: string;
}

/** A key management server that there is already, and its path: it may have a face over HTTPS too. */
export interface KeyManagementFaceOptions {
  readonly server: KeyManagementServer;
  /** `/km` when absent. */
  readonly path?: string;
}

/** RFC 7959, Section 2.9.3: with 4.13, how much would be read. */
const sizeOptions = [uintOption(OptionNumber.Size1, longestKmRequest)];

/**
 * Key management as a service of a SEAL server: KM Requests in the bodies of FETCH and POST, `application/cbor` both ways.
 *
 * ```ts
 * const records = new SealedRecords(store, recordKey);
 * const server = new SealServer({ audience: 'skms', simS, valSystem, store, profiles, services: [keyManagement({ sKmsUri: 'coap://skms.example/km', records })] });
 * ```
 *
 * @throws {KeyManagementError} `ERR_KM_CONFIG`
 */
export function keyManagement(options: KeyManagementServiceOptions | KeyManagementFaceOptions): SealService {
  const { path = '/km' } = options;
  const skms = 'server' in options ? options.server : new KeyManagementServer(options);
  return {
    scopes: { [kmScope]: { [path]: ['FETCH', 'POST'] } },
    anyScope: [path],
    // Records of another key would all seem to be absent.
    start: () => skms.check(),
    mount: (server) => {
      const answer: ResourceFunction = async (request) => {
        const { code, response } = await skms.answer(request.payload, () => server.callerOf(request));
        return {
          ...(response.errorCode === undefined ? {} : { code }),
          payload: encodeKmResponse(response),
          contentFormat: ContentFormat.Cbor,
          // What one token may have is not for the next one.
          maxAge: 0,
          ...(code === Code.RequestEntityTooLarge ? { options: sizeOptions } : {}),
        };
      };
      server.resource(path, { fetch: answer, post: answer, accepts: [ContentFormat.Cbor], attributes: { rt: 'seal.km', ct: ContentFormat.Cbor } });
    },
  };
}
