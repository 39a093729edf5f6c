import type { ProfileAtAs } from '../ace/index.ts';
import { sameValue } from '../core/same-value.ts';

/** A peer as the configuration names it: the credential of its associations, and what its profile takes. */
export interface ConfiguredPeer {
  readonly credential: string;
  readonly profile: number;
  readonly credentials: unknown;
}

/** Credentials of peers, by what a new configuration means for them. */
export interface PeerChanges {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

/**
 * Provision the peers of a new configuration in place of those of the old one. A peer that stays as it was is not touched: its replay window lives on.
 *
 * Rejects with what a profile throws for credentials of a wrong shape; then all is as it was, except that what would have changed has its contexts anew.
 */
export async function replacePeers(
  before: readonly ConfiguredPeer[],
  after: readonly ConfiguredPeer[],
  profiles: ReadonlyMap<number, ProfileAtAs>,
): Promise<PeerChanges> {
  const old = new Map(before.map((peer) => [peer.credential, peer]));
  const next = new Map(after.map((peer) => [peer.credential, peer]));
  const added = after.filter(({ credential }) => !old.has(credential));
  const removed = before.filter(({ credential }) => !next.has(credential));
  const changed = after.filter((peer) => old.has(peer.credential) && !sameValue(old.get(peer.credential), peer));
  const leaving = [...removed, ...changed.map(({ credential }) => old.get(credential)!)];
  const add = ({ credential, profile, credentials }: ConfiguredPeer): Promise<void> => profiles.get(profile)!.addPeer(credential, credentials);
  const remove = ({ credential, profile }: ConfiguredPeer): void => profiles.get(profile)!.removePeer(credential);
  // Before anything is added: an identifier may go from one peer to another.
  leaving.forEach(remove);
  const entered: ConfiguredPeer[] = [];
  try {
    for (const peer of [...added, ...changed]) {
      await add(peer);
      entered.push(peer);
    }
  } catch (error) {
    entered.forEach(remove);
    for (const peer of leaving) await add(peer);
    throw error;
  }
  const names = (peers: readonly ConfiguredPeer[]): readonly string[] => peers.map(({ credential }) => credential);
  return { added: names(added), changed: names(changed), removed: names(removed) };
}
