/**
 * DTLS 1.2 (RFC 6347): client and server with pre-shared keys, raw public keys and certificates, without sockets and without a clock.
 *
 * ```ts
 * const connection = clientConnection({ psk: { identity, key } }, systemEnv, {
 *   send: (datagram) => socket.send(datagram, 5684, address),
 *   emit: (event) => {
 *     if (event.type === 'connected') connection.send(request);
 *     if (event.type === 'data') take(event.data);
 *   },
 * });
 * socket.on('message', (datagram) => connection.receive(datagram));
 * connection.start();
 * ```
 *
 * @module ace-coap/dtls
 */
export type { Alert, AlertName } from './alert.ts';
export { AlertDescription, alertName, decodeAlert, HandshakeFailure } from './alert.ts';
export type { CipherSuite, CipherSuiteName, KeyExchange, SuiteChoice, SuiteListName } from './cipher-suites.ts';
export { clientConnection, importConnection } from './client.ts';
export type { ClientConfig, ClientProof, ClientPsk, CommonConfig, ServerConfig, ServerCredentials } from './config.ts';
export type { Connection } from './connection.ts';
export type { CertificateList, OwnCertificate } from './credentials.ts';
export { DtlsError } from './errors.ts';
export type { Agreement, ConnectionEvent, ConnectionPort, DiscardReason, PeerCertificate, PeerIdentity } from './events.ts';
export type { Extensions } from './extensions.ts';
export { ExtensionType } from './extensions.ts';
export type { FailureRate } from './failures.ts';
export type { RetransmissionParameters } from './flight.ts';
export type { HandshakeFragment, HandshakeMessage } from './handshake.ts';
export { decodeFragments, encodeFragment, encodeHandshake, HandshakeType } from './handshake.ts';
export type { LimitConfig } from './limits.ts';
export type { ClientHello, HelloVerifyRequest, ServerHello } from './messages.ts';
export { decodeClientHello, decodeHelloVerifyRequest, decodeServerHello, encodeClientHello } from './messages.ts';
export type { GroupName } from './named-groups.ts';
export type { ObservedRecord, ObserverKeys } from './observer.ts';
export { DtlsObserver, isDtls } from './observer.ts';
export { decodeSpki, encodeSpki } from './raw-public-key.ts';
export type { DtlsRecord, Records } from './record.ts';
export { ContentType, decodeRecords, encodePlaintextRecord } from './record.ts';
export type { DtlsServerConfig, ServerPort } from './server.ts';
export { DtlsServer } from './server.ts';
export type { DatagramPeer, ServerEvent } from './server-event.ts';
export { isServerName } from './server-name.ts';
export type { Session } from './session.ts';
export { decodeSession, encodeSession } from './session-codec.ts';
export type {
  Admitted,
  Authenticator,
  CertificateAnswer,
  DtlsAssociation,
  DtlsSessions,
  KeptAnswer,
  PskAnswer,
  RevocationCheck,
  SessionCredentials,
} from './sessions.ts';
