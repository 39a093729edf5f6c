import { spawnSync } from 'node:child_process';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fromUtf8, toBase64Url, toHex } from '../src/core/bytes.ts';
import { freePort } from '../test/support/ports.ts';
import { cpuOf, ForeignServer } from './foreign-server.ts';
import { shakeHandsOften } from './handshake-client.ts';
import { clientConfigs, identity, type KeyExchangeName, psk, serverKey } from './handshake-keys.ts';
import type { Row } from './row.ts';
import { ServerProcess } from './server-process.ts';
import { median, rounded } from './throughput.ts';

/** Servers of one kind, each on its port, and the CPU time of them all. */
interface Servers {
  readonly ports: readonly number[];
  cpu(): number;
  stop(): Promise<void>;
}

interface Handshakes {
  readonly bench: string;
  readonly exchange: KeyExchangeName;
  /** Handshakes that go on at once. */
  readonly outstanding: number;
  readonly peer: string;
  /** Handshakes in a round. */
  readonly count: number;
  readonly theirs: (folder: string, port: number) => Promise<ForeignServer>;
}

/** Counted rounds, after those that let the platform compile what is hot. */
const rounds = 3;
const warming = 3000;

async function ourServers(exchange: KeyExchangeName, outstanding: number): Promise<Servers> {
  const server = await ServerProcess.start('dtls-handshake', [], [exchange]);
  return { ports: Array<number>(outstanding).fill(server.port), cpu: () => cpuOf(server.pid), stop: () => server.stop() };
}

/** These programs serve one client at a time: each client has one of its own. */
async function theirServers(folder: string, { outstanding, theirs }: Handshakes): Promise<Servers> {
  const servers: ForeignServer[] = [];
  const ports: number[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.stop()));
  };
  try {
    for (let i = 0; i < outstanding; i++) {
      const port = await freePort();
      servers.push(await theirs(folder, port));
      ports.push(port);
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { ports, cpu: () => servers.reduce((sum, server) => sum + server.cpu(), 0), stop };
}

interface Total {
  cpu: number;
  time: number;
  handshakes: number;
  bytes: number;
}

async function round({ ports, cpu }: Servers, { exchange, bench }: Handshakes, count: number, total?: Total): Promise<void> {
  const [before, started] = [cpu(), performance.now()];
  const shaken = await shakeHandsOften(ports, clientConfigs[exchange], count);
  const failed = shaken.find(({ error }) => error !== undefined);
  if (failed !== undefined) throw new Error(`${bench}: expected a handshake, got ${failed.error!.message}`);
  if (total === undefined) return;
  total.cpu += cpu() - before;
  total.time += performance.now() - started;
  total.handshakes += shaken.length;
  total.bytes = Math.min(...shaken.map(({ bytes }) => bytes));
}

/** What one handshake costs the process of a server: ours, and one of somebody else. */
async function measured(options: Handshakes, progress: (text: string) => void): Promise<Row[]> {
  const { bench, exchange, outstanding, peer, count } = options;
  const folder = mkdtempSync(join(tmpdir(), 'ace-coap-bench-'));
  const ours = await ourServers(exchange, outstanding);
  let theirs: Servers | undefined;
  let note: string | undefined;
  try {
    theirs = await theirServers(folder, options);
  } catch (error) {
    note = (error as Error).message;
  }
  try {
    progress(`${bench}: warming up`);
    await round(ours, options, warming);
    if (theirs !== undefined) await round(theirs, options, outstanding);
    const our: Total = { cpu: 0, time: 0, handshakes: 0, bytes: 0 };
    const their: Total = { ...our };
    for (let i = 1; i <= rounds; i++) {
      progress(`${bench}: round ${i} of ${rounds}`);
      // Their programs wait between the flights, and take long: ours runs often beside it.
      await round(ours, options, 500, our);
      if (theirs !== undefined) await round(theirs, options, count, their);
    }
    const cost = our.cpu / our.handshakes;
    const absent = note === undefined ? {} : { note };
    return [
      {
        bench,
        value: Math.round((our.handshakes * 1000) / our.time),
        unit: 'op/s',
        peer,
        ratio: theirs === undefined ? null : rounded(their.cpu / their.handshakes / cost, 3),
        server_cpu_us: rounded(cost, 1),
        ...absent,
      },
      {
        bench,
        value: our.bytes,
        unit: 'bytes',
        peer,
        ratio: theirs === undefined ? null : rounded(their.bytes / our.bytes, 3),
        server_cpu_us: null,
        ...absent,
      },
    ];
  } finally {
    await Promise.all([ours.stop(), theirs?.stop()]);
    rmSync(folder, { recursive: true, force: true });
  }
}

export function pskHandshakes(bench: string, outstanding: number, progress: (text: string) => void): Promise<Row[]> {
  const theirs = (_folder: string, port: number): Promise<ForeignServer> => {
    const secrets = ['-nocert', '-psk', toHex(psk), '-psk_identity', fromUtf8(identity), '-cipher', 'PSK-AES128-CCM8'];
    return ForeignServer.start('openssl', ['s_server', '-accept', `127.0.0.1:${port}`, '-dtls1_2', ...secrets], 'ACCEPT');
  };
  return measured({ bench, exchange: 'psk', outstanding, peer: 'openssl s_server', count: 500, theirs }, progress);
}

function gnutlsServer(folder: string, port: number): Promise<ForeignServer> {
  const [x, y, d] = [serverKey.x, serverKey.y!, serverKey.d].map(toBase64Url);
  const key = createPrivateKey({ format: 'jwk', key: { kty: 'EC', crv: 'P-256', x: x!, y: y!, d: d! } });
  const [privateFile, publicFile] = [join(folder, 'server.pem'), join(folder, 'server.pub')];
  writeFileSync(privateFile, key.export({ type: 'pkcs8', format: 'pem' }));
  writeFileSync(publicFile, createPublicKey(key).export({ type: 'spki', format: 'pem' }));
  const priority =
    'NONE:+VERS-DTLS1.2:+AES-128-CCM-8:+AEAD:+SIGN-ECDSA-SECP256R1-SHA256:+SIGN-ECDSA-SHA256:+GROUP-SECP256R1:+COMP-NULL:+ECDHE-ECDSA:+CTYPE-CLI-RAWPK:+CTYPE-SRV-RAWPK';
  const files = ['--rawpkkeyfile', privateFile, '--rawpkfile', publicFile, '--require-client-cert'];
  return ForeignServer.start('gnutls-serv', ['--udp', '-p', `${port}`, '--echo', ...files, '--priority', priority], 'IPv6');
}

/** gnutls-serv listens on every address: in a network of its own that is loopback alone. */
const inside = 'ACE_BENCH_OWN_NETWORK';

export async function rpkHandshakes(bench: string, outstanding: number, progress: (text: string) => void): Promise<Row[]> {
  // It takes a quarter of a second for a handshake, in which it mostly waits.
  const options = { bench, exchange: 'rpk', outstanding, peer: 'gnutls-serv', count: outstanding === 1 ? 30 : 160 } as const;
  if (process.env[inside] === '1') return measured({ ...options, theirs: gnutlsServer }, progress);
  const main = fileURLToPath(new URL('main.js', import.meta.url));
  const script = 'ip link set lo up && exec "$@"';
  progress(`${bench}: in a network of its own`);
  const { status, stdout, stderr, error } = spawnSync('unshare', ['--net', 'sh', '-c', script, 'sh', process.execPath, main, '--json', bench], {
    encoding: 'utf8',
    env: { ...process.env, [inside]: '1' },
  });
  if (status === 0)
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Row);
  const why = `gnutls-serv listens on every address, and there is no network of its own for it: ${error?.message ?? stderr.trim()}`;
  return measured({ ...options, theirs: () => Promise.reject(new Error(why)) }, progress);
}

