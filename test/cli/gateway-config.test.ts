/** `ace-coap gateway --config`: what the gateway is to CoAP servers stands in a client.yaml. */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { systemEnv } from '../../src/core/env.ts';
import { type LabProfile, writeLab } from '../../src/operate/index.ts';
import { LabAuthority } from '../../src/pki/index.ts';
import { sendHttp } from '../gateway/support.ts';
import { GatewayProcess, refusedHere } from './gateway-process.ts';
import { aceExits, Lab } from './lab.ts';

for (const [profile, more] of [
  ['oscore', ''],
  ['oscore', 'profiles: [coap_oscore]\nexperimental: [token-upload]\nrevocation: { observe: true, interval: 60 }\n'],
  ['dtls-psk', 'profiles: [coap_dtls]\n'],
] as const satisfies readonly (readonly [LabProfile, string])[]) {
  test(`--config: requests go out with tokens, ${profile}, ${more === '' ? 'as "init" has it' : more.trim().replaceAll('\n', ', ')}`, async () => {
    const lab = await Lab.start(({ folder }) => {
      const file = join(folder, 'client.yaml');
      writeFileSync(
        file,
        `${readFileSync(file, 'utf8')}${more}defaults: { timeout: 20, confirmable: true }\ntransmission: { ack_timeout: 1, max_retransmit: 3 }\n`,
      );
    }, profile);
    const target = profile === 'oscore' ? `coap://127.0.0.1:${lab.rsPort}` : `coaps://127.0.0.1:${lab.rsPort + 1}`;
    const gateway = await GatewayProcess.start('http', '--reverse', `/rs=${target}`, '--config', lab.folder);
    try {
      const read = await sendHttp(gateway.port, '/rs/temperature');
      assert.equal(read.status, 200, read.text);
      assert.match(read.text, /^\d/);
      assert.equal((await sendHttp(gateway.port, '/rs/led', { method: 'PUT', body: 'on', headers: { 'content-type': 'text/plain' } })).status, 204);
      assert.equal((await sendHttp(gateway.port, '/rs/nothing')).status, 403);
    } finally {
      await gateway.stop();
      await lab.end();
    }
  });
}

/** Forwards datagrams to a server and its answers back, and keeps the types of the messages to it. */
class Relay {
  readonly types: number[] = [];
  readonly #front: Socket = createSocket('udp4').bind(0, '127.0.0.1');
  readonly #back: Socket = createSocket('udp4').bind(0, '127.0.0.1');

  static async open(port: number): Promise<Relay> {
    const relay = new Relay();
    await Promise.all([relay.#front, relay.#back].map((socket) => once(socket, 'listening')));
    let client = 0;
    relay.#front.on('message', (datagram: Uint8Array, from) => {
      client = from.port;
      relay.types.push((datagram[0]! >> 4) & 3);
      relay.#back.send(datagram, port, '127.0.0.1');
    });
    relay.#back.on('message', (datagram) => relay.#front.send(datagram, client, '127.0.0.1'));
    return relay;
  }

  get port(): number {
    return this.#front.address().port;
  }

