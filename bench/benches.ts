import { findPostgres, startPostgres } from '../test/interop/postgres/server.ts';
import { decodeWays, encodeWays } from './codec.ts';
import { encryptWays, signWays } from './cose.ts';
import { asRecord, openDtls } from './dtls.ts';
import { importRow } from './dtls-import.ts';
import { pskHandshakes, rpkHandshakes, unknownIdentity } from './handshakes.ts';
import { measureInProcess, type Way } from './in-process.ts';
import { firstContactNames, firstContactRow, kmWireNames, kmWireRow } from './km.ts';
import { deviceRequests, deviceSession, expectKeys, expectPlainKeys, introduceDevices } from './km-requests.ts';
import type { OpenSession } from './load.ts';
import { memoryNames, memoryRow } from './memory.ts';
import { oscoreWays } from './oscore.ts';
import { registryRows } from './registry.ts';
import {
  blockRequests,
  expectBlock,
  expectCode,
  expectProtected,
  getRequests,
  oscoreKeys,
  ProtectedClient,
  protectedGet,
  protectedRequests,
} from './requests.ts';
import { restartRow } from './restart.ts';
import type { Row } from './row.ts';
import { type Contender, measure, type Throughput } from './throughput.ts';
import { clientCount, expectToken, introduce, tokenClients } from './token-requests.ts';
import { trlObserveRow } from './trl-observe.ts';
import { wireNames, wireRow } from './wire.ts';

export interface Bench {
  /** What stands in `bench` of its rows. */
  readonly name: string;
  run(progress: (text: string) => void): Promise<Row[]>;
}

const anything = (): undefined => undefined;
const echo = (requests: (count: number) => Uint8Array[]): Contender => ({ server: 'dgram-echo', requests, fault: anything });

function throughput(bench: Throughput): Bench {
  return { name: bench.bench, run: (progress) => measure(bench, progress) };
}

const content = expectCode(0x45);

function oscoreGet(): Bench {
  return {
    name: 'oscore-get',
    run: (progress) => {
      const client = new ProtectedClient(oscoreKeys(0), protectedGet);
      const requests = (count: number): Uint8Array[] => protectedRequests([client], count);
      return measure(
        { bench: 'oscore-get', ours: { server: 'oscore-get', requests, fault: expectProtected }, peers: [echo(requests)], outstanding: 64, requests: 10_000 },
        progress,
      );
    },
  };
}

function dtlsGet(): Bench {
  const ours: Contender = { server: 'dtls-get', requests: getRequests, fault: content, session: openDtls };
  return throughput({ bench: 'dtls-get', ours, peers: [echo((count) => getRequests(count).map(asRecord))], outstanding: 64, requests: 10_000 });
}

function tokenRequest(name: string, clients: number, requestsPerRound: number, args: readonly string[] = []): Bench {
  return {
    name,
    run: (progress) => {
      const senders = tokenClients(clients);
      const requests = (count: number): Uint8Array[] => protectedRequests(senders, count);
      const ours: Contender = { server: 'token-request', args, prepare: (port) => introduce(port, clients), requests, fault: expectToken };
      return measure({ bench: name, ours, peers: [echo(requests)], outstanding: clients, requests: requestsPerRound }, progress);
    },
  };
}

/** The same on PostgreSQL, where its programs are installed. Its own CPU time is not counted. */
function tokenRequestPostgres(name: string, clients: number, requestsPerRound: number): Bench {
  return {
    name,
    run: async (progress) => {
      if (findPostgres() === undefined) {
        const note = 'no PostgreSQL on this machine: install postgresql, or run npm run interop once';
        return [{ bench: name, value: 0, unit: 'req/s', peer: 'dgram-echo', ratio: null, server_cpu_us: null, note }];
      }
      const postgres = await startPostgres();
      try {
        return await tokenRequest(name, clients, requestsPerRound, [postgres.url]).run(progress);
      } finally {
        await postgres.close();
      }
    },
  };
}

