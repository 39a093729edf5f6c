import { Code, ContentFormat, encodeProblemDetails, OptionNumber, type Response, uintOption } from '../../coap/index.ts';
import { emptyBytes } from '../../core/bytes.ts';
import { type EndpointRequest, refuseStranger } from '../endpoint-request.ts';
import { AuthorizationServerError } from '../error.ts';
import type { Emit } from '../events.ts';
import type { Registry } from '../registry/registry.ts';
import { type AdminCommand, administer, decodeAdminCommand, encodeAdminAnswer } from './admin-command.ts';
import type { Administration } from './administration.ts';

export interface AdminResourceOptions {
  readonly registry: Registry;
  readonly administration: Administration;
  readonly emit: Emit;
}

const codes: ReadonlyMap<string, number> = new Map([
  ['ERR_AS_FORBIDDEN', Code.Forbidden],
  ['ERR_AS_UNKNOWN', Code.NotFound],
  ['ERR_AS_EXISTS', Code.Conflict],
  ['ERR_AS_FIXED', Code.Conflict],
]);
const success = { list: Code.Content, show: Code.Content, add: Code.Created, remove: Code.Deleted } as const;

/**
 * Administration over CoAP: one resource, `/admin`, for clients whose registration says what they may administer.
 *
 * A request is a command, a CBOR map (Content-Format 60): `1` act (`add`, `list`, `show`, `remove`), `2` object (`client`, `rs`, `key`, `policy`, `token`, `code`),
 * `3` id, `4` of, `5` value, `6` after, `7` limit; `AdminCommand` says what they mean. FETCH takes `list` and `show`, POST takes `add` and `remove`. What is added is a
 * map with the keys of registration-codec.ts.
 *
 * ```
 * FETCH /admin  {1: "list", 2: "client", 7: 50}                                                      2.05 {"entries": [...], "next": "store:c50"}
 * POST  /admin  {1: "add", 2: "client", 5: {1: "c9", 3: {...}, 5: [{1: "rs1", 2: "r_temp"}]}}        2.01 {}
 * POST  /admin  {1: "remove", 2: "key", 4: "rs1", 3: "01"}                                           2.02 {}
 * ```
 *
 * Answers are CBOR maps with texts as keys; long ones come block-wise, and a list that has `next` goes on there. Refusals: 4.01 to whoever is no peer, 4.03 without
 * a payload to a peer that may administer nothing, and else problem details (RFC 9290) whose title is the code of an `AuthorizationServerError`: 4.03, 4.04, 4.09,
 * 4.00.
 */
export class AdminResource {
  readonly #options: AdminResourceOptions;

  constructor(options: AdminResourceOptions) {
    this.#options = options;
  }

  /** Answer a FETCH or a POST. It rejects only on faults of this server. */
  async answer(request: EndpointRequest, reads: boolean): Promise<Response> {
    const { registry, administration, emit } = this.#options;
    const peer = await registry.peer(request.association);
    if (peer === undefined) return refuseStranger(request, emit);
    if (peer.kind !== 'client' || peer.admin.size === 0) {
      emit({ type: 'refused', reason: 'administration', peer: peer.credential, detail: 'the peer is no administrator' });
      return { code: Code.Forbidden, options: [], payload: emptyBytes };
    }
    if (request.contentFormat !== ContentFormat.Cbor) return { code: Code.UnsupportedContentFormat, options: [], payload: emptyBytes };
    try {
      const command = decodeAdminCommand(request.payload);
      checkMethod(command, reads);
      const answer = await administer(administration, { name: peer.credential, admin: peer.admin }, command, emit);
      return { code: success[command.act], options: [uintOption(OptionNumber.ContentFormat, ContentFormat.Cbor)], payload: encodeAdminAnswer(answer) };
    } catch (error) {
      if (!(error instanceof AuthorizationServerError)) throw error;
      const code = codes.get(error.code) ?? Code.BadRequest;
      const payload = encodeProblemDetails({ title: error.code, detail: error.message });
      return { code, options: [uintOption(OptionNumber.ContentFormat, ContentFormat.ConciseProblemDetails)], payload };
    }
  }
}

/** A FETCH changes nothing (RFC 8132, Section 2), so that it may be sent again. */
function checkMethod({ act }: AdminCommand, reads: boolean): void {
  if (reads === (act === 'list' || act === 'show')) return;
  throw new AuthorizationServerError('ERR_AS_COMMAND', `command: act: expected ${reads ? 'list or show in a FETCH' : 'add or remove in a POST'}, got ${act}`);
}