  async close(): Promise<void> {
    const sockets = [this.#front, this.#back];
    const closed = sockets.map((socket) => once(socket, 'close'));
    for (const socket of sockets) socket.close();
    await Promise.all(closed);
  }
}

const confirmable = 0;
const nonConfirmable = 1;

test('--config: defaults.confirmable is that of what the gateway forwards', async () => {
  const lab = await Lab.start();
  const file = join(lab.folder, 'client.yaml');
  const text = readFileSync(file, 'utf8');
  try {
    for (const isConfirmable of [true, false]) {
      writeFileSync(file, `${text}defaults: { confirmable: ${isConfirmable} }\n`);
      const relay = await Relay.open(lab.rsPort);
      const gateway = await GatewayProcess.start('http', '--reverse', `/rs=coap://127.0.0.1:${relay.port}`, '--config', lab.folder);
      try {
        assert.equal((await sendHttp(gateway.port, '/rs/led')).status, 200);
        assert.equal(relay.types.at(-1), isConfirmable ? confirmable : nonConfirmable, relay.types.join());
      } finally {
        await gateway.stop();
        await relay.close();
      }
    }
  } finally {
    await lab.end();
  }
});

test('--config: defaults.timeout and transmission are those of the gateway too; --timeout goes before', async () => {
  const parent = mkdtempSync(join(tmpdir(), 'ace-gateway-config-'));
  const folder = join(parent, 'lab');
  await writeLab(folder, { random: systemEnv.random });
  const settings = 'defaults: { timeout: 1 }\ntransmission: { ack_timeout: 0.1, ack_random_factor: 1, max_retransmit: 2 }\n';
  const file = join(folder, 'client.yaml');
  appendFileSync(file, settings);
  // Nobody is behind it.
  const relay = await Relay.open(9);
  const ask = async (...more: readonly string[]): Promise<number> => {
    const gateway = await GatewayProcess.start('http', '--reverse', `/silent=coap://127.0.0.1:${relay.port}`, '--config', folder, ...more);
    const since = systemEnv.now();
    try {
      assert.equal((await sendHttp(gateway.port, '/silent/x')).status, 504);
      return systemEnv.now() - since;
    } finally {
      await gateway.stop();
    }
  };
  try {
    const short = await ask();
    assert.deepEqual(relay.types, [confirmable, confirmable, confirmable], 'sent, and sent again twice');
    // 100 + 200 + 400 ms, and then nobody is there.
    assert.ok(short < 20_000, `${short} ms`);
    writeFileSync(file, readFileSync(file, 'utf8').replace('ack_timeout: 0.1', 'ack_timeout: 5'));
    const own = await ask();
    assert.ok(own >= 1_000 && own < 20_000, `${own} ms`);
    const given = await ask('--timeout', '2');
    assert.ok(given >= 2_000 && given < 20_000, `${given} ms`);
  } finally {
    await relay.close();
    rmSync(parent, { recursive: true });
  }
});

describe('--config: each wrong setting is told with file, line, path, what is expected and what is there', () => {
  let folder: string;
  let text: string;
  let authority: LabAuthority;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ace-gateway-wrong-'));
    await writeLab(join(folder, 'lab'), { random: systemEnv.random });
    text = readFileSync(join(folder, 'lab', 'client.yaml'), 'utf8');
    authority = await LabAuthority.make('gateway test', systemEnv);
    writeFileSync(join(folder, 'lab', 'tls-ca.pem'), authority.cert);
    writeFileSync(join(folder, 'lab', 'open.key'), '0'.repeat(32), { mode: 0o644 });
  });
  after(() => rmSync(folder, { recursive: true }));

  const added: readonly (readonly [yaml: string, said: string])[] = [
    ['tls: { ca_file: absent.pem }', 'tls.ca_file: '],
    ['tls: { ca_file: client.yaml }', 'tls.ca_file: '],
    ['tls: { cert_file: tls-ca.pem }', 'tls: expected both cert_file and key_file, got cert_file alone'],
    ['tls: { client_ca_file: tls-ca.pem }', 'tls.client_ca_file: unknown key'],
    ['dtls: { token: sometimes }', 'dtls.token: expected one of upload, psk-identity, got "sometimes"'],
    ['profiles: [coap_tls]', 'profiles[0]: expected one of coap_oscore, coap_dtls, got "coap_tls"'],
    ['profiles: [coap_dtls]', 'authorization_servers[0]: expected a channel of one of the profiles, got one of another'],
    ['defaults: { timeout: 0 }', 'defaults.timeout: expected a number of seconds above 0, got the number 0'],
    ['defaults: { confirmable: maybe }', 'defaults.confirmable: expected true or false, got "maybe"'],
    ['defaults: { retries: 1 }', 'defaults.retries: unknown key'],
    ['experimental: [edhoc]', 'experimental[0]: expected token-upload, got "edhoc"'],
    ['revocation: { observe: 1 }', 'revocation.observe: expected true or false, got the number 1'],
    ['revocation: { interval: 0 }', 'revocation.interval: expected a whole number of seconds from 1 to 4294967295, got the number 0'],
    ['transmission: { ack_timeout: -1 }', 'transmission.ack_timeout: expected a number of seconds above 0, got the number -1'],
    ['transmission: { ack_random_factor: 0.5 }', 'transmission.ack_random_factor: expected a number from 1 on, got the number 0.5'],
    ['transmission: { max_retransmit: 21 }', 'transmission.max_retransmit: expected a whole number of retransmissions from 0 to 20, got the number 21'],
    ['transmission: { nstart: 0 }', 'transmission.nstart: expected a whole number of exchanges from 1 to 1000, got the number 0'],
    ['transmission: { nstart_limit: 1001 }', 'transmission.nstart_limit: expected a whole number of exchanges from 1 to 1000, got the number 1001'],
    ['transmission: { nstart: 4, nstart_limit: 2 }', 'transmission.nstart_limit: expected a number of exchanges from nstart, 4, on, got the number 2'],
    ['transmission: { probing_rate: fast }', 'transmission.probing_rate: expected a number of bytes per second above 0, got "fast"'],
    ['time_out: 3', 'time_out: unknown key'],
  ];
  const replaced: readonly (readonly [from: RegExp, to: string, said: string])[] = [
    [/^store: \S+/m, 'store: ""', 'store: expected a store: lmdb:FOLDER, a folder, or postgres://..., got ""'],
    [/uri: \S+/, 'uri: http://127.0.0.1/token', 'authorization_servers[0].uri: expected a URI such as coap://127.0.0.1:5783'],
    [/uri: \S+/, 'uri: coaps://127.0.0.1:5784/token', 'authorization_servers[0].uri: expected a section dtls beside a URI of coaps, got none'],
    [/master_secret_file: \S+/, 'master_secret_file: open.key', 'authorization_servers[0].oscore.master_secret_file: '],
    [
      /master_secret_file: \S+/,
      'master_secret: "00"',
      'authorization_servers[0].oscore.master_secret: expected hexadecimal text in quotes, of 16 bytes or more, got ',
    ],
    [/sender_id: \S+/, 'sender_id: 2', 'authorization_servers[0].oscore.sender_id: expected hexadecimal text in quotes, such as "01", got the number 2'],
    [
      /^authorization_servers:[\s\S]*/m,
      'authorization_servers: []\n',
      'authorization_servers: expected a list of at least one authorization server, got a list of 0',
    ],
  ];
  const cases = [
    ...added.map(([yaml, said]) => [yaml, (whole: string) => `${whole}${yaml}\n`, said] as const),
    ...replaced.map(([from, to, said]) => [to.trim(), (whole: string) => whole.replace(from, to), said] as const),
  ];
  for (const [what, change, said] of cases) {
    test(what, async () => {
      const file = join(folder, 'lab', 'client.yaml');
      const changed = change(text);
      assert.notEqual(changed, text);
      writeFileSync(file, changed);
      const stderr = await refusedHere('--allow', '127.0.0.1', '--listen', 'http://127.0.0.1:1', '--config', join(folder, 'lab'));
      const line = stderr.split('\n').find((one) => one.includes(said) && one.includes(file)) ?? '';
      assert.notEqual(line, '', `expected "${said}", got ${stderr}`);
      assert.match(
        line.slice(line.indexOf(file) + file.length),
        /^:\d+:\d+: \S+: (?:expected .*, got|.*: expected .*, got|unknown key|.*(?:absent|mode|permission))/,
      );
    });
  }

