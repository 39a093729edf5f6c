import type { AccessInformation, Experiment, FollowOptions, Profile, TokenRequest } from '../ace/index.ts';
import type { QBlockOptions, TransmissionParameters, Transports } from '../coap/index.ts';
import type { Env } from '../core/env.ts';
import type { Store } from '../store/index.ts';
import type { AuthorizationServerRegistration } from './authorization-servers.ts';
import type { AceClientEvent } from './events.ts';

/** What a client is made of. */
export interface AceClientOptions {
  readonly transport: Transports;
  /**
   * URI of a forward proxy, `coap://host[:port]`, that everything goes through: hints, tokens, uploads and requests. It may be the only one that can resolve the
   * names of AS and RS. Of what OSCORE protects it sees the server and nothing else; the first request to an RS and the upload are not protected (RFC 9203,
   * Section 4.1), so of these it sees the path, and the token as the ciphertext that it is.
   */
  readonly proxy?: string;
  /** Keeps tokens and associations for the next run, and what protects against the reuse of a nonce: never give a client an older copy of its store. */
  readonly store: Store;
  readonly profiles: readonly Profile[];
  /** The only ones that the client asks for tokens, whatever an RS says. */
  readonly authorizationServers: readonly AuthorizationServerRegistration[];
  readonly env?: Env;
  /** Hears of tokens, refusals, and what the layers below tell: for logs and tracing. */
  readonly emit?: (event: AceClientEvent) => void;
  readonly parameters?: Partial<TransmissionParameters>;
  /** Robust block-wise transfer (RFC 9177), with servers that know it. Absent: off. */
  readonly qBlock?: QBlockOptions;
  /** Seconds before the end of a token from which on it is renewed, at most a tenth of its lifetime; 30 when absent, 0: never. */
  readonly renewal?: number;
  /** Follow the token revocation list of each AS that has given a token (RFC 9770), and forget what is revoked. Absent: the RS says so when it is used. */
  readonly revocation?: FollowOptions;
  /** Goes into every request for a token, unless the request has it already. */
  readonly tokenRequest?: Partial<TokenRequest>;
  /** Throws `AceError` for a request for a token that is not to be sent. */
  checkTokenRequest?(request: TokenRequest): void;
  /** Throws `AceError` for a token response that is not enough, beyond RFC 9200. */
  checkGrant?(response: AccessInformation): void;
  /** `token-upload`: let authorization servers that can upload tokens do so. */
  readonly experimental?: readonly Experiment[];
  /**
   * Keep from the network what is asked for: the first request to an RS, which nothing protects, is `GET /` whatever the errand. Its hints name no scope then, so
   * the errand, `tokenRequest` or the AS does. It is not for what takes an answer that nothing protects.
   */
  readonly hidePath?: boolean;
  readonly limits?: { /** Sessions that are held at once; 256. */ readonly sessions?: number };
  /** `/authz-info` when absent. */
  readonly paths?: { readonly authzInfo?: string };
}
