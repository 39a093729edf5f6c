import type { RestoreRules } from '../store/index.ts';

/**
 * What a store of any role may not repeat when it goes back in time.
 *
 * Numbers: sender sequence numbers make nonces (RFC 8613, Section 7.2.1), those of tokens with `exi` are good once (RFC 9200, Section 5.10.3), and identifiers of their
 * input materials are never given again. Single use: authorization codes, and refresh tokens, of which the store knows one that a client may have exchanged since
 * (RFC 6749, Section 10.4). Gone: sessions over DTLS, whose record numbers went on, observations that gave what came since, and the processes that served.
 */
export const restoreRules: RestoreRules = {
  counters: ['oscore/ssn/', 'as/exi/', 'as/oscore-next/'],
  dropped: ['as/code/', 'as/refresh/', 'client/refresh/', 'client/observation/', 'dtls/', 'oscore/lease/', 'seal/openid/', 'server/'],
  // The provider's own keys and secrets.
  kept: ['seal/openid/own/'],
};
