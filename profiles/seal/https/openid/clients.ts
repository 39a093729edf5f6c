import type { ClientMetadata } from 'oidc-provider';
import type { Client as RegisteredClient, SharedTokens } from '../../../../src/as/index.ts';
import type { Provider } from './library.ts';

/** In place of the secret, which is compared elsewhere. */
const noSecret = 'the hash of the secret stands in the registration';

type LibraryClient = InstanceType<Provider['Client']>;

/** The types of the library leave it out. */
type ClientConstructor = new (metadata: ClientMetadata) => LibraryClient;

/**
 * How the library finds the clients of a provider: they are the registrations of the authorization server as they stand now, of each of which a client is made
 * once.
 *
 * @param alg - what signs their ID tokens
 * @returns `undefined`: there is no such client, or it has no secret for HTTPS
 */
export function clientFinder(Client: Provider['Client'], shared: SharedTokens, alg: string): (id: unknown) => Promise<LibraryClient | undefined> {
  const made = new WeakMap<RegisteredClient, LibraryClient>();
  return async (id) => {
    const registered = typeof id === 'string' && id !== '' ? await shared.client(id) : undefined;
    if (registered?.https === undefined) return undefined;
    const known = made.get(registered);
    if (known !== undefined) return known;
    const client = new (Client as unknown as ClientConstructor)(clientMetadata(registered, registered.https, alg));
    made.set(registered, client);
    return client;
  };
}

/** A registration as the library has it: a client with redirect URIs has users and gets refresh tokens, another asks for itself. */
function clientMetadata({ id }: RegisteredClient, https: NonNullable<RegisteredClient['https']>, alg: string): ClientMetadata {
  const { redirectUris = [], name = id } = https;
  const hasUsers = redirectUris.length > 0;
  // RFC 8252 §8.6: what others on a device may pass for is asked for consent where nobody has just signed in.
  const isOnDevice = redirectUris.some((uri) => !uri.startsWith('https:'));
  return {
    client_id: id,
    client_secret: noSecret,
    client_name: name,
    application_type: isOnDevice ? 'native' : 'web',
    redirect_uris: [...redirectUris],
    grant_types: hasUsers ? ['authorization_code', 'refresh_token'] : ['client_credentials'],
    response_types: hasUsers ? ['code'] : [],
    token_endpoint_auth_method: 'client_secret_basic',
    id_token_signed_response_alg: alg as 'ES256',
  };
}
