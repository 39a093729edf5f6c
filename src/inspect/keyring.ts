import { decodePskIdentity, derivePsk } from '../../profiles/dtls/index.ts';
import { contextParameters, decodeInputMaterial } from '../../profiles/oscore/index.ts';
import { equalBytes, fromHex, toHex } from '../core/bytes.ts';
import { type CborMap, decode, encode } from '../core/cbor.ts';
import { KeyType } from '../core/cose/index.ts';
import { type ClaimsSet, type Confirmation, openCwt, type TokenKey } from '../core/cwt.ts';
import { ProtocolError } from '../core/errors.ts';
import type { ObserverKeys } from '../dtls/index.ts';
import { type KnownContext, OscoreOpener } from './oscore-opener.ts';
import { Remembered, type RememberedLimits } from './remembered.ts';

/** A pre-shared key of DTLS and what a client names it by. */
export interface KnownPsk {
  readonly identity: Uint8Array;
  readonly key: Uint8Array;
}

/** What opens messages. */
export interface Keys {
  readonly contexts?: readonly KnownContext[];
  readonly tokenKeys?: readonly TokenKey[];
  readonly psks?: readonly KnownPsk[];
  /** Keys that an RS derives pre-shared keys with (RFC 9202, Section 3.3.1). */
  readonly derivationKeys?: readonly Uint8Array[];
  /** What has come to a key log since it was asked last. It is asked when a key is missed. */
  readonly keyLog?: () => string;
}

/** A token, and its claims where a key opens it. */
export type OpenedToken = { readonly claims: ClaimsSet; readonly use: TokenKey['use'] } | { readonly reason: string };

/** What both ends say at authz-info (RFC 9203, Sections 4.1 and 4.2); the IDs are the Recipient IDs of those who chose them. */
export interface Exchanged {
  readonly token: Uint8Array;
  readonly nonce1: Uint8Array;
  readonly id1: Uint8Array;
  readonly nonce2: Uint8Array;
  readonly id2: Uint8Array;
}

/** What is known of a token by what it is bound to; both are copies. */
interface TokenSecrets {
  /** Of its input material, encoded. */
  readonly osc?: Uint8Array;
  readonly key?: Uint8Array;
}

/** Of tokens, of their keys, and of lines of a key log. */
const limits: RememberedLimits = { entries: 4096, bytes: 1 << 24 };

/** The keys that were given, and those that are found on the way: in tokens that were opened, and in what an AS gives to a client. */
export class Keyring implements ObserverKeys {
  readonly opener: OscoreOpener;
  readonly #tokenKeys: readonly TokenKey[];
  readonly #psks: readonly KnownPsk[];
  readonly #derivationKeys: readonly Uint8Array[];
  readonly #keyLog: () => string;
  /** Master secrets by the random of the client. */
  readonly #masters = new Remembered<Uint8Array>(limits);
  /** By token. */
  readonly #secrets = new Remembered<TokenSecrets>(limits);
  /** Pre-shared keys by kid. */
  readonly #byKid = new Remembered<Uint8Array>(limits);

  constructor({ contexts = [], tokenKeys = [], psks = [], derivationKeys = [], keyLog = () => '' }: Keys = {}) {
    this.opener = new OscoreOpener(contexts);
    this.#tokenKeys = tokenKeys;
    this.#psks = psks;
    this.#derivationKeys = derivationKeys;
    this.#keyLog = keyLog;
  }

  /** Lines of a key log; those that are of something else than TLS 1.2 and DTLS 1.2 are passed over. */
  addKeyLog(text: string): void {
    for (const [, random, master] of text.matchAll(/^CLIENT_RANDOM ([0-9a-f]{64}) ([0-9a-f]{96})\s*$/gim))
      this.#masters.set(random!.toLowerCase(), fromHex(master!), master!.length / 2);
  }

  /** The master secret of the DTLS session whose ClientHello had this random; the key log is read again where it is not known yet. */
  masterSecret(clientRandom: Uint8Array): Uint8Array | undefined {
    const name = toHex(clientRandom);
    if (!this.#masters.has(name)) this.addKeyLog(this.#keyLog());
    return this.#masters.get(name);
  }

  /** The pre-shared key of this identity: given, or of a token that the identity names or is (RFC 9202, Section 3.3). */
  psk(identity: Uint8Array): Uint8Array | undefined {
    const known = this.#psks.find((psk) => equalBytes(psk.identity, identity));
    if (known !== undefined) return known.key;
    const named = decodePskIdentity(identity);
    if (named === undefined) return undefined;
    if ('kid' in named) return this.#byKid.get(toHex(named.kid));
    this.openToken(named.token);
    return this.#secrets.get(toHex(named.token))?.key;
  }

  /** The claims of a token; its key is known from then on. */
  openToken(token: Uint8Array): OpenedToken {
    if (this.#tokenKeys.length === 0) return { reason: 'no token key is known' };
    try {
      const { claims, key } = openCwt(token, this.#tokenKeys);
      if (claims.cnf !== undefined) this.learn(token, claims.cnf);
      return { claims, use: key.use };
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return { reason: error.message };
    }
  }

  /** What a token is bound to, as the AS tells the client. */
  learn(token: Uint8Array, confirmation: Confirmation): void {
    const key = this.#keyOf(token, confirmation);
    const osc = confirmation.osc === undefined ? undefined : encode(confirmation.osc);
    const secrets = { ...(osc === undefined ? {} : { osc }), ...(key === undefined ? {} : { key }) };
    this.#secrets.set(toHex(token), secrets, (osc?.length ?? 0) + (key?.length ?? 0));
    const kid = confirmation.coseKey?.kid;
    if (kid !== undefined && key !== undefined) this.#byKid.set(toHex(kid), key, key.length);
  }

  #keyOf(token: Uint8Array, { coseKey }: Confirmation): Uint8Array | undefined {
    if (coseKey?.k !== undefined) return coseKey.k.slice();
    const [derivationKey] = this.#derivationKeys;
    return derivationKey === undefined || coseKey?.kty !== KeyType.Symmetric ? undefined : derivePsk(derivationKey, token);
  }

  /**
   * Derive the security context of client and RS, and open messages with it from now on; `name` is what it is called. The result says why there is none.
   *
   * @see https://www.rfc-editor.org/rfc/rfc9203#section-4.3
   */
  derive({ token, nonce1, id1, nonce2, id2 }: Exchanged, name: string): KnownContext | { readonly reason: string } {
    const osc = this.#secrets.get(toHex(token))?.osc;
    if (osc === undefined) return { reason: 'the input material is in the token, and no key opens it' };
    try {
      const parameters = contextParameters(decodeInputMaterial(decode(osc) as CborMap), { nonce1, nonce2, senderId: id2, recipientId: id1 });
      const context = { name, parameters };
      this.opener.add(context);
      return context;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return { reason: error.message };
    }
  }
}
