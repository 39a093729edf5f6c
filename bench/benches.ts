import { findPostgres, startPostgres } from '../test/interop/postgres/server.ts';
import { californiumClientRows } from './californium-client.ts';
import type { BenchName } from './catalogue.ts';
import { decodeWays, encodeWays } from './codec.ts';
import { encryptWays, signWays } from './cose.ts';
import { asRecord, openDtls } from './dtls.ts';
import { importRow } from './dtls-import.ts';
import { type Foreign, foreignServers } from './foreign-contenders.ts';
import { pskHandshakes, rpkHandshakes, unknownIdentity } from './handshakes.ts';
import { httpGets, startGateway } from './http-load.ts';
import { measureInProcess, type Way } from './in-process.ts';
import { firstContactNames, firstContactRow, kmWireNames, kmWireRow } from './km.ts';
import { deviceRequests, deviceSession, expectKeys, expectPlainKeys, introduceDevices } from './km-requests.ts';
import { memoryNames, memoryRow } from './memory.ts';
import { oidcRefreshRow, oidcTokenRow } from './oidc-token.ts';
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
import { absentRow, type Row } from './row.ts';
import type { Run } from './run.ts';
import { type Contender, type Datagrams, measure, own, sending, type Throughput } from './throughput.ts';
import { clientCount, expectToken, introduce, tokenClients } from './token-requests.ts';
import { trlObserveRow } from './trl-observe.ts';
import { wireRows } from './wire.ts';
import { wireNames } from './wire-floor.ts';

export interface Bench {
  /** What stands in `bench` of its rows. */
  readonly name: BenchName;
  run(run: Run): Promise<Row[]>;
}

const anything = (): undefined => undefined;
/** What a datagram in and a datagram out cost, of as many bytes. */
const echo = ({ requests, outstanding }: Datagrams): Contender => ({ ...own('dgram-echo'), load: sending({ requests, outstanding, fault: anything }) });

function throughput(name: BenchName, bench: () => Omit<Throughput, 'bench'>): Bench {
  return { name, run: (run) => measure({ bench: name, ...bench() }, run) };
}

/** Of servers that answer a round within a second. */
const warming = 5;

const content = expectCode(0x45);

function oscoreGet(): Omit<Throughput, 'bench'> {
  const client = new ProtectedClient(oscoreKeys(0), protectedGet);
  const gets: Datagrams = { requests: (count) => protectedRequests([client], count), fault: expectProtected, outstanding: 64 };
  return { ours: { ...own('oscore-get'), load: sending(gets) }, peers: [echo(gets)], requests: 10_000, warming, short: true };
}

/** @param args - of our gateway */
function gatewayGet(...args: readonly string[]): Omit<Throughput, 'bench'> {
  const forwarding = (name: string, device: string, ...more: readonly string[]): Contender => ({
    name,
    start: () => startGateway(name, device, more),
    load: httpGets,
  });
  const { ours } = oscoreGet();
  return { ours: forwarding('http-coap-gateway', 'oscore-get', ...args), peers: [ours, forwarding('http-datagram', 'dgram-echo')], requests: 10_000, warming };
}

function dtlsGet(): Omit<Throughput, 'bench'> {
  const load = sending({ requests: getRequests, fault: content, session: openDtls, outstanding: 64 });
  const records: Datagrams = { requests: (count) => getRequests(count).map(asRecord), fault: anything, outstanding: 64 };
  return { ours: { ...own('dtls-get'), load }, peers: [echo(records)], requests: 10_000, warming, short: true };
}

/** @param store - where the AS keeps its state; absent: LMDB in a fresh folder */
function tokenRequests(clients: number, requests: number, store: readonly string[] = []): Omit<Throughput, 'bench'> {
  const senders = tokenClients(clients);
  const asked: Datagrams = { requests: (count) => protectedRequests(senders, count), fault: expectToken, outstanding: clients };
  const ours: Contender = { ...own('token-request', store), prepare: (port) => introduce(port, clients), load: sending(asked) };
  // One client may not have as many tokens as more rounds would make.
  return { ours, peers: [echo(asked)], requests, short: true, ...(clients === 1 ? {} : { warming }) };
}

/** The same on PostgreSQL, where its programs are installed. Its own CPU time is not counted. */
function tokenRequestPostgres(name: BenchName, clients: number, requests: number): Bench {
  return {
    name,
    run: async (run) => {
      if (findPostgres() === undefined) return [absentRow(name, 'req/s', 'dgram-echo', 'no PostgreSQL here; npm run interop installs it')];
      const postgres = await startPostgres();
      try {
        return await measure({ bench: name, ...tokenRequests(clients, requests, [postgres.url]) }, run);
      } finally {
        await postgres.close();
      }
    },
  };
}

