import type { Caller } from '../caller.ts';

/** The user of a response to somebody who is nobody here. */
const noUserUri = 'about:blank';

const absoluteUri = /^[a-z][a-z0-9+.-]*:[^\s]+$/i;

/** What an `acct` URI has to percent-encode beside `encodeURIComponent`'s own. */
const reserved = /[!'()*]/g;

/**
 * The UserUri of a response: the VAL user of the token, else its subject, else its VAL UE.
 *
 * TS 33.434 makes UserUri mandatory and says no more. A VAL user ID that is a URI stands for itself; of another one, and of a subject, it is the account at the
 * VAL system (RFC 7565): `acct:anna@val.example`.
 *
 * @param host - where the account is
 */
export function userUriOf(caller: Partial<Caller> | undefined, host: string): string {
  const id = caller?.valUserId ?? caller?.subject ?? caller?.valUeId;
  if (id === undefined || id === '') return noUserUri;
  if (absoluteUri.test(id)) return id;
  const userpart = encodeURIComponent(id).replace(reserved, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
  return `acct:${userpart}@${host}`;
}
