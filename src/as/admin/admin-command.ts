import { type CborKey, type CborMap, type CborValue, decode, encode } from '../../core/cbor.ts';
import { ProtocolError } from '../../core/errors.ts';
import { readKnownMap, writeKnownMap } from '../../core/known-map.ts';
import { AuthorizationServerError } from '../error.ts';
import type { Emit } from '../events.ts';
import { type AdminObject, adminObjects } from '../registry/registration.ts';
import { readClient, readGrant, readResourceServer, readTokenKey } from '../registry/registration-codec.ts';
import type { Listing } from './admin-list.ts';
import type { View } from './admin-views.ts';
import type { Administration } from './administration.ts';

/** What an administrator may do with an object. */
export const adminActs = ['add', 'list', 'show', 'remove'] as const;
/** One of `adminActs`. */
export type AdminAct = (typeof adminActs)[number];

/** What an administrator wants done. */
export interface AdminCommand {
  readonly act: AdminAct;
  readonly object: AdminObject;
  /** Which one; for `add` it stands in the value. */
  readonly id?: string;
  /** Whose: the resource server of a key; the client of a policy, of tokens and of codes. */
  readonly of?: string;
  /** What is to be added: a registration, a token key or a grant. */
  readonly value?: CborValue;
  /** A list goes on after this place, and has at most so many entries. */
  readonly after?: string;
  readonly limit?: number;
}

/** Who does it, and what he may have to do with. */
export interface Actor {
  readonly name: string;
  readonly admin: ReadonlySet<AdminObject>;
}

/** A list, or one object; never with a key or a secret. */
export type AdminAnswer = Listing | View;

const commandFields = {
  act: { label: 1, type: 'tstr', required: true },
  object: { label: 2, type: 'tstr', required: true },
  id: { label: 3, type: 'tstr' },
  of: { label: 4, type: 'tstr' },
  value: { label: 5, type: 'any', secret: true },
  after: { label: 6, type: 'tstr' },
  limit: { label: 7, type: 'uint' },
} as const;

/** CBOR with keys of ours: no standard has administration. */
export function encodeAdminCommand(command: AdminCommand): Uint8Array {
  return encode(writeKnownMap(commandFields, command));
}

function bad(message: string, cause?: unknown): AuthorizationServerError {
  return new AuthorizationServerError('ERR_AS_COMMAND', `command: ${message}`, cause === undefined ? undefined : { cause });
}

/** @throws {AuthorizationServerError} `ERR_AS_COMMAND` */
export function decodeAdminCommand(payload: Uint8Array): AdminCommand {
  try {
    const { act, object, ...rest } = readKnownMap('command', commandFields, decode(payload)).known;
    const [knownAct, knownObject] = [adminActs.find((one) => one === act), adminObjects.find((one) => one === object)];
    if (knownAct === undefined) throw bad(`act: expected one of ${adminActs.join(', ')}, got another`);
    if (knownObject === undefined) throw bad(`object: expected one of ${adminObjects.join(', ')}, got another`);
    return { act: knownAct, object: knownObject, ...rest };
  } catch (cause) {
    if (!(cause instanceof ProtocolError) || cause instanceof AuthorizationServerError) throw cause;
    throw bad(cause.message, cause);
  }
}

