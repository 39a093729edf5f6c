import type { CoseKey } from '../../core/cose/index.ts';
import type { TokenKey } from '../../core/cwt.ts';
import { type ClientRegistrationConfig, clientOf, type ResourceServerRegistrationConfig, resourceServerOf } from './as.ts';
import { asClientSchema, asResourceServerSchema } from './as-schema.ts';
import { ConfigFile } from './file.ts';
import { ConfigReader } from './reader.ts';
import { type RawTokenKey, type Schema, tokenKey } from './schema.ts';

/** Reads a file that holds what stands under a name in as.yaml. */
function load<R, T>(path: string, schema: Schema<R>, read: (reader: ConfigReader, raw: R) => T): T {
  const file = ConfigFile.read(path, 'registration.yaml');
  const reader = new ConfigReader(file);
  const registration = read(reader, file.check(schema));
  reader.finish();
  return registration;
}

/**
 * A client to be registered, from a file with what stands under its name in as.yaml, and its keys.
 *
 * @throws {ConfigError} with every problem that was found
 */
export function loadClientRegistration(path: string, id: string): ClientRegistrationConfig & { readonly rawPublicKeys?: readonly CoseKey[] } {
  return load(path, asClientSchema, (reader, raw) => ({
    ...clientOf(reader, id, raw, []),
    ...(raw.raw_public_key_file !== undefined && { rawPublicKeys: [reader.publicKey(raw, [])] }),
  }));
}

/** The same of a resource server. @throws {ConfigError} */
export function loadResourceServerRegistration(
  path: string,
  id: string,
): ResourceServerRegistrationConfig & { readonly rawPublicKey?: CoseKey; readonly derivationKey?: Uint8Array } {
  return load(path, asResourceServerSchema, (reader, raw) => ({
    ...resourceServerOf(reader, id, raw, []),
    ...(raw.raw_public_key_file !== undefined && { rawPublicKey: reader.publicKey(raw, []) }),
    ...(raw.derivation_key_file !== undefined && { derivationKey: reader.derivationKey(raw, []) }),
  }));
}

/** A token key, from a file with what stands in `token_keys`. @throws {ConfigError} */
export function loadTokenKey(path: string): TokenKey {
  return load<RawTokenKey, TokenKey>(path, tokenKey, (reader, raw) => reader.tokenKeys([raw], [])[0]!);
}
