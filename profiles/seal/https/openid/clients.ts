import type { AdapterPayload } from 'oidc-provider';
import type { SharedTokens } from '../../../../src/as/index.ts';

/** In place of the secret, which is compared elsewhere. */
const noSecret = 'the hash of the secret stands in the registration';

/**
 * A registration of the authorization server as the library has it: a client with redirect URIs has users and gets refresh tokens, another asks for itself.
 *
 * @param alg - what signs its ID tokens
 * @returns `undefined`: there is no such client, or it has no secret for HTTPS
 */
export async function clientMetadata(shared: SharedTokens, id: string, alg: string): Promise<AdapterPayload | undefined> {
  const client = await shared.client(id);
  if (client?.https === undefined) return undefined;
  const { redirectUris = [], name = id } = client.https;
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
