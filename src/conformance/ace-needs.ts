import type { AsTarget } from './roles.ts';
import type { Known } from './target.ts';

function ofProfile<T extends { readonly profile: string }>(one: T | undefined, profile: T['profile']): T | undefined {
  return one?.profile === profile ? one : undefined;
}

function tokensFor(as: AsTarget | undefined, profile: AsTarget['profile']): AsTarget | undefined {
  if (as === undefined) return undefined;
  return (as.profile ?? (as.oscore === undefined ? 'coap_dtls' : 'coap_oscore')) === profile ? as : undefined;
}

/** What cases of OSCORE and of the roles need. */
export const aceNeeds: Readonly<Record<AceNeed, Known>> = {
  oscore: ['an OSCORE context (oscore), or a resource server of coap_oscore (rs)', ({ oscore, rs }) => oscore?.contexts[0] ?? ofProfile(rs, 'coap_oscore')],
  oscoreGet: ['a resource to read by OSCORE (oscore.resources.get)', ({ oscore, rs }) => (oscore === undefined ? rs?.allowed : oscore.resources.get)],
  oscoreObserve: [
    'a resource to observe by OSCORE (oscore.resources.observe)',
    ({ oscore, rs }) => (oscore === undefined ? rs?.observe : oscore.resources.observe),
  ],
  oscoreLarge: ['a resource of more than 64 bytes behind OSCORE (oscore.resources.large)', ({ oscore }) => oscore?.resources.large],
  oscorePut: ['a resource to write by OSCORE (oscore.resources.put)', ({ oscore }) => oscore?.resources.put],
  rs: ['a resource server and the key of its tokens (rs)', ({ rs }) => rs],
  rsOscore: ['a resource server of coap_oscore (rs)', ({ rs }) => ofProfile(rs, 'coap_oscore')],
  rsDtls: ['a resource server of coap_dtls (rs)', ({ rs }) => ofProfile(rs, 'coap_dtls')],
  rsKey: ['the raw public key of the resource server (rs.raw_public_key_file)', ({ rs }) => ofProfile(rs, 'coap_dtls')?.publicKey],
  rsForbidden: ['a path that the scope does not permit (rs.forbidden)', ({ rs }) => rs?.forbidden],
  rsOtherScope: ['a scope that permits what the other does not (rs.forbidden, rs.other_scope)', ({ rs }) => rs?.forbidden && rs.otherScope],
  rsObserve: ['a path to observe (rs.observe)', ({ rs }) => rs?.observe],
  as: ['an authorization server and credentials of a client (as)', ({ as }) => as],
  asOscore: ['an authorization server whose tokens are for coap_oscore (as.profile)', ({ as }) => tokensFor(as, 'coap_oscore')],
  asDtls: ['an authorization server whose tokens are for coap_dtls (as.profile)', ({ as }) => tokensFor(as, 'coap_dtls')],
  asForbiddenScope: ['a scope that the client may not have (as.forbidden_scope)', ({ as }) => as?.forbiddenScope],
  asTokenKey: ['the key of the tokens of an AS (as.token_key)', ({ as }) => as?.tokenKey],
  asOwnKey: ['a raw public key of the client (as.dtls)', ({ as }) => as?.dtls?.rawPublicKey?.own],
  introspect: ['an introspection endpoint (as.introspect)', ({ as }) => as?.introspect],
  resourceServer: ['credentials of a resource server at the AS, which a lab has (--config)', ({ as }) => as?.introspect && as.resourceServer],
  trl: ['a token revocation list (as.trl)', ({ as }) => as?.trl],
};

/** What cases of OSCORE and of the roles may need of a target. */
export type AceNeed =
  | 'oscore'
  | 'oscoreGet'
  | 'oscoreObserve'
  | 'oscoreLarge'
  | 'oscorePut'
  | 'rs'
  | 'rsOscore'
  | 'rsDtls'
  | 'rsKey'
  | 'rsForbidden'
  | 'rsOtherScope'
  | 'rsObserve'
  | 'as'
  | 'asOscore'
  | 'asDtls'
  | 'asForbiddenScope'
  | 'asTokenKey'
  | 'asOwnKey'
  | 'introspect'
  | 'resourceServer'
  | 'trl';