/** How often each of the two is tried in a round. */
const tries = 200;

/**
 * On plain DTLS nobody is to learn which identities there are: how long a client waits for the end of a handshake with an identity that is not known, and
 * with a wrong key for one that is.
 */
export async function unknownIdentity(progress: (text: string) => void): Promise<Row[]> {
  const bench = 'dtls-unknown-identity';
  const server = await ServerProcess.start('dtls-handshake', [], ['psk']);
  const wrongKey = { ...clientConfigs.psk, psk: { identity, key: psk.map((byte) => byte ^ 1) } };
  const unknown = { ...clientConfigs.psk, psk: { identity: identity.map((byte) => byte ^ 1), key: psk } };
  const kinds = [unknown, wrongKey].map((config) => ({ config, times: [] as number[], cpu: 0 }));
  try {
    for (let i = 0; i <= 2 * rounds; i++) {
      progress(`${bench}: ${i === 0 ? 'warming up' : `round ${i} of ${2 * rounds}`}`);
      // By turns, so that coming first is no one's advantage.
      for (const kind of i % 2 === 0 ? kinds : kinds.toReversed()) {
        const before = await server.cpu();
        const shaken = await shakeHandsOften([server.port], kind.config, i === 0 ? warming / 2 : tries);
        for (const { error } of shaken) {
          if (error?.message.includes('decrypt_error') !== true) throw new Error(`${bench}: expected decrypt_error, got ${error?.message ?? 'a handshake'}`);
        }
        if (i === 0) continue;
        kind.times.push(...shaken.map(({ time }) => time));
        kind.cpu += (await server.cpu()) - before;
      }
    }
  } finally {
    await server.stop();
  }
  const [ours, other] = kinds.map(({ times, cpu }) => ({ time: median(times), cpu: cpu / times.length }));
  return [
    {
      bench,
      value: rounded(ours!.time, 3),
      unit: 'ms',
      peer: 'wrong PSK',
      ratio: rounded(other!.time / ours!.time, 3),
      server_cpu_us: rounded(ours!.cpu, 1),
      note: `CPU time of the server for a wrong PSK: ${rounded(other!.cpu, 1)} us`,
    },
  ];
}
