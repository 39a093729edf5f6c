import type { BenchName } from './catalogue.ts';
import { type Bar, type Chart, drawChart, type Group } from './chart.ts';
import type { Row, Spread } from './row.ts';

/** What of a row is drawn. */
type Quantity = 'value' | 'cpu';

function bar(label: string, value: number | null, spread: Spread | null | undefined, ours = false): readonly Bar[] {
  return value === null ? [] : [{ label, value, spread: spread ?? undefined, ours }];
}

const own = (row: Row, quantity: Quantity): readonly Bar[] =>
  quantity === 'value' ? bar('ace-coap', row.value, row.spread, true) : bar('ace-coap', row.server_cpu_us, row.server_cpu_spread, true);

const peer = (row: Row, quantity: Quantity): readonly Bar[] =>
  quantity === 'value' ? bar(row.peer, row.peer_value, row.peer_spread) : bar(row.peer, row.peer_cpu_us, row.peer_cpu_spread);

/** A group for each of the names that was measured: ours, then its peers. */
function groups(rows: readonly Row[], unit: Row['unit'], quantity: Quantity, named: Readonly<Partial<Record<BenchName, string>>>): readonly Group[] {
  return Object.entries(named).flatMap(([name, label]) => {
    const of = rows.filter((row) => row.bench === name && row.unit === unit);
    const bars = of.length === 0 ? [] : [...own(of[0]!, quantity), ...of.flatMap((row) => peer(row, quantity))];
    return bars.length === 0 ? [] : [{ label, bars }];
  });
}

const requests = { 'coap-get': 'GET', 'coap-benchmark': 'GET, from a client on Californium', 'oscore-get': 'GET over OSCORE', 'dtls-get': 'GET over DTLS' };
const handshakes = { 'dtls-psk-handshake': 'pre-shared key', 'dtls-rpk-handshake': 'raw public keys of both' };
const operations = {
  'cbor-encode-claims': 'CBOR: encode a claims set',
  'cbor-decode-claims': 'CBOR: decode it',
  'cose-sign1-sign': 'COSE_Sign1, ES256: sign',
  'cose-sign1-verify': 'COSE_Sign1, ES256: verify',
  'cose-encrypt0': 'COSE_Encrypt0, AES-CCM: encrypt',
  'cose-decrypt0': 'COSE_Encrypt0, AES-CCM: decrypt',
  'oscore-protect': 'OSCORE: protect a request, beside one AES-CCM operation',
  'oscore-unprotect': 'OSCORE: unprotect it',
};
const messages = {
  'wire-access-token': 'access token',
  'wire-token-request': 'token request',
  'wire-token-response': 'token response',
  'wire-authz-info-request': 'upload to authz-info',
  'wire-authz-info-response': 'answer of authz-info',
};

export interface Drawn {
  readonly file: string;
  readonly title: string;
  readonly svg: string;
}

/** The charts of README.md; those of which nothing was measured are left out. */
export function charts(rows: readonly Row[]): readonly Drawn[] {
  const all: Readonly<Record<string, Chart>> = {
    'requests.svg': { title: 'Requests per second, 64 outstanding', unit: 'more is better', oneScale: true, groups: groups(rows, 'req/s', 'value', requests) },
    'cpu.svg': { title: 'CPU time of the server for a request', unit: 'µs, less is better', oneScale: false, groups: groups(rows, 'req/s', 'cpu', requests) },
    'handshakes.svg': {
      title: 'CPU time of the server for a DTLS handshake',
      unit: 'µs, less is better',
      oneScale: false,
      groups: groups(rows, 'op/s', 'cpu', handshakes),
    },
    'operations.svg': {
      title: 'Operations per second in one thread',
      unit: 'more is better; node:crypto does the bare operation, without any structure around it',
      oneScale: false,
      groups: groups(rows, 'op/s', 'value', operations),
    },
    'bytes.svg': {
      title: 'Payloads of one authorization (RFC 9203)',
      unit: 'bytes, less is better; the floor is what the standards force',
      oneScale: true,
      groups: groups(rows, 'bytes', 'value', messages),
    },
  };
  return Object.entries(all)
    .filter(([, chart]) => chart.groups.length > 0)
    .map(([file, chart]) => ({ file, title: chart.title, svg: drawChart(chart) }));
}
