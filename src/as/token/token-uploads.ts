import {
  type AccessInformation,
  type ProfileAtAs,
  type Relayed,
  type TokenRequest,
  type TokenResponse,
  tokenHashText,
  type UploadOutcome,
  type UploadWish,
  uploadedInformation,
  uploadWishOf,
} from '../../ace/index.ts';
import {
  type CoapUri,
  codeClass,
  type Endpoint,
  formatCode,
  Method,
  OptionNumber,
  type Peer,
  parseUri,
  type Response,
  uintOf,
  uintOption,
  uriOptions,
  withOption,
} from '../../coap/index.ts';
import { ProtocolError } from '../../core/errors.ts';
import type { Emit } from '../events.ts';
import type { RegisteredResourceServer, Registry } from '../registry/registry.ts';

/** Milliseconds that an RS has to take a token: the client waits as long for its answer. */
const patience = 10_000;

export interface TokenUploadsOptions {
  readonly registry: Registry;
  readonly profiles: ReadonlyMap<number, ProfileAtAs>;
  /** Where this AS serves; it sends from there too. */
  readonly endpoint: () => Endpoint | undefined;
  readonly emit: Emit;
}

/** A token that was issued, and for whom. */
export interface Issued {
  readonly client: string;
  readonly resourceServer: RegisteredResourceServer;
  readonly profile: number;
  readonly response: TokenResponse;
}

/**
 * Uploads tokens to resource servers on behalf of clients that want it, over the channel that there is between AS and RS.
 *
 * This AS does so for the first token of a series alone. An update of rights goes to the client, which uploads it as ever: it is for the AS to choose.
 *
 * @see draft-ietf-ace-workflow-and-params-08, Sections 2 and 3
 */
export class TokenUploads {
  readonly #options: TokenUploadsOptions;

  constructor(options: TokenUploadsOptions) {
    this.#options = options;
  }

  /** @throws {AceError} `ERR_ACE_FORMAT` */
  wishOf(request: TokenRequest, update: boolean): UploadWish | undefined {
    const wish = uploadWishOf(request);
    return update ? undefined : wish;
  }

  /** Upload a token that is durable. The result is what the client is told: the token as ever where no upload can be tried. It never rejects for what the RS does. */
  async deliver(issued: Issued, { wanted, toRs }: UploadWish): Promise<AccessInformation> {
    const { response, resourceServer, profile } = issued;
    const upload = resourceServer.authzInfo === undefined ? undefined : this.#options.profiles.get(profile)!.upload?.(response.accessToken, toRs);
    const outcome = upload && (await this.#upload(issued, resourceServer.authzInfo!, upload));
    return outcome === undefined ? response : uploadedInformation(response, wanted, outcome);
  }

  async #upload(issued: Issued, authzInfo: string, { contentFormat, payload }: Relayed): Promise<UploadOutcome | undefined> {
    const { registry, profiles, endpoint } = this.#options;
    const { resourceServer } = issued;
    const found = await registry.found(resourceServer);
    const channel = profiles.get(resourceServer.channel?.profile ?? -1);
    const own = endpoint();
    if (found === undefined || channel?.reach === undefined || own === undefined) return undefined;
    try {
      const uri = parseUri(authzInfo);
      const peer = await this.#peerAt(own, uri);
      const association = await channel.reach(found);
      const options = withOption(uriOptions(uri, peer), uintOption(OptionNumber.ContentFormat, contentFormat!));
      const response = await own.request(
        // An upload that is carried out twice leaves one association that nobody uses, for a while.
        { code: Method.POST, options, payload, peer, association, idempotent: true },
        { timeout: patience },
      );
      if (response.association === association && codeClass(response.code) === 2) {
        this.#tell(issued, 'uploaded');
        return { uploaded: true, fromRs: relayedFrom(response) };
      }
      this.#tell(issued, 'refused', `${formatCode(response.code)}${response.association === association ? '' : ', not protected'}`);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      channel.unreached?.(found);
      this.#tell(issued, 'unreachable', error.message);
    }
    return { uploaded: false };
  }

  /** Where sessions are opened, only the address is of use. */
  async #peerAt(own: Endpoint, { scheme, host, port }: CoapUri): Promise<Peer> {
    return scheme === 'coaps' ? { key: `${host}:${port}`, address: host, port, scheme } : own.resolve(host, port, { scheme });
  }

  #tell({ client, resourceServer, response }: Issued, outcome: 'uploaded' | 'refused' | 'unreachable', detail?: string): void {
    const token = tokenHashText(response.accessToken);
    this.#options.emit({ type: 'token-uploaded', token, client, resourceServer: resourceServer.id, outcome, ...(detail === undefined ? {} : { detail }) });
  }
}

function relayedFrom({ options, payload }: Response): Relayed {
  const contentFormat = uintOf(options, OptionNumber.ContentFormat);
  return { ...(contentFormat === undefined || payload.length === 0 ? {} : { contentFormat }), payload: payload.slice() };
}
