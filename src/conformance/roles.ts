import type { CoseKey } from '../core/cose/index.ts';
import type { TokenKey } from '../core/cwt.ts';
import type { DtlsTarget, OscoreKeys } from './target.ts';

/** A resource server whose tokens the checker may issue itself. */
export interface RsTarget {
  readonly audience: string;
  /** A scope that permits GET of `allowed`, of `observe`, and neither DELETE there nor anything of `forbidden`. */
  readonly scope: string;
  readonly issuer?: string;
  readonly tokenKey: TokenKey;
  readonly profile: 'coap_oscore' | 'coap_dtls';
  /** Where tokens go. Default `/authz-info`. */
  readonly authzInfo?: string;
  readonly allowed: string;
  readonly observe?: string;
  readonly forbidden?: string;
  /** A scope that permits GET of `forbidden`. */
  readonly otherScope?: string;
  /** What it proves itself by in a handshake of raw public keys. */
  readonly publicKey?: CoseKey;
}

/** How a peer of an AS proves itself: by a security context, or by what it shows in a DTLS handshake. */
export interface AsCredentials {
  readonly oscore?: OscoreKeys;
  readonly dtls?: DtlsTarget;
}

/** An authorization server where the checker is a registered client. */
export interface AsTarget extends AsCredentials {
  /** URI of the token endpoint. */
  readonly token: string;
  readonly introspect?: string;
  readonly trl?: string;
  /** A resource server that may introspect the tokens for `audience`. */
  readonly resourceServer?: AsCredentials;
  /** What the client may have. */
  readonly audience: string;
  readonly scope: string;
  /** A scope that `audience` has, and the client may not have. */
  readonly forbiddenScope?: string;
  /** The profile of the tokens. Absent: that of the channel to the AS. */
  readonly profile?: 'coap_oscore' | 'coap_dtls';
  /** With it, the checker reads the tokens that it gets. */
  readonly tokenKey?: TokenKey;
}
