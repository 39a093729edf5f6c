import type { Client as RegisteredClient, SharedTokens } from '../../../../src/as/index.ts';
import { scheme } from '../../resource-indicator.ts';
import { errors } from './library.ts';

/** The audience that a resource indicator stands for. */
export function audienceOf(resource: string): string {
  if (!resource.startsWith(scheme)) return resource;
  try {
    return decodeURIComponent(resource.slice(scheme.length));
  } catch {
    throw new errors.InvalidTarget('expected a resource that can be read');
  }
}

/** The names in a scope that are of OpenID Connect and of no resource server. */
const ofOpenId: ReadonlySet<string> = new Set(['openid', 'offline_access']);

/** What of a scope is asked of a resource server; `undefined`: nothing in particular. */
export function resourceScope(scope: string | undefined): string | undefined {
  const names = (scope ?? '').split(' ').filter((name) => name !== '' && !ofOpenId.has(name));
  return names.length === 0 ? undefined : names.join(' ');
}

/**
 * The audience of a client that names none: the only one that it has a grant for, else the only one that has all that it asks for.
 *
 * @throws {errors.InvalidTarget}
 */
export async function usualAudience(shared: SharedTokens, client: RegisteredClient, scope: string | undefined): Promise<string> {
  const audiences = await shared.audiencesOf(client);
  if (audiences.length === 1) return audiences[0]!;
  const fitting: string[] = [];
  if (scope !== undefined) {
    const wanted = scope.split(' ');
    for (const audience of audiences) {
      const decision = await shared.decide({ client: client.id, audience, scope, update: false });
      const granted = decision.permit && typeof decision.scope === 'string' ? decision.scope.split(' ') : [];
      if (wanted.every((name) => granted.includes(name))) fitting.push(audience);
    }
  }
  if (fitting.length === 1) return fitting[0]!;
  throw new errors.InvalidTarget('expected a resource, since it does not follow from the scope');
}
