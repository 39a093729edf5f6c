import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { equalBytes } from '../../core/bytes.ts';
import type { TokenKey } from '../../core/cwt.ts';
import { type Keys, type KnownContext, type KnownPsk, Roles } from '../../inspect/index.ts';
import {
  type DtlsPeerConfig,
  type DtlsServerConfig,
  type ListenConfig,
  loadAsConfig,
  loadClientConfig,
  loadOscoreContext,
  loadRsConfig,
  type OscoreConfig,
} from '../../operate/index.ts';
import { configPath } from '../config-path.ts';
import { pskOf } from '../credentials.ts';
import { UsageError } from '../exit.ts';

export interface KeyFlags {
  readonly config?: string;
  readonly oscore?: readonly string[];
  readonly keyLog?: string;
  readonly pskIdentity?: string;
  readonly psk?: string;
}

type Credentials = OscoreConfig | DtlsPeerConfig | DtlsServerConfig;

/** What configuration files know, gathered. */
class Found {
  readonly contexts: KnownContext[] = [];
  readonly psks: KnownPsk[] = [];
  readonly tokenKeys: TokenKey[] = [];
  readonly derivationKeys: Uint8Array[] = [];
  readonly roles: Roles = new Roles();

  add(name: string, credentials: Credentials | undefined): void {
    if (credentials === undefined || 'rawPublicKey' in credentials) return;
    if ('psk' in credentials) this.psks.push(credentials.psk);
    else this.addContext({ name, parameters: credentials });
  }

  /** Both ends of a context may stand in files of one folder. */
  addContext(context: KnownContext): void {
    const { masterSecret, senderId, recipientId } = context.parameters;
    const isSame = ({ parameters: other }: KnownContext): boolean =>
      equalBytes(other.masterSecret, masterSecret) &&
      ((equalBytes(other.senderId, senderId) && equalBytes(other.recipientId, recipientId)) ||
        (equalBytes(other.senderId, recipientId) && equalBytes(other.recipientId, senderId)));
    if (!this.contexts.some(isSame)) this.contexts.push(context);
  }

  listen(role: 'AS' | 'RS', places: readonly ListenConfig[]): void {
    for (const { address, port } of places) this.roles.set(`${address === 'localhost' ? '127.0.0.1' : address}:${port}`, role);
  }
}

function addAs(found: Found, path: string): void {
  const { file, clients, resourceServers, dtls, listen } = loadAsConfig(path);
  found.listen('AS', listen);
  for (const { id, credentials } of clients) found.add(`the context of ${id} in ${file}`, credentials);
  for (const { id, credentials, tokenKeys } of resourceServers) {
    found.add(`the context of ${id} in ${file}`, credentials);
    found.tokenKeys.push(...tokenKeys);
  }
  found.derivationKeys.push(...Object.values(dtls.derivationKeys));
}

function addRs(found: Found, path: string): void {
  const { file, issuers, dtls, listen } = loadRsConfig(path);
  found.listen('RS', listen);
  for (const { credentials, tokenKeys } of issuers) {
    found.add(`the context of ${file}`, credentials);
    found.tokenKeys.push(...tokenKeys);
  }
  found.derivationKeys.push(...Object.values(dtls.derivationKeys));
}

function addClient(found: Found, path: string): void {
  const { file, authorizationServers } = loadClientConfig(path);
  for (const { credentials } of authorizationServers) found.add(`the context of ${file}`, credentials);
}

const loaders: readonly (readonly [name: string, add: (found: Found, path: string) => void])[] = [
  ['rs.yaml', addRs],
  ['as.yaml', addAs],
  ['client.yaml', addClient],
  ['admin.yaml', addClient],
];

/** Every file of a lab, or the one that is named. */
function addConfig(found: Found, given: string): void {
  const path = configPath(given);
  if (!statSync(path).isDirectory()) {
    const [, add] = loaders.find(([name]) => basename(path).startsWith(name.slice(0, -5))) ?? loaders[0]!;
    add(found, path);
    return;
  }
  const there = loaders.filter(([name]) => existsSync(join(path, name)));
  if (there.length === 0)
    throw new UsageError(`--config: expected a folder with ${loaders.map(([name]) => name).join(', ')} or some of them, got none in ${given}`);
  for (const [name, add] of there) add(found, join(path, name));
}

/** What a file has more than the last time. */
function growing(file: string): () => string {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r');
  } catch (cause) {
    throw new UsageError(`--key-log: ${file} cannot be read (${(cause as NodeJS.ErrnoException).code})`, { cause });
  }
  process.once('exit', () => closeSync(descriptor));
  const chunk = Buffer.alloc(1 << 16);
  let rest = '';
  return () => {
    for (let read = readSync(descriptor, chunk); read > 0; read = readSync(descriptor, chunk)) rest += chunk.toString('latin1', 0, read);
    const lines = rest;
    // The end of a line may come later; half of one is no key.
    rest = lines.slice(lines.lastIndexOf('\n') + 1).slice(0, longestLine);
    return lines;
  };
}

/** No line of a key log is longer. */
const longestLine = 1024;

/**
 * What opens messages, and who is who.
 *
 * @throws {ConfigError} for a file with problems
 * @throws {UsageError} for one that is not there
 */
export async function keysOf({ config, oscore = [], keyLog, pskIdentity, psk }: KeyFlags): Promise<{ readonly keys: Keys; readonly roles: Roles }> {
  const found = new Found();
  for (const path of oscore) {
    const { file, parameters } = loadOscoreContext(path);
    found.addContext({ name: file, parameters });
  }
  if (config !== undefined) addConfig(found, config);
  const given = await pskOf(pskIdentity, psk);
  if (given !== undefined) found.psks.push(given);
  const { contexts, psks, tokenKeys, derivationKeys, roles } = found;
  return { keys: { contexts, psks, tokenKeys, derivationKeys, ...(keyLog === undefined ? {} : { keyLog: growing(keyLog) }) }, roles };
}
