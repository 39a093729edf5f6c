/**
 * How close a SEAL deployment keeps to the letter where its documents differ, or leave something open: `strict` takes the narrower reading of each,
 * `lenient` works with peers that were built for RFC 9200.
 */
export type SealMode = 'strict' | 'lenient';

/** One difference between the modes. */
export interface ModeDifference {
  readonly at: 'SIM-S' | 'SIM-C' | 'SEAL server';
  readonly what: string;
  readonly strict: string;
  readonly lenient: string;
  readonly source: string;
}

/** The differences between the modes, by what they are about. */
export type ModeRule = 'tokenRequest' | 'clientId' | 'serverKey' | 'scope' | 'origin' | 'system';

/** Every difference between the modes; there are no others. */
export const modeDifferences: Readonly<Record<ModeRule, ModeDifference>> = {
  tokenRequest: {
    at: 'SIM-S',
    what: 'a token request without grant_type or scope',
    strict: 'is refused with invalid_request',
    lenient: 'means client_credentials, and the scope that is registered as the default',
    source: 'TS 24.547, 6.2.2; TS 33.434, B.3.7.1',
  },
  clientId: {
    at: 'SIM-S',
    what: 'a token request over HTTPS for a code that has no client_id in its body',
    strict: 'is refused with invalid_request',
    lenient: 'is taken, as standard libraries leave it to the Authorization header to say who asks',
    source: 'TS 33.434, A.4.2.4; RFC 6749, 4.1.3',
  },
  serverKey: {
    at: 'SIM-S',
    what: 'rs_cnf in a token response',
    strict: 'is there for every SEAL server that has a public key',
    lenient: 'is there where the token is bound to an asymmetric key, and the client does not know that of the server',
    source: 'TS 24.547, 6.2.2; TS 33.434, B.3.7.2',
  },
  scope: {
    at: 'SIM-C',
    what: 'a token request for which nobody has named a scope',
    strict: 'is not sent',
    lenient: 'goes without one',
    source: 'TS 24.547, 6.2.2',
  },
  origin: {
    at: 'SEAL server',
    what: 'a token without iss or sub',
    strict: 'is refused with 4.00',
    lenient: 'is taken: the key that opens it names its issuer',
    source: 'TS 33.434 v19, 6.2.2 and 6.3; B.3.6.2',
  },
  system: {
    at: 'SEAL server',
    what: 'a token that does not name its VAL system',
    strict: 'is refused with 4.01',
    lenient: 'is taken, as 3GPP has no claim for it; one that names another is refused',
    source: 'TS 33.434, 5.4',
  },
};