function kmRequest(): Bench {
  return {
    name: 'km-request',
    run: (progress) => {
      let devices: readonly ProtectedClient[] = [];
      const prepare = async (port: number): Promise<void> => {
        devices = await introduceDevices(port, clientCount);
      };
      const requests = (count: number): Uint8Array[] => protectedRequests(devices, count);
      const ours: Contender = { server: 'km-request', prepare, requests, fault: expectKeys };
      return measure({ bench: 'km-request', ours, peers: [echo(requests)], outstanding: clientCount, requests: 6_400 }, progress);
    },
  };
}

function kmRequestDtls(): Bench {
  const session: OpenSession = (socket, port) => openDtls(socket, port, deviceSession());
  const ours: Contender = { server: 'km-request', args: ['dtls'], requests: deviceRequests, fault: expectPlainKeys, session };
  const peers = [echo((count) => deviceRequests(count).map(asRecord))];
  return throughput({ bench: 'km-request-dtls', ours, peers, outstanding: clientCount, requests: 6_400 });
}

function inProcess(name: string, ways: () => readonly [Way, ...Way[]]): Bench {
  return {
    name,
    run: async (progress) => {
      const [ours, ...others] = ways();
      return measureInProcess(name, ours, others, progress);
    },
  };
}

/** GETs with so many under way at once. */
function coapGet(name: string, outstanding: number, requests: number): Bench {
  const ours: Contender = { server: 'coap-get', requests: getRequests, fault: content };
  return throughput({ bench: name, ours, peers: [echo(getRequests), { ...ours, server: 'node-coap' }], outstanding, requests });
}

/** All rows, in the order in which they are measured. */
export const benches: readonly Bench[] = [
  coapGet('coap-get', 64, 10_000),
  coapGet('coap-get-8', 8, 5000),
  coapGet('coap-get-1', 1, 2000),
  throughput({
    bench: 'coap-block-1MiB',
    ours: { server: 'coap-block', requests: blockRequests, fault: expectBlock },
    peers: [{ server: 'node-coap', requests: blockRequests, fault: expectBlock }],
    outstanding: 1,
    requests: 2048,
    bytes: 1024,
  }),
  ...memoryNames.map((name): Bench => ({ name, run: async (progress) => [await memoryRow(name, progress)] })),
  oscoreGet(),
  dtlsGet(),
  { name: 'oscore-restart', run: async (progress) => [await restartRow(progress)] },
  { name: 'dtls-psk-handshake', run: (progress) => pskHandshakes('dtls-psk-handshake', 1, progress) },
  { name: 'dtls-psk-handshake-16', run: (progress) => pskHandshakes('dtls-psk-handshake-16', 16, progress) },
  { name: 'dtls-rpk-handshake', run: (progress) => rpkHandshakes('dtls-rpk-handshake', 1, progress) },
  { name: 'dtls-rpk-handshake-16', run: (progress) => rpkHandshakes('dtls-rpk-handshake-16', 16, progress) },
  { name: 'dtls-unknown-identity', run: unknownIdentity },
  { name: 'dtls-import', run: async (progress) => [await importRow(progress)] },
  inProcess('oscore-protect', () => oscoreWays().protect),
  inProcess('oscore-unprotect', () => oscoreWays().unprotect),
  tokenRequest('token-request', clientCount, 3_200),
  tokenRequest('token-request-1', 1, 400),
  tokenRequestPostgres('token-request-postgres', clientCount, 3_200),
  tokenRequestPostgres('token-request-postgres-1', 1, 200),
  kmRequest(),
  kmRequestDtls(),
  { name: 'as-registry', run: registryRows },
  { name: 'trl-observe', run: async (progress) => [await trlObserveRow(progress)] },
  inProcess('cbor-encode-claims', encodeWays),
  inProcess('cbor-decode-claims', decodeWays),
  inProcess('cose-sign1-sign', () => signWays().sign),
  inProcess('cose-sign1-verify', () => signWays().verify),
  inProcess('cose-encrypt0', () => encryptWays().encrypt),
  inProcess('cose-decrypt0', () => encryptWays().decrypt),
  ...wireNames.map((name): Bench => ({ name, run: async () => [await wireRow(name)] })),
  ...kmWireNames.map((name): Bench => ({ name, run: async () => [await kmWireRow(name)] })),
  ...firstContactNames.map((name): Bench => ({ name, run: async (progress) => [await firstContactRow(name, progress)] })),
];
