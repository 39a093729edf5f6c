import {
  AceError,
  aceErrorName,
  decodeIntrospectionRequest,
  encodeIntrospectionResponse,
  errorResponse,
  type IntrospectionResponse,
  tokenHashText,
} from '../../ace/index.ts';
import { Code, ContentFormat, formatCode, OptionNumber, type Response, uintOption } from '../../coap/index.ts';
import { type ClaimsSet, openCwt } from '../../core/cwt.ts';
import { ProtocolError } from '../../core/errors.ts';
import { acePayload, type EndpointRequest, refuseStranger } from '../endpoint-request.ts';
import type { Emit } from '../events.ts';
import type { RegisteredPeer, RegisteredResourceServer, Registry } from '../registry/registry.ts';
import { claimsOfJwt } from './shared-tokens.ts';
import type { TokenRecord, TokenRecords } from './token-records.ts';

export interface IntrospectionEndpointOptions {
  readonly registry: Registry;
  readonly records: TokenRecords;
  readonly emit: Emit;
}

/** Bytes. */
const longestJwt = 8192;

/**
 * The introspection endpoint. A resource server may ask about tokens for it, a client about tokens that it got.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9200#section-5.9
 */
export class IntrospectionEndpoint {
  readonly #options: IntrospectionEndpointOptions;

  constructor(options: IntrospectionEndpointOptions) {
    this.#options = options;
  }

  /** Answer a POST. It rejects only on faults of this server. */
  async answer(request: EndpointRequest): Promise<Response> {
    const { registry, emit } = this.#options;
    const peer = await registry.peer(request.association);
    if (peer === undefined) return refuseStranger(request, emit);
    try {
      return await this.#introspect(peer, decodeIntrospectionRequest(acePayload(request)).token);
    } catch (error) {
      if (!(error instanceof AceError)) throw error;
      const reason = error.error === undefined ? formatCode(error.responseCode) : aceErrorName(error.error);
      emit({ type: 'refused', reason: 'introspection', peer: peer.credential, detail: `${reason}: ${error.message}` });
      return errorResponse(error);
    }
  }

  async #introspect(peer: RegisteredPeer, token: Uint8Array): Promise<Response> {
    const { registry, records, emit } = this.#options;
    const jwt = jwtOf(token);
    const record = jwt === undefined ? await records.find(token) : await records.findByHash(tokenHashText(jwt));
    const resourceServer = record === undefined ? undefined : await registry.resourceServer(record.resourceServer);
    if (record === undefined || resourceServer === undefined) {
      emit({ type: 'introspected', requester: peer.credential, active: false });
      return answerOf({ active: false });
    }
    // RFC 9200, Section 5.9.3: no right to ask is 4.03 without payload.
    const allowed = peer.kind === 'rs' ? peer.id === record.resourceServer : peer.id === record.client;
    if (!allowed) throw new AceError('ERR_AS_FORBIDDEN', 'the token is for another resource server, or of another client', { responseCode: Code.Forbidden });
    const claims = jwt === undefined ? claimsOf(token, resourceServer) : claimsOfJwt(jwt);
    const active = claims !== undefined;
    emit({
      type: 'introspected',
      requester: peer.credential,
      active,
      client: record.client,
      ...(typeof claims?.aud === 'string' ? { audience: claims.aud } : {}),
    });
    return answerOf(active ? describe(claims, record, peer) : { active: false });
  }
}

/** The text of a JWT, which may be a token of the face over HTTPS; `undefined`: it is none. */
function jwtOf(token: Uint8Array): string | undefined {
  const text = String.fromCharCode(...token.subarray(0, longestJwt));
  return token.length <= longestJwt && /^[\w-]+\.[\w-]+\.[\w-]+$/.test(text) ? text : undefined;
}

/** `undefined`: the key that protects it is no longer the RS's. */
function claimsOf(token: Uint8Array, resourceServer: RegisteredResourceServer): ClaimsSet | undefined {
  try {
    return openCwt(token, resourceServer.tokenKeys).claims;
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}

/**
 * The claims, as the RS that the token is for could read them itself. That includes the key of `cnf`, which RFC 9201, Section 5 makes a must towards an RS; a
 * client got it with the token and does not get it again.
 */
function describe(claims: ClaimsSet, record: TokenRecord, peer: RegisteredPeer): IntrospectionResponse {
  const { cnf, unknown: _notRegistered, ...plain } = claims;
  return { active: true, ...plain, ...(peer.kind === 'rs' && cnf !== undefined ? { cnf } : {}), clientId: record.client };
}

function answerOf(response: IntrospectionResponse): Response {
  return { code: Code.Created, options: [uintOption(OptionNumber.ContentFormat, ContentFormat.AceCbor)], payload: encodeIntrospectionResponse(response) };
}
