import { oscoreProfile } from '../../profiles/oscore/index.ts';
import { decodeTokenResponse, encodeTokenRequest, type ProfileAtClient, type TokenResponse } from '../../src/ace/index.ts';
import {
  ContentFormat,
  Endpoint,
  echo,
  Method,
  type Option,
  OptionNumber,
  pathOptions,
  type Response,
  type SecurityAssociation,
  sortOptions,
  uintOption,
} from '../../src/coap/index.ts';
import { emptyBytes } from '../../src/core/bytes.ts';
import { memoryStore } from '../../src/store/index.ts';
import type { Simulator } from '../support/simulator.ts';

interface Message {
  readonly method?: keyof typeof Method;
  readonly payload?: Uint8Array;
  /** `null`: none. */
  readonly contentFormat?: number | null;
  readonly options?: readonly Option[];
}

/** A peer that has keys and sends whatever it likes under them: what OSCORE lets through is not for that reason well-formed. */
export class HostilePeer {
  readonly endpoint: Endpoint;
  readonly #simulator: Simulator;
  readonly #profile: ProfileAtClient;

  constructor(simulator: Simulator, address: string, port: number) {
    this.#simulator = simulator;
    const env = simulator.env(`hostile ${address}:${port}`);
    this.#profile = oscoreProfile.client!({ env, store: memoryStore(), request: (request) => this.endpoint.request(request), emit: () => {} });
    this.endpoint = new Endpoint({
      transport: simulator.transport(address, port),
      env,
      layers: [echo({}, env), ...this.#profile.layers],
      parameters: { nstart: 8 },
    });
  }

  /** The channel to the AS. */
  connect(credentials: unknown): Promise<SecurityAssociation> {
    return this.#profile.connectAs(credentials, this.#simulator.peer('10.0.0.1', 5683));
  }

  async token(association: SecurityAssociation, scope: string): Promise<TokenResponse> {
    const response = await this.send('10.0.0.1', 'token', { payload: encodeTokenRequest({ audience: 'rs1', scope }) }, association);
    return decodeTokenResponse(response.payload);
  }

  /** A context with the RS. */
  establish(token: TokenResponse): Promise<SecurityAssociation> {
    return this.#profile.establish(token, { peer: this.#simulator.peer('10.0.0.2', 5683), audience: 'rs1', authzInfo: ['authz-info'] });
  }

  send(address: string, path: string, message: Message, association?: SecurityAssociation): Promise<Response> {
    const { method = 'POST', payload = emptyBytes, contentFormat = ContentFormat.AceCbor, options = [] } = message;
    return this.endpoint.request({
      code: Method[method],
      options: sortOptions([
        ...pathOptions(path.split('/')),
        ...(contentFormat === null ? [] : [uintOption(OptionNumber.ContentFormat, contentFormat)]),
        ...options,
      ]),
      payload,
      peer: this.#simulator.peer(address, 5683),
      ...(association === undefined ? {} : { association }),
    });
  }

  async close(): Promise<void> {
    await this.endpoint.close();
    await this.#profile.close();
  }
}
