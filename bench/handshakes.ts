import { spawnSync } from 'node:child_process';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fromUtf8, toBase64Url, toHex } from '../src/core/bytes.ts';
import { freePort } from '../test/support/ports.ts';
import { ForeignServer } from './foreign-server.ts';
import { shakeHandsOften } from './handshake-client.ts';
import { clientConfigs, identity, type KeyExchangeName, psk, serverKey } from './handshake-keys.ts';
import { cpuOf } from './processes.ts';
import { median, medianRatio, type Row, rounded, summary } from './row.ts';
import { counted, manyRounds, type Run } from './run.ts';
import { AbsentPeer } from './server.ts';
import { ServerProcess } from './server-process.ts';

/** Servers of one kind, each on its port, and the CPU time of them all. */
interface Servers {
  readonly ports: readonly number[];
  cpu(): Promise<number>;
  stop(): Promise<void>;
}

interface Handshakes {
  readonly bench: string;
  readonly exchange: KeyExchangeName;
  /** Handshakes that go on at once. */
  readonly outstanding: number;
  readonly peer: string;
  /** Handshakes of theirs in a round. */
  readonly count: number;
  /** Its rounds are short. */
  readonly short?: boolean;
  readonly theirs: (folder: string, port: number) => Promise<ForeignServer>;
}

/**
 * Handshakes before those that count: a server that has run for a while has compiled what is hot, and its cache of sessions is full. So many at a time, to be done
 * with them soon.
 */
const warming: Readonly<Record<KeyExchangeName, number>> = { psk: 12_000, rpk: 3000 };
const warmingOutstanding = 16;
/** Handshakes of a round of ours: theirs waits between the flights, and takes long. */
const ourCount = 400;

async function ourServers(exchange: KeyExchangeName, outstanding: number): Promise<Servers> {
  const server = await ServerProcess.start('dtls-handshake', [], [exchange]);
  return { ports: Array<number>(outstanding).fill(server.port), cpu: () => Promise.resolve(cpuOf(server.pid)), stop: () => server.stop() };
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
  return { ports, cpu: async () => (await Promise.all(servers.map((server) => server.cpu()))).reduce((sum, cpu) => sum + cpu, 0), stop };
}

interface Sample {
  /** Microseconds of a handshake. */
  readonly cpu: number;
  readonly perSecond: number;
  readonly bytes: number;
}

async function round({ ports, cpu }: Servers, { exchange, bench }: Handshakes, count: number): Promise<Sample> {
  const [before, started] = [await cpu(), performance.now()];
  const shaken = await shakeHandsOften(ports, clientConfigs[exchange], count);
  const failed = shaken.find(({ error }) => error !== undefined);
  if (failed !== undefined) throw new Error(`${bench}: expected a handshake, got ${failed.error!.message}`);
  return {
    cpu: ((await cpu()) - before) / shaken.length,
    perSecond: (shaken.length * 1000) / (performance.now() - started),
    bytes: Math.min(...shaken.map(({ bytes }) => bytes)),
  };
}

/** What one handshake costs the process of a server: ours, and one of somebody else. */
async function measured(options: Handshakes, run: Run): Promise<Row[]> {
  const { bench, exchange, outstanding, peer, count } = options;
  const { progress } = run;
  const rounds = options.short === true ? manyRounds(run) : run.rounds;
  const folder = mkdtempSync(join(tmpdir(), 'ace-coap-bench-'));
  const ours = await ourServers(exchange, outstanding);
  let theirs: Servers | undefined;
  let note: string | undefined;
  try {
    theirs = await theirServers(folder, options);
  } catch (error) {
    if (!(error instanceof AbsentPeer)) throw error;
    note = error.message;
  }
  try {
    progress(`${bench}: warming up`);
    await round({ ...ours, ports: Array<number>(warmingOutstanding).fill(ours.ports[0]!) }, options, counted(run, warming[exchange]));
    await round(ours, options, counted(run, ourCount));
    if (theirs !== undefined) await round(theirs, options, outstanding);
    const our: Sample[] = [];
    const their: Sample[] = [];
    for (let i = 1; i <= rounds; i++) {
      progress(`${bench}: round ${i} of ${rounds}`);
      our.push(await round(ours, options, counted(run, ourCount)));
      if (theirs !== undefined) their.push(await round(theirs, options, Math.max(outstanding, counted(run, count))));
    }
    const [ourCpus, theirCpus] = [our, their].map((samples) => samples.map(({ cpu }) => cpu)) as [number[], number[]];
    const row = (unit: 'op/s' | 'bytes', of: (sample: Sample) => number): Row => {
      const own = summary(our.map(of));
      const there = theirs === undefined ? undefined : summary(their.map(of));
      const timed = unit === 'op/s';
      const [ourCpu, theirCpu] = [timed ? summary(ourCpus, 1) : undefined, timed && there !== undefined ? summary(theirCpus, 1) : undefined];
      const ratio = there && (timed ? medianRatio(theirCpus, ourCpus) : rounded(there.value / own.value, 3));
      return {
        bench,
        ...own,
        unit,
        rounds,
        peer,
        peer_value: there?.value ?? null,
        peer_spread: there?.spread ?? null,
        ratio: ratio ?? null,
        server_cpu_us: ourCpu?.value ?? null,
        peer_cpu_us: theirCpu?.value ?? null,
        ...(ourCpu === undefined ? {} : { server_cpu_spread: ourCpu.spread }),
        ...(theirCpu === undefined ? {} : { peer_cpu_spread: theirCpu.spread }),
        ...(note === undefined ? {} : { note }),
      };
    };
    return [row('op/s', ({ perSecond }) => perSecond), row('bytes', ({ bytes }) => bytes)];
  } finally {
    await Promise.all([ours.stop(), theirs?.stop()]);
    rmSync(folder, { recursive: true, force: true });
  }
}

