import type { Departed } from '../../src/as/index.ts';
import { emptyBytes, fromUtf8, utf8 } from '../../src/core/bytes.ts';
import type { Store, StoreEntry } from '../../src/store/index.ts';
import { folder, membersFolder, revokingFolder } from './openid-keys.ts';
import { resourceOf } from './resource-indicator.ts';

/** What there is of a grant, a code or a refresh token that says whose it is. */
interface OwnedRecord {
  readonly clientId?: string;
  /** Of a code or a refresh token: what it is for. */
  readonly resource?: string | readonly string[];
  /** Of a grant: scopes by what they are for. */
  readonly resources?: Readonly<Record<string, string>>;
  readonly exp?: number;
}

const [grants, codes, refreshTokens] = ['Grant', 'AuthorizationCode', 'RefreshToken'].map((model) => `${folder}${model}/`) as [string, string, string];

/**
 * Take away what VAL users have granted to clients that are removed, or for resource servers that are, with codes and refresh tokens that came of it. Access tokens
 * are for the authorization server to revoke, which knows those of both faces. It needs the store alone, so that it can be done while nobody serves.
 */
export async function takeOpenIdGrants(store: Store, departed: readonly Departed[]): Promise<void> {
  const clients = new Set(departed.flatMap(({ kind, id }) => (kind === 'client' ? [id] : [])));
  const indicators = new Set(departed.flatMap(({ audiences }) => audiences.map(resourceOf)));
  const isOfClient = ({ clientId }: OwnedRecord): boolean => clientId !== undefined && clients.has(clientId);
  const isFor = ({ resource = [], resources = {} }: OwnedRecord): boolean =>
    [resource, Object.keys(resources)].flat().some((indicator) => indicators.has(indicator));
  // Grants first, so that nothing more comes of them.
  for (const key of await keysOf(store, grants, isOfClient)) await revoke(store, key.slice(grants.length));
  for (const key of await keysOf(store, grants, isFor)) await withdraw(store, key, indicators);
  const isTheirs = (record: OwnedRecord): boolean => isOfClient(record) || isFor(record);
  for (const prefix of [codes, refreshTokens]) for (const key of await keysOf(store, prefix, isTheirs)) await store.delete(key);
}

async function keysOf(store: Store, prefix: string, isMeant: (record: OwnedRecord) => boolean): Promise<readonly string[]> {
  const keys: string[] = [];
  for await (const [key, bytes] of store.scan(prefix)) if (isMeant(decodeOwned(bytes))) keys.push(key);
  return keys;
}

const decodeOwned = (bytes: Uint8Array): OwnedRecord => JSON.parse(fromUtf8(bytes)) as OwnedRecord;

/** As `OpenIdGrants.revoke`, which finishes it at the next start where it is cut short. */
async function revoke(store: Store, name: string): Promise<void> {
  await store.batch([
    { key: grants + name, value: undefined },
    { key: revokingFolder + name, value: emptyBytes },
  ]);
  const members: StoreEntry[] = [];
  for await (const entry of store.scan(`${membersFolder}${name}/`)) members.push(entry);
  for (const [key, value] of members) {
    // Of an access token there is nothing else here.
    if (value.length > 0) await store.delete(fromUtf8(value));
    await store.delete(key);
  }
  await store.delete(revokingFolder + name);
}

/** A grant that stays for other resource servers: whoever has one of these names later is not what the user agreed to. */
async function withdraw(store: Store, key: string, indicators: ReadonlySet<string>): Promise<void> {
  for (;;) {
    const bytes = await store.get(key);
    if (bytes === undefined) return;
    const record = decodeOwned(bytes);
    const { resources = {}, exp } = record;
    const left = Object.fromEntries(Object.entries(resources).filter(([indicator]) => !indicators.has(indicator)));
    if (Object.keys(left).length === Object.keys(resources).length) return;
    const ends = exp === undefined ? {} : { expiresAt: exp };
    if (await store.compareAndSet(key, bytes, utf8(JSON.stringify({ ...record, resources: left })), ends)) return;
  }
}
