import type { OpenIdFace, OpenIdFaceOptions } from './face.ts';

/**
 * The HTTPS face of a SIM-S (TS 33.434, Annex A): an OpenID provider on the same store, users, clients, services and keys as its CoAP face. A token that one has
 * given is introspected and revoked at the other.
 *
 * ```ts
 * const face = await openIdFace({ simS, store, issuer: 'https://sims.example' });
 * await serveHttps({ port: 10443, cert, key }, face.handler);
 * ```
 *
 * The library that it stands on is loaded now: who only uses another face does without it.
 *
 * @throws {AuthorizationServerError} `ERR_AS_CONFIG` for an issuer that is no origin, and for keys that sign no JWT
 */
export async function openIdFace(options: OpenIdFaceOptions): Promise<OpenIdFace> {
  const { makeOpenIdFace } = await import('./face.ts');
  return makeOpenIdFace(options);
}
