import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../support/ports.ts';
import { pause } from '../../support/wait.ts';

/** A PostgreSQL server of a test's own: on a loopback port, with its data in a temporary folder. */
export interface PostgresServer {
  /** With user and password. The database has nothing in it. */
  readonly url: string;
  /** End it: `immediate` without a word to its clients, as a crash does. The data stays for `start`. */
  stop(how?: 'fast' | 'immediate'): Promise<void>;
  /** Start it again after `stop`, on the same port. */
  start(): Promise<void>;
  /** Let it stand still, with its connections open. */
  pause(): void;
  /** Let it go on after `pause`. */
  resume(): void;
  /** A fresh database on the server, by its URL. */
  database(): string;
  /** Stop it and remove its data. */
  close(): Promise<void>;
}

/** Where Debian keeps the programs of each version. */
const versions = '/usr/lib/postgresql';

const user = 'ace';
const password = 'loopback-only';

/** The folder with initdb and postgres; `undefined` where there is no PostgreSQL. */
export function findPostgres(): string | undefined {
  if (!existsSync(versions)) return undefined;
  const newest = readdirSync(versions)
    .map(Number)
    .sort((a, b) => b - a)
    .map((version) => join(versions, String(version), 'bin'));
  return newest.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')));
}

/** PostgreSQL refuses to run as root. */
function identity(): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const id = (option: string): number => Number(execFileSync('id', [option, 'postgres'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

/** Start a server, after `npm run interop` or a package manager has installed it. */
export async function startPostgres(): Promise<PostgresServer> {
  const programs = findPostgres();
  if (programs === undefined) throw new Error(`no PostgreSQL in ${versions}: install postgresql`);
  const as = identity();
  const folder = mkdtempSync(join(tmpdir(), 'ace-coap-postgres-'));
  const data = join(folder, 'data');
  const passwordFile = join(folder, 'password');
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  if (as.uid !== undefined) for (const path of [folder, passwordFile]) chownSync(path, as.uid, as.gid!);
  const make = ['--pgdata', data, '--username', user, '--pwfile', passwordFile, '--auth', 'scram-sha-256', '--encoding', 'UTF8', '--no-locale', '--no-sync'];
  execFileSync(join(programs, 'initdb'), make, { ...as, cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  const port = await freePort();
  const server = new Server(join(programs, 'postgres'), folder, data, port, as);
  await server.start();
  return server;
}

class Server implements PostgresServer {
  readonly url: string;
  readonly #program: string;
  readonly #folder: string;
  readonly #data: string;
  readonly #port: number;
  readonly #as: ReturnType<typeof identity>;
  #child: ChildProcess | undefined;
  #databases = 0;
  #log = '';

  constructor(program: string, folder: string, data: string, port: number, as: ReturnType<typeof identity>) {
    this.#program = program;
    this.#folder = folder;
    this.#data = data;
    this.#port = port;
    this.#as = as;
    this.url = this.#urlOf('postgres');
    process.once('exit', () => {
      this.#child?.kill('SIGQUIT');
      rmSync(this.#folder, { recursive: true, force: true });
    });
  }

  async start(): Promise<void> {
    const settings = ['listen_addresses=127.0.0.1', `unix_socket_directories=${this.#folder}`, 'shared_buffers=16MB', 'max_connections=60'];
    const args = ['-D', this.#data, '-p', String(this.#port), ...settings.flatMap((setting) => ['-c', setting])];
    const child = spawn(this.#program, args, { ...this.#as, cwd: this.#folder, stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child = child;
    let ready = false;
    child.stderr.on('data', (chunk: Buffer) => {
      this.#log = (this.#log + chunk.toString()).slice(-10_000);
      ready ||= this.#log.includes('ready to accept connections');
    });
    this.#log = '';
    for (let waited = 0; !(ready && (await this.#answers())); waited += 50) {
      if (child.exitCode !== null || waited > 20_000) throw new Error(`PostgreSQL does not start:\n${this.#log}`);
      await pause(50);
    }
  }

  async stop(how: 'fast' | 'immediate' = 'fast'): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#child = undefined;
    const ended = new Promise<void>((done) => child.once('exit', () => done()));
    child.kill(how === 'fast' ? 'SIGINT' : 'SIGQUIT');
    await ended;
  }

  pause(): void {
    this.#signal('SIGSTOP');
  }

  resume(): void {
    this.#signal('SIGCONT');
  }

  database(): string {
    const name = `test${this.#databases++}`;
    const sql = `create database ${name}`;
    const psql = join(this.#program, '..', 'psql');
    execFileSync(psql, ['--no-psqlrc', '--quiet', '--dbname', this.url, '--command', sql], { stdio: ['ignore', 'ignore', 'pipe'] });
    return this.#urlOf(name);
  }

  async close(): Promise<void> {
    await this.stop('immediate');
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #urlOf(database: string): string {
    return `postgres://${user}:${password}@127.0.0.1:${this.#port}/${database}`;
  }

  /** Each connection has a process of its own, in a session of its own. */
  #signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    const pid = this.#child!.pid!;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
    for (const each of [pid, ...children]) process.kill(each, signal);
  }

  #answers(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect(this.#port, '127.0.0.1');
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
  }
}
