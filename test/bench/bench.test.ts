import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { benches } from '../../bench/benches.ts';
import {
  expectCode,
  expectProtected,
  firstSequence,
  getRequests,
  oscoreKeys,
  otherSide,
  ProtectedClient,
  protectedGet,
  protectedRequests,
} from '../../bench/requests.ts';
import { decodeMessage, findOption, OptionNumber, pathOf } from '../../src/coap/index.ts';
import { decodeOscoreOption, deriveContext, unprotectRequest } from '../../src/oscore/index.ts';

function run(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('../../bench/main.js', import.meta.url)), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.on('data', (data: Buffer) => (out += data.toString()));
  child.stderr.on('data', (data: Buffer) => (err += data.toString()));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })));
}

describe('bench', () => {
  it('has the rows that its readers ask for', () => {
    assert.deepEqual(
      benches.map(({ name }) => name),
      [
        'coap-get',
        'coap-get-8',
        'coap-get-1',
        'coap-benchmark',
        'coap-block-1MiB',
        'coap-memory-request',
        'coap-memory-observer',
        'coap-memory-peer',
        'oscore-context-memory',
        'dtls-connection-memory',
        'oscore-get',
        'dtls-get',
        'oscore-restart',
        'dtls-psk-handshake',
        'dtls-psk-handshake-16',
        'dtls-rpk-handshake',
        'dtls-rpk-handshake-16',
        'dtls-unknown-identity',
        'dtls-import',
        'oscore-protect',
        'oscore-unprotect',
        'http-coap-gateway',
        'http-coap-gateway-64',
        'token-request',
        'token-request-1',
        'token-request-postgres',
        'token-request-postgres-1',
        'km-request',
        'km-request-dtls',
        'oidc-token',
        'oidc-refresh',
        'as-registry',
        'trl-observe',
        'cbor-encode-claims',
        'cbor-decode-claims',
        'cose-sign1-sign',
        'cose-sign1-verify',
        'cose-encrypt0',
        'cose-decrypt0',
        'wire-access-token',
        'wire-token-request',
        'wire-token-response',
        'wire-authz-info-request',
        'wire-authz-info-response',
        'wire-km-request',
        'wire-km-response',
        'km-first-contact',
        'km-first-contact-5',
        'km-first-contact-20',
      ],
    );
  });

  it('wire rows: one JSON object a line, each within its limit', async () => {
    const { code, out, err } = await run('--json', 'wire-*');
    assert.equal(code, 0, err);
    const rows = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const limits = new Map([
      ['wire-access-token', 90],
      ['wire-token-request', 20],
      ['wire-token-response', 130],
      ['wire-authz-info-request', 110],
      ['wire-authz-info-response', 18],
      ['wire-km-request', 50],
      ['wire-km-response', 110],
    ]);
    const beside = (peer: string): typeof rows => rows.filter((row) => row['peer'] === peer);
    assert.deepEqual(
      beside('limit').map((row) => row['bench']),
      [...limits.keys()],
    );
    assert.deepEqual(
      beside('floor').map((row) => row['bench']),
      [...limits.keys()].filter((name) => !name.startsWith('wire-km-')),
    );
    for (const row of rows) {
      const value = row['value'] as number;
      const peerValue = row['peer_value'] as number;
      if (row['peer'] === 'limit') {
        assert.equal(peerValue, limits.get(String(row['bench'])));
        assert.ok(Number.isInteger(value) && value > 0 && value <= peerValue, `${row['bench']}: ${value} bytes, at most ${peerValue}`);
      } else assert.ok(Number.isInteger(peerValue) && peerValue > 0 && peerValue <= value, `${row['bench']}: ${value} bytes, at least ${peerValue}`);
      assert.ok(Math.abs((row['ratio'] as number) - peerValue / value) < 0.001);
      assert.deepEqual([row['unit'], row['rounds'], row['spread'], row['server_cpu_us']], ['bytes', 1, null, null]);
    }
  });

  it('names choose rows; without --json it is a table', async () => {
    const { code, out } = await run('wire-token-request');
    assert.equal(code, 0);
    const lines = out.split('\n');
    assert.match(lines[0]!, /^\d+ cores of .+, Node \d+\.\d+\.\d+; \d{4}-\d\d-\d\d .* UTC, load before /);
    assert.deepEqual(
      lines.filter((line) => /^[a-z]+-/.test(line)).map((line) => line.split(/ +/).slice(0, 6)),
      [
        ['wire-token-request', '16', 'bytes', 'limit', '20', '1.25'],
        ['wire-token-request', '16', 'bytes', 'floor', '16', '1.00'],
      ],
    );
  });

  it('an unknown name is wrong use', async () => {
    for (const args of [['coap-gte'], ['--jsn']]) {
      const { code, out, err } = await run(...args);
      assert.equal(code, 2);
      assert.equal(out, '');
      assert.match(err, /Usage: npm run -s bench -- \[OPTIONS\] \[NAME\.\.\.\]/);
    }
  });
});

describe('bench: what the load is made of', () => {
  it('GETs differ in Message ID and token and in nothing else, and are of one size', () => {
    const datagrams = getRequests(300);
    const messages = datagrams.map((datagram) => decodeMessage(datagram));
    assert.equal(new Set(datagrams.map((datagram) => datagram.length)).size, 1);
    assert.equal(new Set(messages.map((message) => message.id)).size, 300);
    assert.equal(new Set(messages.map((message) => Buffer.from(message.token).toString('hex'))).size, 300);
    for (const message of messages) assert.deepEqual(pathOf(message.options), ['temperature']);
  });

  it('protected GETs are of one size, each with a Partial IV of its own, and the server can open them', () => {
    const keys = oscoreKeys(0);
    const datagrams = protectedRequests([new ProtectedClient(keys, protectedGet)], 300);
    assert.equal(new Set(datagrams.map((datagram) => datagram.length)).size, 1);
    const server = deriveContext(otherSide(keys));
    datagrams.forEach((datagram, index) => {
      const message = decodeMessage(datagram);
      const option = decodeOscoreOption(findOption(message.options, OptionNumber.Oscore)!.value);
      const { request, sequence } = unprotectRequest({ ...message, peer: { key: '', address: '', port: 0 } }, option, server);
      assert.equal(sequence, firstSequence + index);
      assert.deepEqual(pathOf(request.options), ['temperature']);
    });
  });

  it('a reply is told from an error', () => {
    const bytes = (hex: string): Uint8Array => Buffer.from(hex, 'hex');
    assert.equal(expectCode(0x45)(bytes('6445000101020304ff32312e35')), undefined);
    assert.match(expectCode(0x45)(bytes('6484000101020304'))!, /2\.05/);
    assert.equal(expectProtected(bytes('644400010102030490ff0011')), undefined);
    // RFC 8613 §8.2: 4.01 "Replay detected" comes unprotected.
    assert.match(expectProtected(bytes('6481000101020304d001ff52'))!, /protected/);
  });
});
