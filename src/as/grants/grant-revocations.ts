import { fromUtf8 } from '../../core/bytes.ts';
import { decode, encode } from '../../core/cbor.ts';
import type { Store, StoreEntry } from '../../store/index.ts';
import type { Audit } from '../audit.ts';
import type { AuthorizationServerEvent } from '../events.ts';
import type { UnfinishedWork } from '../unfinished-work.ts';

/** Whose grant is revoked, and why nothing that it has given is of use any more. */
export type RevocationCause = Pick<Extract<AuthorizationServerEvent, { readonly type: 'grant-revoked' }>, 'client' | 'reason'>;

/** How one face of the server keeps its grants in the store. */
export interface GrantFolders {
  /** Where it stands that the revocation of a grant has begun, by the name of the grant. */
  readonly revoking: string;
  /**
   * The folder of what a grant has given. Of an access token the name ends with its token hash, and the value is empty; of anything else the value is the key that
   * it has in the store.
   */
  members(name: string): string;
  /** See to it that nothing more comes of the grant. It may be asked for more than once. */
  end(name: string): Promise<unknown>;
}

export interface GrantRevocationsOptions {
  readonly store: Store;
  readonly audit: Pick<Audit, 'done' | 'emit'>;
  readonly unfinished: UnfinishedWork;
  /** Revoke the token of this hash, in base64url; `false`: there is no such living token. */
  revoke(hash: string): Promise<boolean>;
}

/**
 * Lets nothing that a grant has given be of use any more, for every face of the server.
 *
 * That it has begun stands in the store until all is done and the audit log has it. What fails meanwhile is tried again by this process, also where the store did
 * not even take that it has begun; after a kill the next process does it. So what is done may be done twice, and told twice.
 */
export class GrantRevocations {
  readonly #options: GrantRevocationsOptions;

  /** @internal */
  constructor(options: GrantRevocationsOptions) {
    this.#options = options;
  }

  /** Revoke a grant. It rejects where it was not done in full, which it will be. */
  revoke(folders: GrantFolders, name: string, cause: RevocationCause): Promise<void> {
    const { store, unfinished } = this.#options;
    const { revoking } = folders;
    return unfinished.attempt(revoking + name, async () => {
      await store.put(revoking + name, encode([cause.client, cause.reason]));
      await this.#carryOut(folders, name, cause);
    });
  }

  /** Bring to an end what an earlier process has begun; what fails now is tried again. */
  async finish(folders: GrantFolders): Promise<void> {
    const { store, unfinished } = this.#options;
    const { revoking } = folders;
    for (const [key, value] of await entriesOf(store, revoking)) {
      const work = (): Promise<void> => this.#carryOut(folders, key.slice(revoking.length), causeOf(value));
      await unfinished.attempt(key, work).catch(unfinished.fault);
    }
  }

  async #carryOut({ revoking, members, end }: GrantFolders, name: string, cause: RevocationCause | undefined): Promise<void> {
    const { store, audit } = this.#options;
    // First, so that nothing more comes of it.
    await end(name);
    const given = await entriesOf(store, members(name));
    await audit.done(async () => {
      const tokens = await this.#revokeAll(given);
      if (cause !== undefined) audit.emit({ type: 'grant-revoked', ...cause, tokens });
    });
    for (const [key] of given) await store.delete(key);
    await store.delete(revoking + name);
  }

  /** What cannot be revoked now keeps none of the others. The result is the token hashes of access tokens. */
  async #revokeAll(given: readonly StoreEntry[]): Promise<readonly string[]> {
    const { store, revoke } = this.#options;
    const tokens: string[] = [];
    const failures: unknown[] = [];
    for (const [key, value] of given) {
      try {
        const hash = key.slice(key.lastIndexOf('/') + 1);
        if (value.length > 0) await store.delete(fromUtf8(value));
        else if (await revoke(hash)) tokens.push(hash);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
    return tokens;
  }
}

/** `undefined`: it does not say. */
function causeOf(bytes: Uint8Array): RevocationCause | undefined {
  const value = bytes.length === 0 ? undefined : decode(bytes);
  if (!Array.isArray(value)) return undefined;
  const [client, reason] = value as unknown as readonly [string, RevocationCause['reason']];
  return { client, reason };
}

async function entriesOf(store: Store, prefix: string): Promise<readonly StoreEntry[]> {
  const entries: StoreEntry[] = [];
  for await (const entry of store.scan(prefix)) entries.push(entry);
  return entries;
}
