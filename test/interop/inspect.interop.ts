import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { encodeMessage, MessageType, Method, pathOptions } from '../../src/coap/index.ts';
import { concatAll, utf8 } from '../../src/core/bytes.ts';
import { encodePcapngPacket, encodePcapngStart, encodeUdpPacket, LinkType, ladderPage } from '../../src/inspect/index.ts';
import { aceExits, Lab } from '../cli/lab.ts';
import { client, inspect, packetsOf, server, udpFrame } from '../inspect/captures.ts';
import { dance, labKeys } from '../inspect/dance.ts';
import { openBrowser, watch } from './browser.ts';
import { pause, runCommand, scratch, within } from './processes.ts';

/** tshark writes down what passes on loopback while `work` goes on. */
async function capturing(file: string, ports: readonly number[], work: () => Promise<void>): Promise<void> {
  const filter = ports.map((port) => `udp port ${port}`).join(' or ');
  const child: ChildProcess = spawn('tshark', ['-n', '-i', 'lo', '-f', filter, '-w', file], { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise((resolve) => child.once('close', resolve));
  try {
    // It says "Capturing on" before it does.
    let said = '';
    const begun = new Promise<void>((resolve) => child.stderr!.on('data', (text: Buffer) => (said += text).includes('Capture started') && resolve()));
    await within(20_000, 'tshark', begun);
    await work();
    // What the kernel has is read in steps.
    await pause(700);
  } finally {
    child.kill('SIGINT');
    await within(20_000, 'the end of tshark', ended);
  }
}

interface Fact {
  readonly title: string;
  readonly gist?: string;
  readonly transport: string;
  readonly protection?: readonly string[];
  readonly opened?: boolean;
  readonly layers: readonly { readonly name: string; readonly lines: readonly string[] }[];
}

async function facts(...words: readonly string[]): Promise<readonly Fact[]> {
  const { stdout } = await aceExits(0, ['inspect', ...words, '--json']);
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Fact);
}

async function labOf(t: TestContext, profile: 'oscore' | 'dtls-psk'): Promise<Lab> {
  const lab = await Lab.start(undefined, profile);
  t.after(() => lab.end());
  return lab;
}

test('a capture by tshark of a lab over OSCORE: the token and what it protects are opened', async (t) => {
  const lab = await labOf(t, 'oscore');
  const file = join(scratch(t), 'lab.pcapng');
  await capturing(file, [lab.asPort, lab.rsPort], async () => {
    await aceExits(0, ['get', lab.uri('/temperature'), '--config', lab.folder]);
  });
  const seen = await facts(file, '--config', lab.folder);
  assert.ok(seen.every(({ opened }) => opened !== false));
  const upload = seen.find(({ title }) => title === 'POST /authz-info')!;
  assert.match(upload.layers.at(-1)!.lines.join('\n'), /verified with the encrypt0 key[\s\S]*\/ scope \/ 9: "r_temp"/);
  assert.doesNotMatch(JSON.stringify(seen), new RegExp(readFileSync(join(lab.folder, 'keys', 'as-rs1-token.key'), 'utf8').trim()));
  const [get, content] = seen.slice(-2);
  assert.deepEqual([get!.title, get!.protection, content!.title], ['GET /temperature', ['OSCORE'], '2.05 Content']);
  assert.match(content!.gist!, /^"\d+\.\d C"$/);
});

test('a capture by tshark of a lab over DTLS: opened by the key log of the client', async (t) => {
  const lab = await labOf(t, 'dtls-psk');
  const folder = scratch(t);
  const [file, keyLog] = [join(folder, 'lab.pcapng'), join(folder, 'keys.log')];
  const ports = [lab.asPort, lab.asPort + 1, lab.rsPort, lab.rsPort + 1];
  await capturing(file, ports, async () => {
    await aceExits(0, ['get', lab.uri('/temperature'), '--config', lab.folder], { env: { SSLKEYLOGFILE: keyLog } });
  });
  const seen = await facts(file, '--config', lab.folder, '--key-log', keyLog);
  const inside = seen.filter(({ transport, protection }) => transport === 'DTLS' && protection?.includes('DTLS')).map(({ title }) => title);
  for (const title of ['POST /token', '2.01 Created', 'GET /temperature', '2.05 Content'])
    assert.ok(inside.includes(title), `${title} in ${inside.join(', ')}`);
  assert.ok(seen.some(({ title }) => title.includes('ClientHello')));
  const sealed = await facts(file);
  assert.ok(!sealed.some(({ title, transport }) => transport === 'DTLS' && title === 'GET /temperature'));
});

test('tshark reads the captures that a tap writes', async (t) => {
  const file = join(scratch(t), 'tap.pcapng');
  const packets = (await dance()).slice(0, 2).map((packet) => {
    const bytes = encodeUdpPacket(packet);
    return encodePcapngPacket({ time: 1_700_000_000_000 + packet.time, bytes, length: bytes.length });
  });
  writeFileSync(file, concatAll([encodePcapngStart(LinkType.RAW), ...packets]));
  const fields = ['frame.time_epoch', 'ip.src', 'coap.code', 'coap.opt.uri_path'].flatMap((name) => ['-e', name]);
  const checks = ['-o', 'ip.check_checksum:TRUE', '-Y', 'ip.checksum.status == 1'];
  const { stdout, stderr } = await runCommand('tshark', ['-n', '-r', file, ...checks, '-T', 'fields', '-E', 'separator=|', ...fields], 60_000);
  const [first, second] = stdout.toString().trimEnd().split('\n');
  assert.match(first ?? '', /^1700000000\.0+\|10\.0\.0\.3\|1\|temperature$/, stderr);
  assert.match(second ?? '', /^1700000000\.00\d+\|10\.0\.0\.2\|129\|$/);
});

/** A page in a browser, and what goes wrong in it or leaves it. */
async function opened(t: TestContext, browser: Browser, html: string, options = {}): Promise<{ readonly page: Page; readonly faults: string[] }> {
  const file = join(scratch(t), 'page.html');
  writeFileSync(file, html);
  const page = await browser.newPage(options);
  const faults = watch(page, (url) => url === `file://${file}`);
  await page.goto(`file://${file}`);
  return { page, faults };
}

async function dancePage(): Promise<string> {
  const { entries, inspector } = inspect(await dance(), labKeys);
  return ladderPage(entries, { title: 'dance.pcapng', roles: inspector.roles });
}

test('the page in Chromium: a click and the keyboard open messages, filters hide them, nothing leaves the page', async (t) => {
  const browser = await openBrowser(t);
  const { page, faults } = await opened(t, browser, await dancePage());
  const messages = page.locator('.message');
  assert.equal(await messages.count(), 14);
  assert.equal(await page.locator('.count').textContent(), '14 of 14 messages');
  const get = messages.nth(8);
  assert.equal(await get.locator('.layers').isVisible(), false);
  await get.locator('summary').click();
  assert.equal(await get.locator('.layers').isVisible(), true);
  assert.deepEqual(await get.locator('h2').allTextContents(), ['CoAP', 'OSCORE', 'Inside OSCORE']);
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  assert.match((await messages.nth(9).locator('pre').last().textContent()) ?? '', /2\.05 Content[\s\S]*"21\.5"/);
  assert.equal(await messages.nth(9).locator('.layers').isVisible(), true);
  await page.keyboard.press('Escape');
  assert.equal(await messages.nth(9).locator('.layers').isVisible(), false);
  await page.keyboard.press('/');
  await page.keyboard.type('authz-info');
  assert.equal(await page.locator('.message:visible').count(), 1);
  await page.getByRole('searchbox').fill('');
  await page.getByLabel('AS 10.0.0.1:5683').uncheck();
  assert.equal(await page.locator('.count').textContent(), '10 of 14 messages');
  await page.getByRole('button', { name: 'Open all' }).click();
  assert.equal(await page.locator('.layers:visible').count(), 10);
  assert.deepEqual(faults, []);
});

test('the page in Chromium without JavaScript, by night and printed, can be read', async (t) => {
  const browser = await openBrowser(t);
  const { page, faults } = await opened(t, browser, await dancePage(), { javaScriptEnabled: false, colorScheme: 'dark' });
  assert.equal(await page.locator('.tools').isVisible(), false);
  await page.locator('summary').first().click();
  assert.equal(await page.locator('.layers').first().isVisible(), true);
  const pdf = await page.pdf();
  assert.ok(pdf.length > 10_000);
  assert.deepEqual(faults, []);
});

test('the page in Chromium: a hostile payload stays text', async (t) => {
  const hostile = '</pre></section></details><script>alert(1)</script><img src=x onerror=alert(2)><a href="javascript:alert(3)">';
  const message = {
    type: MessageType.CON,
    code: Method.PUT,
    id: 1,
    token: Uint8Array.of(1),
    options: pathOptions(['"><script>alert(4)</script>']),
    payload: utf8(hostile),
  };
  const { entries, inspector } = inspect(packetsOf([udpFrame(client, server, encodeMessage(message))]));
  const html = ladderPage(entries, { title: '</title><script>alert(5)</script>', roles: inspector.roles });
  const browser = await openBrowser(t);
  const { page, faults } = await opened(t, browser, html);
  await page.locator('summary').click();
  assert.ok((await page.locator('pre').first().textContent())!.includes('<script>alert(1)</script>'));
  assert.equal(await page.locator('img, a, script').count(), 1);
  // Markup that a page may hold is not run either: its policy names one script.
  const { page: injected, faults: refusals } = await opened(t, browser, html.replace('<main>', '<main><script>document.title = "broken"</script>'));
  assert.notEqual(await injected.title(), 'broken');
  assert.ok(refusals.every((fault) => fault.startsWith('console: ') && fault.includes('Content Security Policy')));
  assert.ok(refusals.length > 0);
  assert.deepEqual(faults, []);
});
