import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Code, Endpoint, Method, pathOptions } from '../../src/coap/index.ts';
import { ByteWriter, concatAll, emptyBytes, toHex, utf8 } from '../../src/core/bytes.ts';
import { suitesOf } from '../../src/dtls/cipher-suites.ts';
import type { CipherSuiteName, DtlsServerConfig } from '../../src/dtls/index.ts';
import { authenticatorOf, dtls, dtlsOver, tap, udp } from '../../src/transport/index.ts';
import { clientKey, identity, psk, serverKey } from '../dtls/parties.ts';
import { runCommand, scratch } from './processes.ts';

const serverPort = 5684;
const clientPort = 40_000;
const temperature = utf8('21.5');

/** A capture of IPv4 (LINKTYPE_RAW) in which the client has one port and the server another. */
function captureOf(datagrams: readonly { readonly direction: 'in' | 'out'; readonly datagram: Uint8Array }[]): Uint8Array {
  const header = new ByteWriter().u32(0xa1b2c3d4).u16(2).u16(4).u32(0).u32(0).u32(0x1_0000).u32(101).finish();
  const packets = datagrams.map(({ direction, datagram }, index) => {
    const length = 28 + datagram.length;
    const [from, to] = direction === 'out' ? [clientPort, serverPort] : [serverPort, clientPort];
    const packet = new ByteWriter().u32(index).u32(0).u32(length).u32(length);
    // Version and header length, type of service, total length, identification, fragment, time to live, UDP, no checksum, 127.0.0.1 twice.
    packet.u16(0x4500).u16(length).u16(index).u16(0).u16(0x4011).u16(0).u32(0x7f000001).u32(0x7f000001);
    return packet
      .u16(from)
      .u16(to)
      .u16(8 + datagram.length)
      .u16(0)
      .bytes(datagram)
      .finish();
  });
  return concatAll([header, ...packets]);
}

/** How often `GET /temperature` is asked, each time in a session of its own: the second one is resumed. */
const asked = 2;

/** The exchanges of a client of ours with a server of ours: what passed, and the key log of the client. */
async function exchanges(t: TestContext, suite: CipherSuiteName, connectionIdLength: number | undefined) {
  const isPsk = suitesOf([suite])[0]!.keyExchange !== 'ECDHE_ECDSA';
  const ids = connectionIdLength === undefined ? {} : { connectionIdLength };
  const server: DtlsServerConfig = { suites: [suite], ...ids, ...(isPsk ? { psk: {} } : { rawPublicKey: { own: serverKey, client: 'require' } }) };
  const authenticator = authenticatorOf({ psk: [{ identity, key: psk }], rawPublicKeys: [{ key: clientKey, credential: 'client' }] });
  const serving = new Endpoint({
    transport: await dtls({ server, authenticator }),
    handler: (_request, reply) => reply.respond({ code: Code.Content, options: [], payload: temperature }),
  });
  t.after(() => serving.close());
  const passed: { readonly direction: 'in' | 'out'; readonly datagram: Uint8Array }[] = [];
  const keyLog: string[] = [];
  const below = tap(await udp({ sourcePorts: 1 }), ({ direction, datagram }) => passed.push({ direction, datagram: datagram.slice() }));
  const credentials = isPsk ? { psk: { identity, key: psk } } : { rawPublicKey: { server: serverKey, own: clientKey } };
  const transport = dtlsOver(below, {
    client: { suites: [suite], keyLog: (line) => keyLog.push(line) },
    credentials: { ...credentials, credential: 'server' },
  });
  const asking = new Endpoint({ transport });
  t.after(() => asking.close());
  for (let i = 0; i < asked; i++) {
    const peer = await asking.resolve('127.0.0.1', serving.local.port);
    const { payload } = await asking.request({ peer, code: Method.GET, options: pathOptions(['temperature']), payload: emptyBytes });
    assert.deepEqual(payload, temperature);
    transport.end('server');
  }
  return { passed, keyLog };
}

/** The CoAP messages that tshark finds in a capture: code, path and payload of each. */
async function dissect(t: TestContext, capture: Uint8Array, keyLog: readonly string[]): Promise<readonly string[]> {
  const folder = scratch(t);
  const [captured, keys] = [join(folder, 'capture.pcap'), join(folder, 'keys.log')];
  writeFileSync(captured, capture);
  writeFileSync(keys, keyLog.map((line) => `${line}\n`).join(''), { mode: 0o600 });
  const decoding = ['-n', '-r', captured, '-o', `tls.keylog_file:${keys}`, '-d', `udp.port==${serverPort},dtls`, '-d', `dtls.port==${serverPort},coap`];
  const fields = ['coap.code', 'coap.opt.uri_path', 'data.data'].flatMap((name) => ['-e', name]);
  const { status, stdout, stderr } = await runCommand('tshark', [...decoding, '-Y', 'coap', '-T', 'fields', '-E', 'separator=|', ...fields], 60_000);
  assert.equal(status, 0, stderr);
  return stdout
    .toString()
    .split('\n')
    .filter((line) => line !== '');
}

/** tshark 4.0 knows the numbers of RFC 8442 by name only. */
const suites = suitesOf('default').filter(({ keyExchange }) => keyExchange !== 'ECDHE_PSK');

for (const { name: suite } of suites) {
  for (const length of [undefined, 8]) {
    test(`tshark reads what we send by our key log: ${suite}, ${length === undefined ? 'no connection IDs' : 'connection IDs of the server'}`, async (t) => {
      const { passed, keyLog } = await exchanges(t, suite, length);
      assert.equal(keyLog.length, asked);
      assert.equal(
        passed.some(({ datagram: [content] }) => content === 25),
        length !== undefined,
      );
      const capture = captureOf(passed);
      const messages = Array.from({ length: asked }, () => [`${Method.GET}|temperature|`, `${Code.Content}||${toHex(temperature)}`]).flat();
      assert.deepEqual(await dissect(t, capture, keyLog), messages);
      assert.deepEqual(await dissect(t, capture, []), [], 'without the key log nobody reads it');
    });
  }
}
