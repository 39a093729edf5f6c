/** What the provider keeps in the store: by model and the hash of its value. */
export const folder = 'seal/openid/';
/** What each grant has given, by the hash of its name. */
export const membersFolder: string = `${folder}grant/`;
/** Grants whose revocation has begun. */
export const revokingFolder: string = `${folder}revoking/`;
