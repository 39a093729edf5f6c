import { type Actor, type AdminCommand, Administration, administer, adminObjects, Revocations } from '../../../src/as/index.ts';
import type { ClientRegistration, ResourceServerRegistration } from '../../../src/as/registry/registration.ts';
import { storedCredential } from '../../../src/as/registry/registration-store.ts';
import { clients, encryptKey, Workbench } from '../support.ts';

export const root: Actor = { name: 'root', admin: new Set(adminObjects) };

/** Registration of a client of the store, with identifiers of its own for each number. */
export function stored(id: string, number: number, more: Partial<ClientRegistration> = {}): ClientRegistration {
  const { grants, ...rest } = clients[1]!;
  const credentials = { masterSecret: new Uint8Array(16).fill(number), senderId: Uint8Array.of(0), recipientId: Uint8Array.of(0xaa, number >> 8, number) };
  return { ...rest, id, credentials, grants, ...more };
}

export const rs9: ResourceServerRegistration = { id: 'rs9', audiences: ['rs9', 'rs9-b'], profiles: [2], tokenKeys: [encryptKey(9)], scopes: ['a', 'b'] };

/** The endpoints of an AS, and who administers it. */
export class Office extends Workbench {
  readonly ended: string[] = [];
  readonly administration: Administration = new Administration({
    store: this.store,
    registry: this.registry,
    env: this.clock,
    ended: (credential) => this.ended.push(credential),
    revoke: async (hash) => (await new Revocations({ store: this.store, env: this.clock }).revoke(hash)) !== undefined,
  });

  do(command: AdminCommand, actor: Actor = root): Promise<unknown> {
    return administer(this.administration, actor, command, (event) => this.events.push(event));
  }

  /** What the association with a client of the store goes by. */
  async credentialOf(id: string): Promise<string> {
    return storedCredential({ kind: 'client', id }, (await this.registry.stored.client(id))!.stored.revision);
  }
}