function viewItem(value: View[string] | Listing): CborValue {
  if (value instanceof Uint8Array || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(viewItem);
  return new Map<CborKey, CborValue>(Object.entries(value).map(([name, item]) => [name, viewItem(item as View)]));
}

export function encodeAdminAnswer(answer: AdminAnswer): Uint8Array {
  return encode(viewItem(answer as View));
}

function readView(value: CborValue): unknown {
  if (Array.isArray(value)) return value.map(readView);
  return value instanceof Map ? Object.fromEntries([...(value as CborMap)].map(([name, item]) => [String(name), readView(item)])) : value;
}

/** @throws {AuthorizationServerError} `ERR_AS_COMMAND` for what is no answer */
export function decodeAdminAnswer(payload: Uint8Array): AdminAnswer {
  const value = decode(payload);
  if (!(value instanceof Map)) throw bad('expected a map as answer, got another');
  return readView(value) as AdminAnswer;
}

function needed<T>(name: string, value: T | undefined): T {
  if (value === undefined) throw bad(`${name}: expected a value, got none`);
  return value;
}

type Task = (administration: Administration, command: AdminCommand, actor: Actor) => Promise<AdminAnswer>;

const made: View = {};

/** Nobody gives rights, or takes them from somebody, that he does not have himself. */
function checkRights(actor: Actor, rights: Iterable<string>): void {
  for (const right of rights) {
    if (actor.admin.has(right as AdminObject)) continue;
    throw new AuthorizationServerError('ERR_AS_FORBIDDEN', `expected rights that ${actor.name} has too, got ${right}`);
  }
}

const tasks: Readonly<Record<AdminObject, Partial<Readonly<Record<AdminAct, Task>>>>> = {
  client: {
    add: async (administration, { value }, actor) => {
      const registration = readClient(needed('value', value));
      checkRights(actor, registration.admin === 'all' ? adminObjects : (registration.admin ?? []));
      await administration.addClient(registration);
      return made;
    },
    list: (administration, page) => administration.listClients(page),
    show: (administration, { id }) => administration.showClient(needed('id', id)),
    remove: async (administration, { id }, actor) => {
      const client = needed('id', id);
      checkRights(actor, await administration.rightsOf(client));
      return { tokens: await administration.removeClient(client) };
    },
  },
  rs: {
    add: async (administration, { value }) => {
      await administration.addResourceServer(readResourceServer(needed('value', value)));
      return made;
    },
    list: (administration, page) => administration.listResourceServers(page),
    show: (administration, { id }) => administration.showResourceServer(needed('id', id)),
    remove: async (administration, { id }) => ({ tokens: await administration.removeResourceServer(needed('id', id)) }),
  },
  key: {
    add: async (administration, { of, value }) => {
      await administration.addKey(needed('of', of), readTokenKey('key', needed('value', value)));
      return made;
    },
    list: (administration, { of }) => administration.listKeys(needed('of', of)),
    show: (administration, { of, id }) => administration.showKey(needed('of', of), needed('id', id)),
    remove: async (administration, { of, id }) => {
      await administration.removeKey(needed('of', of), needed('id', id));
      return made;
    },
  },
  policy: {
    add: async (administration, { of, value }) => {
      await administration.addPolicy(needed('of', of), readGrant('policy', needed('value', value)));
      return made;
    },
    list: (administration, { of, ...page }) => administration.listPolicies(of, page),
    show: (administration, { of, id }) => administration.showPolicy(needed('of', of), needed('id', id)),
    remove: async (administration, { of, id }) => {
      await administration.removePolicy(needed('of', of), needed('id', id));
      return made;
    },
  },
  token: {
    list: (administration, { of, ...page }) => administration.listTokens(of, page),
    show: (administration, { id }) => administration.showToken(needed('id', id)),
    remove: async (administration, { id }) => {
      await administration.revokeToken(needed('id', id));
      return made;
    },
  },
  code: {
    add: (administration, { of, value }) => administration.addCode(needed('of', of), readGrant('code', needed('value', value))),
    list: (administration, { of, ...page }) => administration.listCodes(of, page),
    show: (administration, { id }) => administration.showCode(needed('id', id)),
    remove: async (administration, { id }) => {
      await administration.removeCode(needed('id', id));
      return made;
    },
  },
};

/**
 * Do what an administrator wants, if he may.
 *
 * @throws {AuthorizationServerError} `ERR_AS_FORBIDDEN`, `ERR_AS_COMMAND` for a command that lacks something, and what `Administration` throws
 */
export async function administer(administration: Administration, actor: Actor, command: AdminCommand, emit: Emit): Promise<AdminAnswer> {
  const { act, object, id, of } = command;
  try {
    checkRights(actor, [object]);
    const task = tasks[object][act];
    if (task === undefined) throw bad(`expected an act that there is for a ${object}, got ${act}`);
    const answer = await task(administration, command, actor);
    const name = id ?? idIn(command);
    const full = name !== undefined && of !== undefined ? `${of}/${name}` : (name ?? of);
    emit({ type: 'administration', actor: actor.name, act, object, ...(full === undefined ? {} : { id: full }) });
    return answer;
  } catch (error) {
    if (!(error instanceof AuthorizationServerError)) throw error;
    emit({ type: 'refused', reason: 'administration', peer: actor.name, detail: `${act} ${object}: ${error.code}: ${error.message}` });
    throw error;
  }
}

/** The id, or the audience of a policy, that a value begins with; key ids are no texts. */
function idIn({ object, value }: AdminCommand): string | undefined {
  const id = object !== 'key' && value instanceof Map ? (value as CborMap).get(1) : undefined;
  return typeof id === 'string' ? id : undefined;
}
