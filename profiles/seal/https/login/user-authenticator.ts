import type { PasswordVerifier } from '../../../../src/as/index.ts';
import type { IdentityRegister } from '../../identities/register.ts';

/** How a SIM-S knows its VAL users when they sign in (TS 33.434, 5.2.4: other methods may take the place of passwords). */
export interface UserAuthenticator {
  /**
   * The VAL user ID; `undefined`: it is nobody, or the password is not theirs. It takes the same time for a name that it does not know. Where it rejects, nobody is told
   * more than that it did not work.
   *
   * @param gone - whoever asks hears nothing any more
   * @throws {AceError} `ERR_AS_BUSY`: there are too many to look at. The attempt does not count, and the answer is 503 with Retry-After
   */
  authenticate(username: string, password: string, gone?: AbortSignal): Promise<string | undefined>;
  /**
   * Whether somebody has this name. Only then is the name told to the log, since that of nobody may be a password in the wrong field, and has the name a count
   * of attempts of its own. Absent: it is known of no name.
   */
  knows?(username: string): Promise<boolean>;
}

/** The usual method: the password of the store, and a VAL user of that name who is provisioned. */
export function passwordUsers(passwords: PasswordVerifier, identities: IdentityRegister): UserAuthenticator {
  const knows = async (username: string): Promise<boolean> => (await identities.get('user', username)) !== undefined;
  return {
    async authenticate(username, password, gone) {
      const isRight = await passwords.verify(username, password, gone);
      const isKnown = await knows(username);
      return isRight && isKnown ? username : undefined;
    },
    knows,
  };
}