function kmRequest(): Omit<Throughput, 'bench'> {
  let devices: readonly ProtectedClient[] = [];
  const prepare = async (port: number): Promise<void> => {
    devices = await introduceDevices(port, clientCount);
  };
  const asked: Datagrams = { requests: (count) => protectedRequests(devices, count), fault: expectKeys, outstanding: clientCount };
  return { ours: { ...own('km-request'), prepare, load: sending(asked) }, peers: [echo(asked)], requests: 6_400, warming, short: true };
}

function kmRequestDtls(): Omit<Throughput, 'bench'> {
  const session: Datagrams['session'] = (socket, port) => openDtls(socket, port, deviceSession());
  const load = sending({ requests: deviceRequests, fault: expectPlainKeys, session, outstanding: clientCount });
  const records: Datagrams = { requests: (count) => deviceRequests(count).map(asRecord), fault: anything, outstanding: clientCount };
  return { ours: { ...own('km-request', ['dtls']), load }, peers: [echo(records)], requests: 6_400, warming, short: true };
}

function inProcess(name: BenchName, ways: () => readonly [Way, ...Way[]]): Bench {
  return {
    name,
    run: async (run) => {
      const [ours, ...others] = ways();
      return measureInProcess(name, ours, others, run);
    },
  };
}

const nodeCoap = own('node-coap');

/** GETs with so many under way at once. */
function coapGet(name: BenchName, outstanding: number, requests: number, others: readonly Foreign[] = []): Bench {
  const gets: Datagrams = { requests: getRequests, fault: content, outstanding };
  const load = sending(gets);
  const peers = [echo(gets), ...[nodeCoap, ...others].map((peer) => ({ ...peer, load }))];
  return throughput(name, () => ({ ours: { ...own('coap-get'), load }, peers, requests, warming, short: true }));
}

function coapBlock(): Omit<Throughput, 'bench'> {
  const load = sending({ requests: blockRequests, fault: expectBlock, outstanding: 1 });
  return { ours: { ...own('coap-block'), load }, peers: [{ ...nodeCoap, load }], requests: 2048, bytes: 1024 };
}

/** All rows, in the order in which they are measured. */
export const benches: readonly Bench[] = [
  coapGet('coap-get', 64, 10_000, foreignServers),
  coapGet('coap-get-8', 8, 5000),
  coapGet('coap-get-1', 1, 2000),
  { name: 'coap-benchmark', run: californiumClientRows },
  throughput('coap-block-1MiB', coapBlock),
  ...memoryNames.map((name): Bench => ({ name, run: async (run) => [await memoryRow(name, run)] })),
  throughput('oscore-get', oscoreGet),
  throughput('dtls-get', dtlsGet),
  { name: 'oscore-restart', run: async (run) => [await restartRow(run)] },
  { name: 'dtls-psk-handshake', run: (run) => pskHandshakes('dtls-psk-handshake', 1, run) },
  { name: 'dtls-psk-handshake-16', run: (run) => pskHandshakes('dtls-psk-handshake-16', 16, run) },
  { name: 'dtls-rpk-handshake', run: (run) => rpkHandshakes('dtls-rpk-handshake', 1, run) },
  { name: 'dtls-rpk-handshake-16', run: (run) => rpkHandshakes('dtls-rpk-handshake-16', 16, run) },
  { name: 'dtls-unknown-identity', run: unknownIdentity },
  { name: 'dtls-import', run: async (run) => [await importRow(run)] },
  inProcess('oscore-protect', () => oscoreWays().protect),
  inProcess('oscore-unprotect', () => oscoreWays().unprotect),
  throughput('http-coap-gateway', gatewayGet),
  throughput('http-coap-gateway-64', () => gatewayGet('64')),
  throughput('token-request', () => tokenRequests(clientCount, 12_800)),
  throughput('token-request-1', () => tokenRequests(1, 1_000)),
  tokenRequestPostgres('token-request-postgres', clientCount, 6_400),
  tokenRequestPostgres('token-request-postgres-1', 1, 200),
  throughput('km-request', kmRequest),
  throughput('km-request-dtls', kmRequestDtls),
  { name: 'oidc-token', run: async (run) => [await oidcTokenRow(run)] },
  { name: 'oidc-refresh', run: async (run) => [await oidcRefreshRow(run)] },
  { name: 'as-registry', run: registryRows },
  { name: 'trl-observe', run: async (run) => [await trlObserveRow(run)] },
  inProcess('cbor-encode-claims', encodeWays),
  inProcess('cbor-decode-claims', decodeWays),
  inProcess('cose-sign1-sign', () => signWays().sign),
  inProcess('cose-sign1-verify', () => signWays().verify),
  inProcess('cose-encrypt0', () => encryptWays().encrypt),
  inProcess('cose-decrypt0', () => encryptWays().decrypt),
  ...wireNames.map((name): Bench => ({ name, run: () => wireRows(name) })),
  ...kmWireNames.map((name): Bench => ({ name, run: async () => [await kmWireRow(name)] })),
  ...firstContactNames.map((name): Bench => ({ name, run: async (run) => [await firstContactRow(name, run)] })),
];
