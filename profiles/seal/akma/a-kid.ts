import { toBase64Url, utf8 } from '../../../src/core/bytes.ts';
import { isServerName } from '../../../src/dtls/index.ts';
import { AkmaError } from './error.ts';

/** The name of an anchor key: a network access identifier, which all but the home network pass on as it is. */
export interface AKid {
  readonly username: string;
  readonly realm: string;
}

/** The longest NAI that systems have to take (RFC 7542, Section 2.3). */
const longest = 253;

/** What RFC 7542, Section 2.2, allows, of ASCII. */
const usernames = /^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+(?:\.[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+)*$/;

function wrong(expected: string): AkmaError {
  return new AkmaError('ERR_AKMA_A_KID', `A-KID: expected ${expected}, got another text`);
}

/**
 * The parts of an A-KID.
 *
 * @throws {AkmaError} `ERR_AKMA_A_KID`
 */
export function parseAKid(text: string): AKid {
  if (utf8(text).length > longest) throw wrong(`at most ${longest} bytes`);
  const at = text.indexOf('@');
  const username = text.slice(0, Math.max(0, at));
  const realm = text.slice(at + 1);
  if (at < 0 || !usernames.test(username)) throw wrong('username@realm');
  if (!isServerName(realm) || !realm.includes('.')) throw wrong('a realm that is a domain name');
  return { username, realm };
}

/**
 * The A-KID of an anchor key: routing indicator and A-TID in the username, the home network in the realm.
 *
 * How TS 23.003 writes the two in one username is not known here; this is written in the manner of a SUCI. Peers take it as one text, so nothing depends on it.
 *
 * @param homeNetwork - `5gc.mnc001.mcc001.3gppnetwork.org`
 * @throws {AkmaError} `ERR_AKMA_A_KID`
 */
export function makeAKid({
  routingIndicator,
  aTid,
  homeNetwork,
}: {
  readonly routingIndicator: string;
  readonly aTid: Uint8Array;
  readonly homeNetwork: string;
}): string {
  if (!/^\d{1,4}$/.test(routingIndicator)) throw wrong('a routing indicator of 1 to 4 digits');
  const text = `rid${routingIndicator}.atid${toBase64Url(aTid)}@${homeNetwork}`;
  parseAKid(text);
  return text;
}
