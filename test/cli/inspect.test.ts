import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { encodeMessage, MessageType, Method, pathOptions } from '../../src/coap/index.ts';
import { emptyBytes, toHex } from '../../src/core/bytes.ts';
import { CaptureReader, encodeUdpPacket, LinkType, PacketReader } from '../../src/inspect/index.ts';
import { clientKeyAtAs } from '../flows/parties.ts';
import { pcapngOf } from '../inspect/captures.ts';
import { dance } from '../inspect/dance.ts';
import { root } from '../support/fixtures.ts';
import { freePort } from '../support/ports.ts';
import { ace, aceExits } from './lab.ts';

function scratch(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'ace-coap-inspect-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The dance as a capture, and the file of the context between client and AS. */
async function files(t: TestContext): Promise<{ readonly folder: string; readonly capture: string; readonly context: string }> {
  const folder = scratch(t);
  const [capture, context] = [join(folder, 'dance.pcapng'), join(folder, 'client.json')];
  const frames = (await dance()).map((packet) => {
    const bytes = encodeUdpPacket(packet);
    return { time: packet.time, linkType: LinkType.RAW, bytes, length: bytes.length };
  });
  writeFileSync(capture, pcapngOf(frames, { littleEndian: true }));
  const { masterSecret, senderId, recipientId } = clientKeyAtAs(1);
  writeFileSync(context, JSON.stringify({ master_secret: toHex(masterSecret), sender_id: toHex(senderId), recipient_id: toHex(recipientId) }), { mode: 0o600 });
  return { folder, capture, context };
}

test('inspect: a capture as a ladder, as objects, as a page and a picture', async (t) => {
  const { folder, capture, context } = await files(t);
  const page = join(folder, 'ladder.html');
  const picture = join(folder, 'ladder.svg');
  const [ladder, json, written] = await Promise.all([
    aceExits(0, ['inspect', capture, '--oscore', context]),
    aceExits(0, ['inspect', capture, '--json']),
    aceExits(0, ['inspect', capture, '--oscore', context, '--html', page, '--svg', picture]),
  ]);
  assert.match(ladder.stdout, /POST \/token {2}audience "rs1", scope "r_temp" {2}OSCORE/);
  assert.match(ladder.stdout, /2\.05 Content {2}"21\.5" {2}OSCORE/);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: no colour where nobody looks
  assert.doesNotMatch(ladder.stdout, /\u001b/);
  const objects = json.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { readonly title: string; readonly opened?: boolean });
  assert.equal(objects.length, 14);
  assert.deepEqual([objects[0]!.title, objects[2]!.opened], ['GET /temperature', false]);
  assert.equal(written.stdout, '');
  assert.match(readFileSync(page, 'utf8'), /<title>.*dance\.pcapng<\/title>[\s\S]*21\.5/);
  assert.match(readFileSync(picture, 'utf8'), /^<svg[\s\S]*<\/svg>\n$/);
});

test('inspect: what is no capture, and what does not go together, is wrong use; what a broken one has before its fault is shown', async (t) => {
  const { folder, capture } = await files(t);
  const broken = join(folder, 'broken.pcapng');
  const bytes = readFileSync(capture);
  bytes.writeUInt32LE(7, bytes.length - 4);
  writeFileSync(broken, bytes);
  const [none, fault, both] = await Promise.all([
    aceExits(2, ['inspect', join(root, 'package.json')]),
    aceExits(2, ['inspect', broken, '--json']),
    aceExits(2, ['inspect', capture, '--tap', '5690']),
  ]);
  assert.match(none.stderr, /expected a file of pcap or pcapng/);
  assert.match(fault.stderr, /ERR_INSPECT_CAPTURE/);
  assert.equal(fault.stdout.trimEnd().split('\n').length, 13);
  assert.match(both.stderr, /expected a capture or --tap/);
});

test('inspect: a tap shows what passes, and writes it down', async (t) => {
  const folder = scratch(t);
  const [page, kept] = [join(folder, 'live.html'), join(folder, 'live.pcapng')];
  const server = createSocket('udp4');
  t.after(() => server.close());
  server.on('message', (datagram, { port }) => server.send(Buffer.from([0x60, 0x45, datagram[2]!, datagram[3]!]), port));
  await new Promise<void>((bound) => server.bind(0, '127.0.0.1', bound));
  const tap = await freePort();
  const client = createSocket('udp4');
  t.after(() => client.close());
  const request = encodeMessage({ type: MessageType.CON, code: Method.GET, id: 77, token: emptyBytes, options: pathOptions(['light']), payload: emptyBytes });
  const again = setInterval(() => client.send(request, tap, '127.0.0.1'), 100);
  t.after(() => clearInterval(again));
  let isStopped = false;
  const run = await ace(['inspect', '--tap', String(tap), '--to', `127.0.0.1:${server.address().port}`, '--html', page, '--pcapng', kept], {
    onOutput: (stdout, child) => {
      // A second signal would end it at once.
      if (!isStopped && stdout.includes('2.05 Content')) isStopped = child.kill('SIGINT');
    },
  });
  assert.equal(run.code, 0, run.stderr);
  assert.match(run.stdout, /GET \/light/);
  assert.match(readFileSync(page, 'utf8'), /GET \/light/);
  const packets = new PacketReader();
  const read = [...new CaptureReader().push(readFileSync(kept))].flatMap((frame) => packets.take(frame));
  assert.deepEqual(read[0]!.bytes, request);
  assert.equal(read[0]!.to.port, server.address().port);
});
