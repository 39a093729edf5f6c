import { type KeySource, keysAt } from '../../../../profiles/seal/https/index.ts';
import type { SealHttpsRsConfig } from '../../../operate/index.ts';

/** Public keys of an issuer. */
export type KeySet = Exclude<KeySource, () => unknown>;

/** The keys of an issuer that a configuration has, or says where they are; who is there is known by `tls`. */
export async function keySetOf(keys: SealHttpsRsConfig['keys'], tls: Parameters<typeof keysAt>[1]): Promise<KeySet> {
  return 'jwks' in keys ? (keys.jwks as KeySet) : keysAt(keys.uri, tls)();
}

/** The clients whose certificates have one of these names. */
export function clientsBy(clients: SealHttpsRsConfig['clients'], names: readonly string[]): readonly string[] {
  return Object.entries(clients).flatMap(([client, own]) => (own.some((name) => names.includes(name)) ? [client] : []));
}
