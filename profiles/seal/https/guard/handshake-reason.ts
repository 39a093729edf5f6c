/** Why TLS refuses a peer, by the words of OpenSSL. */
const reasons: readonly (readonly [RegExp, string])[] = [
  [/HTTP_REQUEST|WRONG_VERSION_NUMBER/, 'no-tls'],
  [/DID_NOT_RETURN_A_CERTIFICATE|CERTIFICATE_REQUIRED/, 'no-certificate'],
  [/CERT_HAS_EXPIRED|CERT_NOT_YET_VALID/, 'certificate-time'],
  [/INVALID_PURPOSE/, 'certificate-purpose'],
  [/CERT_REVOKED|\bCRL_|_CRL/, 'certificate-revoked'],
  [/UNABLE_TO_|SELF_SIGNED|CERT_UNTRUSTED|CERT_SIGNATURE_FAILURE|INVALID_CA|CERT_CHAIN_TOO_LONG|CERT_REJECTED|HOSTNAME_MISMATCH/, 'certificate-authority'],
  [/UNSUPPORTED_PROTOCOL|VERSION/, 'version'],
  [/NO_SHARED_CIPHER|NO_CIPHER/, 'cipher-suite'],
  [/SIGNATURE_ALGORITHM|NO_SUITABLE_SIGNATURE|SIGALG/, 'signature-algorithm'],
  [/NO_SHARED_GROUP|NO_SUITABLE_GROUPS|NO_SUITABLE_KEY_SHARE/, 'group'],
];

/** A stable word for logs; `handshake` for what has no word of its own. */
export function handshakeReason(detail: string): string {
  return reasons.find(([words]) => words.test(detail))?.[1] ?? 'handshake';
}
