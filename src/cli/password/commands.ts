import { AuthorizationServerError, hashSecret, removePassword, setPassword } from '../../as/index.ts';
import { utf8 } from '../../core/bytes.ts';
import { systemEnv } from '../../core/env.ts';
import { loadAsConfig } from '../../operate/index.ts';
import { openStore, type Store } from '../../store/index.ts';
import { configPath } from '../config-path.ts';
import { UsageError } from '../exit.ts';
import { passwordOf } from './prompt.ts';

export interface PasswordFlags {
  readonly passwordFile?: string;
  readonly json?: boolean;
}

export interface UserFlags extends PasswordFlags {
  readonly config?: string;
  readonly store?: string;
}

/** `ace-coap password set` */
export async function setCommand(username: string, flags: UserFlags): Promise<void> {
  await withStore(flags, async (store) => {
    const password = await passwordOf(username, flags.passwordFile);
    try {
      await setPassword(store, systemEnv.random, username, password);
    } catch (error) {
      if (error instanceof AuthorizationServerError) throw new UsageError(error.message, { code: error.code });
      throw error;
    }
    console.log(flags.json ? JSON.stringify({ act: 'set', object: 'password', id: username }) : `${username} has a password`);
  });
}

/** `ace-coap password remove` */
export async function removeCommand(username: string, flags: UserFlags): Promise<void> {
  await withStore(flags, async (store) => {
    if (!(await removePassword(store, username))) throw new UsageError(`expected a resource owner with a password, got ${JSON.stringify(username)}`);
    console.log(flags.json ? JSON.stringify({ act: 'remove', object: 'password', id: username }) : `${username} has no password any more`);
  });
}

/** `ace-coap password hash` */
export async function hashCommand({ passwordFile, json }: PasswordFlags): Promise<void> {
  const secret = await passwordOf('the client', passwordFile);
  if (secret === '') throw new UsageError('expected a secret, got nothing');
  const hash = await hashSecret(utf8(secret), systemEnv.random);
  console.log(json ? JSON.stringify({ secret_hash: hash }) : hash);
}

async function withStore({ config, store: place }: UserFlags, work: (store: Store) => Promise<void>): Promise<void> {
  if ((config === undefined) === (place === undefined)) throw new UsageError('expected one of --config and --store');
  const store = await openStore(place ?? loadAsConfig(configPath(config!)).store);
  try {
    await work(store);
  } finally {
    await store.close();
  }
}