export function pskHandshakes(bench: string, outstanding: number, run: Run): Promise<Row[]> {
  const theirs = (_folder: string, port: number): Promise<ForeignServer> => {
    const secrets = ['-nocert', '-psk', toHex(psk), '-psk_identity', fromUtf8(identity), '-cipher', 'PSK-AES128-CCM8'];
    return ForeignServer.start('openssl', ['s_server', '-accept', `127.0.0.1:${port}`, '-dtls1_2', ...secrets], port, { prints: 'ACCEPT' });
  };
  return measured({ bench, exchange: 'psk', outstanding, peer: 'openssl s_server', count: 250, short: true, theirs }, run);
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
  return ForeignServer.start('gnutls-serv', ['--udp', '-p', `${port}`, '--echo', ...files, '--priority', priority], port, { prints: 'IPv6' });
}

/** gnutls-serv listens on every address: in a network of its own that is loopback alone. */
const inside = 'ACE_BENCH_OWN_NETWORK';

export async function rpkHandshakes(bench: string, outstanding: number, run: Run): Promise<Row[]> {
  // It takes a quarter of a second for a handshake, in which it mostly waits.
  const options = { bench, exchange: 'rpk', outstanding, peer: 'gnutls-serv', count: outstanding === 1 ? 20 : 160 } as const;
  if (process.env[inside] === '1') return measured({ ...options, theirs: gnutlsServer }, run);
  const main = fileURLToPath(new URL('main.js', import.meta.url));
  const script = 'ip link set lo up && exec "$@"';
  const flags = ['--json', '--rounds', `${run.rounds}`, ...(run.quick ? ['--quick'] : [])];
  run.progress(`${bench}: in a network of its own`);
  const { status, stdout, stderr, error } = spawnSync('unshare', ['--net', 'sh', '-c', script, 'sh', process.execPath, main, ...flags, bench], {
    encoding: 'utf8',
    env: { ...process.env, [inside]: '1' },
  });
  if (status === 0)
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Row);
  const why = `gnutls-serv listens on every address, and there is no network of its own for it: ${error?.message ?? stderr.trim()}`;
  return measured({ ...options, theirs: () => Promise.reject(new AbsentPeer(why)) }, run);
}

/** How often each of the two is tried in a round. */
const tries = 200;
/** The same before the first round. */
const firstTries = 1500;

/**
 * On plain DTLS nobody is to learn which identities there are: how long a client waits for the end of a handshake with an identity that is not known, and
 * with a wrong key for one that is.
 */
export async function unknownIdentity(run: Run): Promise<Row[]> {
  const bench = 'dtls-unknown-identity';
  const server = await ServerProcess.start('dtls-handshake', [], ['psk']);
  const wrongKey = { ...clientConfigs.psk, psk: { identity, key: psk.map((byte) => byte ^ 1) } };
  const unknown = { ...clientConfigs.psk, psk: { identity: identity.map((byte) => byte ^ 1), key: psk } };
  const kinds = [unknown, wrongKey].map((config) => ({ config, times: [] as number[], cpu: [] as number[] }));
  try {
    for (let i = 0; i <= run.rounds; i++) {
      run.progress(`${bench}: ${i === 0 ? 'warming up' : `round ${i} of ${run.rounds}`}`);
      // By turns, so that coming first is no one's advantage.
      for (const kind of i % 2 === 0 ? kinds : kinds.toReversed()) {
        const before = await server.cpu();
        const shaken = await shakeHandsOften([server.port], kind.config, counted(run, i === 0 ? firstTries : tries));
        for (const { error } of shaken) {
          if (error?.message.includes('decrypt_error') !== true) throw new Error(`${bench}: expected decrypt_error, got ${error?.message ?? 'a handshake'}`);
        }
        if (i === 0) continue;
        kind.times.push(median(shaken.map(({ time }) => time)));
        kind.cpu.push(((await server.cpu()) - before) / shaken.length);
      }
    }
  } finally {
    await server.stop();
  }
  const [ours, other] = kinds.map(({ times, cpu }) => ({ time: summary(times, 3), cpu: rounded(median(cpu), 1) }));
  return [
    {
      bench,
      ...ours!.time,
      unit: 'ms',
      rounds: run.rounds,
      peer: 'wrong PSK',
      peer_value: other!.time.value,
      peer_spread: other!.time.spread,
      ratio: rounded(other!.time.value / ours!.time.value, 3),
      server_cpu_us: ours!.cpu,
      peer_cpu_us: other!.cpu,
    },
  ];
}
