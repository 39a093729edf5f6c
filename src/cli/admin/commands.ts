import { rmSync } from 'node:fs';
import { relative } from 'node:path';
import { tokenHashText } from '../../ace/index.ts';
import { type AdminCommand, clientMap, grantMap, resourceServerMap, tokenKeyMap, type View } from '../../as/index.ts';
import { toBase64Url } from '../../core/bytes.ts';
import { systemEnv } from '../../core/env.ts';
import { printable, printableJson } from '../../core/printable.ts';
import {
  type ClientKit,
  isoTime,
  loadClientRegistration,
  loadResourceServerRegistration,
  loadTokenKey,
  writeClientKit,
  writeNextKey,
} from '../../operate/index.ts';
import { configPath } from '../config-path.ts';
import { ExitCode, exitCodeOf, UsageError } from '../exit.ts';
import { inputBytes } from '../input.ts';
import { writeOutput } from '../output-file.ts';
import { out } from '../terminal.ts';
import { longestTime } from '../usage.ts';
import { type AdminFlags, asAdministrator, entriesOf } from './administrator.ts';

/** The fields in an order that does not depend on who gives them. */
function sorted(view: View): readonly (readonly [string, View[string]])[] {
  return Object.entries(view).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** A value as people read it. */
function shown(value: View[string], name = ''): string {
  if (Array.isArray(value)) return value.map((item) => nested(item as View[string])).join(', ');
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (typeof value === 'number' && name.endsWith('_at')) return new Date(1000 * value).toISOString();
  return typeof value === 'object' ? fieldsOf(value as View) : String(value);
}

/** The same within others, where it must be seen where it ends. */
function nested(value: View[string], name = ''): string {
  if (Array.isArray(value)) return `[${shown(value)}]`;
  if (typeof value === 'object' && !(value instanceof Uint8Array)) return `{${fieldsOf(value as View)}}`;
  const text = shown(value, name);
  return /[\s,]/.test(text) ? JSON.stringify(text) : text;
}

function fieldsOf(view: View): string {
  return sorted(view)
    .map(([name, item]) => `${name}=${nested(item, name)}`)
    .join(' ');
}

/** Print what is registered, one entry a line, or one field a line where there is one only. */
function print(view: View, flags: AdminFlags, oneLine: boolean): void {
  if (flags.json) console.log(printableJson(view));
  else if (oneLine) console.log(`${out('bold', printable(String(view['id'] ?? view['audience'] ?? '')))}  ${printable(fieldsOf(withoutId(view)))}`);
  else for (const [name, value] of sorted(view)) console.log(`${out('bold', printable(name).padEnd(16))} ${printable(shown(value, name))}`);
}

function withoutId({ id: _id, ...rest }: View): View {
  return rest;
}

export async function listCommand(command: Omit<AdminCommand, 'act'>, flags: AdminFlags): Promise<void> {
  await asAdministrator(flags, async (administrator) => {
    for await (const entry of entriesOf(administrator, { ...command, act: 'list' })) print(entry, flags, true);
  });
}

export async function showCommand(command: Omit<AdminCommand, 'act'>, flags: AdminFlags): Promise<void> {
  await asAdministrator(flags, async (administrator) => print((await administrator.perform({ ...command, act: 'show' })) as View, flags, false));
}

/** Add or remove, and say so. */
export async function changeCommand(command: AdminCommand, name: string, flags: AdminFlags): Promise<void> {
  const { tokens } = (await asAdministrator(flags, (administrator) => administrator.perform(command))) as View;
  done(command, name, flags, typeof tokens === 'number' ? { tokens } : {});
}

/** Whoever has a token need not know its hash. */
export async function revokeCommand(token: string, flags: AdminFlags): Promise<void> {
  const id = tokenHashForm.test(token) ? token : tokenHashText(await inputBytes(token));
  await changeCommand({ act: 'remove', object: 'token', id }, id, flags);
}

/** One byte for the algorithm and 32 of SHA-256, in base64url. */
const tokenHashForm = /^[\w-]{44}$/;

function done({ act, object }: AdminCommand, name: string, flags: AdminFlags, more: Readonly<Record<string, string | number>> = {}): void {
  const word = object === 'token' ? 'revoked' : act === 'add' ? 'added' : 'removed';
  if (flags.json) console.log(printableJson({ act, object, id: name, ...more }));
  else console.log(`${out('green', word)} ${object} ${name}${more['tokens'] === undefined ? '' : `, and revoked its tokens: ${more['tokens']}`}`);
}

export interface AddClientFlags extends AdminFlags {
  readonly new?: string;
  readonly grant?: readonly string[];
  readonly admin?: readonly string[];
}

/** `ace-coap admin client add` */
export async function addClientCommand(id: string, file: string | undefined, flags: AddClientFlags): Promise<void> {
  if ((file === undefined) === (flags.new === undefined)) {
    throw new UsageError(`expected a file with the registration or --new, got ${file === undefined ? 'neither' : 'both'}`);
  }
  if (file !== undefined && (flags.grant !== undefined || flags.admin !== undefined)) {
    throw new UsageError('--grant and --admin: expected them beside --new, got them beside a file');
  }
  const command = await asAdministrator(flags, async (administrator) => {
    const kit = file === undefined ? kitOf(flags, administrator.tokenUri) : undefined;
    try {
      const { admin, ...rest } = loadClientRegistration(kit?.registration ?? configPath(file!), id);
      const add: AdminCommand = { act: 'add', object: 'client', value: clientMap({ ...rest, ...(admin === undefined ? {} : { admin }) }) };
      await administrator.perform(add);
      return add;
    } catch (error) {
      // Where no answer came, it may be registered all the same.
      if (exitCodeOf(error) !== ExitCode.noAnswer) kit?.remove();
      throw error;
    }
  });
  done(command, id, flags, flags.new === undefined ? {} : { folder: flags.new });
  if (flags.new !== undefined && !flags.json) {
    console.log(`Its configuration and its key are in ${relative(process.cwd(), flags.new) || '.'}:\n  ace-coap token --config ${flags.new} --audience ...`);
  }
}

function kitOf({ new: folder, grant = [], admin = [] }: AddClientFlags, uri: string | undefined): ClientKit {
  if (uri === undefined) throw new UsageError('--as: expected the URI of the token endpoint beside --store, got none');
  const grants = grant.map((text): [string, string] => {
    const at = text.indexOf('=');
    if (at < 1) throw new UsageError(`--grant: expected audience=scope, got ${JSON.stringify(text)}`);
    return [text.slice(0, at), text.slice(at + 1)];
  });
  return writeClientKit(folder!, { random: systemEnv.random, uri, grants, admin });
}

/** `ace-coap admin rs add` */
export async function addResourceServerCommand(id: string, file: string, flags: AdminFlags): Promise<void> {
  const value = resourceServerMap(loadResourceServerRegistration(configPath(file), id));
  await changeCommand({ act: 'add', object: 'rs', value }, id, flags);
}

/** `ace-coap admin key add` */
export async function addKeyCommand(resourceServer: string, file: string, flags: AdminFlags): Promise<void> {
  const value = tokenKeyMap(loadTokenKey(configPath(file)));
  await changeCommand({ act: 'add', object: 'key', of: resourceServer, value }, resourceServer, flags);
}

export interface RotateKeyFlags extends AdminFlags {
  readonly new: string;
  readonly in?: number;
  readonly use?: string;
}

/** Seconds until the next key takes over, for whoever does not say: time to give it to the resource server. */
const usualNotice = 3600;

/** `ace-coap admin key rotate`: the next key of the one in use, which takes over later. */
export async function rotateKeyCommand(resourceServer: string, flags: RotateKeyFlags): Promise<void> {
  const now = Math.floor(systemEnv.epoch());
  const from = now + Math.ceil(flags.in ?? usualNotice);
  const rotated = await asAdministrator(flags, async (administrator) => {
    const server = (await administrator.perform({ act: 'show', object: 'rs', id: resourceServer })) as View;
    const old = inUse(server['token_keys'] as readonly View[], flags.use, now);
    const lifetime = Number(server['token_lifetime']);
    if (!(lifetime >= 0 && lifetime <= longestTime))
      throw new UsageError(`expected a resource server whose tokens live for at most ${longestTime} seconds, got one with ${String(server['token_lifetime'])}`);
    const { use, alg, untagged } = old as { readonly use: 'encrypt0'; readonly alg: string; readonly untagged?: boolean };
    const next = writeNextKey(flags.new, { random: systemEnv.random, use, alg: String(alg), from, ...(untagged === true ? { untagged } : {}) });
    try {
      await administrator.perform({ act: 'add', object: 'key', of: resourceServer, value: tokenKeyMap(loadTokenKey(next.as)) });
    } catch (error) {
      if (exitCodeOf(error) !== ExitCode.noAnswer) next.remove();
      throw error;
    }
    return { next, old: String(old['id']), ends: from + lifetime };
  });
  const { next, old, ends } = rotated;
  const [begins, over] = [from, ends].map(isoTime);
  if (flags.json) console.log(JSON.stringify({ act: 'rotate', object: 'key', id: next.kid, of: resourceServer, from, old, until: ends, folder: flags.new }));
  else {
    console.log(`${out('green', 'added')} key ${next.kid}, which follows ${old} at ${begins}`);
    console.log(`Before then give ${resourceServer} what is in ${relative(process.cwd(), next.rs)}, beside the key ${old}, which gets until: "${over}".`);
    console.log(`After that: ace-coap admin key remove ${resourceServer} ${old}`);
  }
}

/** The key that protects tokens now. */
function inUse(keys: readonly View[], use: string | undefined, now: number): View {
  const time = ({ from = Number.NEGATIVE_INFINITY }: View): number => Number(from);
  const current = keys.filter((key) => time(key) <= now && now < Number(key['until'] ?? Number.POSITIVE_INFINITY) && (use ?? key['use']) === key['use']);
  const uses = [...new Set(current.map((key) => String(key['use'])))];
  if (uses.length > 1) throw new UsageError(`--use: expected one of ${uses.join(', ')}, since there are keys of each, got none`);
  const [newest] = current.sort((a, b) => time(b) - time(a));
  if (newest === undefined) throw new UsageError(`expected a resource server with a key${use === undefined ? '' : ` for ${use}`} whose time it is, got none`);
  return newest;
}

export interface AddPolicyFlags extends AdminFlags {
  readonly scope: string;
  readonly default?: string;
}

/** `ace-coap admin policy add` */
export async function addPolicyCommand(client: string, audience: string, flags: AddPolicyFlags): Promise<void> {
  const value = grantMap({ audience, scope: flags.scope, ...(flags.default === undefined ? {} : { default: flags.default }) });
  await changeCommand({ act: 'add', object: 'policy', of: client, value }, `${client}/${audience}`, flags);
}

export interface AddCodeFlags extends AdminFlags {
  readonly scope: string;
  readonly out: string;
}

/** `ace-coap admin code add`: the code goes to a file that its owner alone may read. */
export async function addCodeCommand(client: string, audience: string, flags: AddCodeFlags): Promise<void> {
  const add: AdminCommand = { act: 'add', object: 'code', of: client, value: grantMap({ audience, scope: flags.scope }) };
  // A code that nobody can keep is not asked for.
  writeOutput(flags.out, '', { flag: '--out', isNew: true, isSecret: true });
  let id: unknown;
  try {
    const { id: name, code } = (await asAdministrator(flags, (administrator) => administrator.perform(add))) as View;
    id = name;
    writeOutput(flags.out, `${toBase64Url(code as Uint8Array)}\n`, { flag: '--out', isSecret: true });
  } catch (error) {
    rmSync(flags.out, { force: true });
    throw error;
  }
  done(add, String(id), flags, { file: flags.out });
}