  test('no folder, no YAML', async () => {
    const words = ['--allow', '127.0.0.1', '--config'];
    assert.match(await refusedHere(...words, join(folder, 'absent')), /absent: no such folder; make one with: ace-coap init/);
    writeFileSync(join(folder, 'lab', 'client.yaml'), 'store: [');
    assert.match(await refusedHere(...words, join(folder, 'lab')), /client\.yaml:\d+:\d+: expected YAML/);
  });
});

test('SIGHUP: requests go out as the client that its file has then, what is under way ends as it began; a wrong file changes nothing', async () => {
  const lab = await Lab.start();
  const own = mkdtempSync(join(tmpdir(), 'ace-coap-gateway-'));
  const file = join(own, 'client.yaml');
  /** The configuration of a client, for the gateway. */
  const become = (folder: string): void => {
    const text = readFileSync(join(folder, 'client.yaml'), 'utf8');
    writeFileSync(file, text.replaceAll(/((?:store|_file): )(?!\/)/g, `$1${folder}/`), { mode: 0o600 });
  };
  const pump = join(lab.parent, 'pump7');
  await aceExits(0, ['admin', 'client', 'add', 'pump7', '--new', pump, '--grant', 'rs1=r_temp', '--config', join(lab.folder, 'admin.yaml')]);
  become(lab.folder);
  const gateway = await GatewayProcess.start('http', '--reverse', `/rs=coap://127.0.0.1:${lab.rsPort}`, '--config', file);
  const put = async (): Promise<number> =>
    (await sendHttp(gateway.port, '/rs/led', { method: 'PUT', body: 'on', headers: { 'content-type': 'text/plain' } })).status;
  const get = async (): Promise<number> => (await sendHttp(gateway.port, '/rs/temperature')).status;
  try {
    assert.deepEqual([await put(), await get()], [204, 200]);
    become(pump);
    const underWay = Array.from({ length: 5 }, () => put());
    await gateway.hangup('reloaded');
    // The AS gives this client no such token.
    for (const status of await Promise.all(underWay)) assert.ok(status === 204 || status === 502, `${status}`);
    assert.deepEqual([await put(), await get()], [502, 200]);
    writeFileSync(file, 'authorization_servers: []');
    await gateway.hangup('the configuration stays as it was');
    assert.deepEqual([await put(), await get()], [502, 200]);
    become(lab.folder);
    await gateway.hangup('reloaded');
    assert.deepEqual([await put(), await get()], [204, 200], 'the store of the client is there again');
    appendFileSync(file, 'defaults: { timeout: 7 }\n');
    await gateway.hangup('reloaded');
    const told = gateway.log().filter(({ msg }) => msg === 'needs a restart');
    assert.deepEqual(
      told.map(({ setting }) => setting),
      ['defaults.timeout'],
    );
  } finally {
    await gateway.stop();
    await lab.end();
    rmSync(own, { recursive: true });
  }
});
