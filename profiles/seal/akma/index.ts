/**
 * AKMA (TS 33.535): keys between devices and applications that rest on the SIM, and registration of MSGin5G clients by them (TS 33.501, Annex Y).
 *
 * ```ts
 * const keys = new ApplicationKeys({ aanf: new AanfClient({ apiRoot: 'https://aanf.example' }), afId: { fqdn: 'msgin5g.example', protocol: uaStarTls12(0xd001) } });
 * const transport = await dtls({ port: 5684, server: { psk: { hint: akmaHint }, suites: 'seal-strict' }, authenticator: akmaAuthenticator(keys) });
 * const msgin5g = new Msgin5gRegistration({ keys, associations });
 * ```
 */
export type { AKid } from './a-kid.ts';
export { makeAKid, parseAKid } from './a-kid.ts';
export type { Aanf, AnchorKey, ApplicationKey } from './aanf.ts';
export { aanfPaths } from './aanf.ts';
export type { AanfClientOptions } from './aanf-client.ts';
export { AanfClient } from './aanf-client.ts';
export type { AanfServer, AanfSimulatorOptions } from './aanf-simulator.ts';
export { AanfSimulator, serveAanf } from './aanf-simulator.ts';
export type { AfId } from './af-id.ts';
export { encodeAfId, formatAfId, parseAfId, uaStarTls12, uaStarTls13 } from './af-id.ts';
export type { AkmaEvent, ApplicationKeysOptions } from './application-keys.ts';
export { ApplicationKeys } from './application-keys.ts';
export { AkmaError } from './error.ts';
export { deriveAnchorKey, deriveApplicationKey, deriveATid, kdf } from './kdf.ts';
export type { Msgin5gClientOptions } from './msgin5g-client.ts';
export { Msgin5gClient } from './msgin5g-client.ts';
export type { MessageType, RegistrationRequest, RegistrationResponse } from './msgin5g-message.ts';
export type { Msgin5gEvent, Msgin5gRegistrationOptions, RefusalReason, Registration } from './msgin5g-registration.ts';
export { Msgin5gRegistration } from './msgin5g-registration.ts';
export type { EstablishOscoreOptions, OscoreBootstrapOptions, OscoreInputs } from './oscore-bootstrap.ts';
export { establishOscore, OscoreBootstrap } from './oscore-bootstrap.ts';
export type { AkmaClientOptions } from './psk.ts';
export { aKidOf, aKidOfIdentity, akmaAuthenticator, akmaCredential, akmaCredentials, akmaHint, defaultIdentityPrefix, pskIdentity } from './psk.ts';
export type { AkmaTlsClientOptions, AkmaTlsServerOptions } from './tls.ts';
export { akmaTls, akmaTlsProtocol, akmaTlsSchemes, akmaTlsServer } from './tls.ts';
export type { UeAnchor } from './ue.ts';
export { deriveAnchor } from './ue.ts';
export type { ConfigurationClientOptions, UeAssociations } from './ue-associations.ts';
export { ueAssociations } from './ue-associations.ts';
