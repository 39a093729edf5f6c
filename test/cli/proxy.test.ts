import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Code, decodeMessage, Endpoint, findOption, OptionNumber, openRelay, ProxyServer, type ResourceHandle, Router } from '../../src/coap/index.ts';
import { utf8 } from '../../src/core/bytes.ts';
import { authenticatorOf, dtlsOver, tap, udp } from '../../src/transport/index.ts';
import { freePort } from '../support/ports.ts';
import { aceExits, Lab, parsedLog } from './lab.ts';

const main = fileURLToPath(new URL('../../bundle/cli/main.js', import.meta.url));

/** `ace-coap proxy` as a process of its own. */
class ProxyProcess {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  stdout = '';
  stderr = '';

  private constructor(port: number, args: readonly string[]) {
    this.port = port;
    this.#child = spawn(process.execPath, [main, 'proxy', '--listen', `127.0.0.1:${port}`, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.#ended = new Promise((resolve) => this.#child.once('close', resolve));
  }

  static async start(...args: string[]): Promise<ProxyProcess> {
    const proxy = new ProxyProcess(await freePort(), args);
    await new Promise<void>((resolve, reject) => {
      proxy.#child.stdout!.setEncoding('utf8').on('data', (text: string) => {
        proxy.stdout += text;
        if (proxy.stdout.includes('listens on')) resolve();
      });
      proxy.#child.once('close', (code) => reject(new Error(`proxy ended with ${code}: ${proxy.stderr}`)));
    });
    return proxy;
  }

  get uri(): string {
    return `coap://127.0.0.1:${this.port}`;
  }

  log(): readonly Record<string, unknown>[] {
    return parsedLog(this.stderr);
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGINT');
    assert.equal(await this.#ended, 0, this.stderr);
  }
}

describe('ace-coap proxy', { concurrency: 3 }, () => {
  let server: Endpoint;
  let clock: ResourceHandle;
  let ticking: NodeJS.Timeout;
  let asked = 0;
  let base: string;
  const proxies: ProxyProcess[] = [];
  const proxy = async (...args: string[]): Promise<ProxyProcess> => {
    const one = await ProxyProcess.start(...args);
    proxies.push(one);
    return one;
  };

  before(async () => {
    const router = new Router();
    let value = 'first';
    router.resource('/text', {
      get: () => {
        asked++;
        return value;
      },
      put: (request) => {
        value = request.text();
        return { code: Code.Changed };
      },
    });
    let ticks = 0;
    clock = router.resource('/clock', { get: () => `tick ${ticks++}`, observable: true });
    ticking = setInterval(() => clock.changed(), 30);
    server = new Endpoint({ transport: await udp(), handler: router.handler });
    base = `coap://127.0.0.1:${server.local.port}`;
  });
  after(async () => {
    clearInterval(ticking);
    for (const one of proxies) await one.stop();
    await server.close();
  });

  test('--allow: get, put and the cache between them; log lines without a path', async () => {
    const one = await proxy('--allow', `127.0.0.1:${server.local.port}`, '--json');
    assert.match(one.stdout, /^PROXY listens on coap:\/\/127\.0\.0\.1:\d+ \(Ctrl-C stops it\)$/m);
    const through = ['--proxy', one.uri];
    const before = asked;
    for (let i = 0; i < 2; i++) assert.equal((await aceExits(0, ['get', `${base}/text`, ...through])).stdout, 'first\n');
    assert.equal(asked, before + 1);
    await aceExits(0, ['put', `${base}/text`, '-d', 'second', ...through]);
    assert.equal((await aceExits(0, ['get', `${base}/text`, ...through])).stdout, 'second\n');
    const forwarded = one.log().filter(({ msg }) => msg === 'forwarded');
    assert.deepEqual(
      forwarded.map(({ method, code, from, target }) => [method, code, from, target]),
      [
        ['GET', '2.05', 'origin', base],
        ['GET', '2.05', 'cache', base],
        ['PUT', '2.04', 'origin', base],
        ['GET', '2.05', 'origin', base],
      ],
    );
    assert.equal(one.stderr.includes('/text'), false);
  });

  test('--allow: anything else is refused with 5.05, exit code 1', async () => {
    const one = await proxy('--allow', '127.0.0.2', '--json');
    const { stderr } = await aceExits(1, ['get', `${base}/text`, '--proxy', one.uri]);
    assert.match(stderr, /5\.05 Proxying Not Supported/);
    assert.match(stderr, /not allowed: coap:\/\/127\.0\.0\.1:\d+/);
    assert.equal(
      one.log().some(({ msg, reason, level }) => msg === 'refused' && reason === 'policy' && level === 'warn'),
      true,
    );
  });

  test('--reverse: a path of the proxy is one of the server', async () => {
    const one = await proxy('--reverse', `/far=${base}`, '--no-cache');
    assert.match((await aceExits(0, ['get', `${one.uri}/far/clock`])).stdout, /^tick \d+\n$/);
    await aceExits(1, ['get', `${one.uri}/near`]);
  });

  test('observe --proxy', async () => {
    const one = await proxy('--open-relay');
    const { stdout } = await aceExits(0, ['observe', `${base}/clock`, '--proxy', one.uri, '--count', '3']);
    assert.match(stdout, /^tick \d+\ntick \d+\ntick \d+\n$/);
    assert.match((await aceExits(0, ['discover', base, '--proxy', one.uri])).stdout, /\/clock +yes/);
  });

  test('a lab through the proxy: token and protected request; the proxy sees neither path nor payload', async () => {
    const lab = await Lab.start();
    try {
      const one = await proxy('--allow', `127.0.0.1:${lab.asPort}`, `127.0.0.1:${lab.rsPort}`, '--json');
      const config = ['--proxy', one.uri, '--config', lab.folder];
      assert.match((await aceExits(0, ['get', lab.uri('/temperature'), ...config])).stderr, /protected by OSCORE/);
      await aceExits(0, ['put', lab.uri('/led'), '-d', 'on', ...config]);
      await aceExits(0, ['token', '--audience', 'rs1', '--scope', 'r_temp', ...config]);
      assert.match((await aceExits(0, ['observe', lab.uri('/temperature'), '--count', '2', ...config])).stderr, /protected by OSCORE/);
      const forwarded = one.log().filter(({ msg }) => msg === 'forwarded');
      assert.ok(forwarded.filter((line) => line['protected'] === true).length >= 6);
      for (const word of ['temperature', 'led', 'authz-info', 'r_temp']) assert.equal(one.stderr.includes(word), false, word);
    } finally {
      await lab.end();
    }
  });

  test('--proxy coaps://: the hop to the proxy is protected by DTLS, with OSCORE inside or without', async () => {
    const upstream = new Endpoint({ transport: await udp() });
    const seen: number[] = [];
    const below = tap(await udp({ sourcePorts: 1 }), ({ direction, datagram }) => direction === 'in' && seen.push(datagram[0]!));
    const authenticator = authenticatorOf({ psk: [{ identity: utf8('client'), key: utf8('sesame') }] });
    const proxying = new ProxyServer({ forward: { allow: openRelay }, upstreams: { coap: upstream } });
    const front = new Endpoint({ transport: dtlsOver(below, { server: { psk: {} }, authenticator }), proxying });
    const lab = await Lab.start();
    try {
      const through = ['--proxy', `coaps://127.0.0.1:${front.local.port}`];
      const psk = ['--psk-identity', 'client', '--psk', 'sesame'];
      const { stdout, stderr } = await aceExits(0, ['get', `${base}/clock`, ...through, ...psk]);
      assert.match(stdout, /^tick \d+\n$/);
      assert.match(stderr, /protected by DTLS/);
      assert.match((await aceExits(0, ['observe', `${base}/clock`, ...through, ...psk, '--count', '2'])).stdout, /^tick \d+\ntick \d+\n$/);
      assert.match((await aceExits(0, ['get', lab.uri('/temperature'), ...through, ...psk, '--config', lab.folder])).stderr, /protected by OSCORE/);
      assert.ok(seen.length > 0 && seen.every((content) => content >= 20 && content <= 25), 'nothing but records of DTLS');
      assert.match((await aceExits(2, ['get', `${base}/clock`, ...through])).stderr, /coaps: expected --psk-identity and --psk/);
    } finally {
      await lab.end();
      await front.close();
      await upstream.close();
    }
  });

  test('exit code 3 when the proxy is silent, 2 for wrong use', async () => {
    const silent = await freePort();
    await aceExits(3, ['get', `${base}/text`, '--proxy', `coap://127.0.0.1:${silent}`, '--timeout', '0.2']);
    for (const [args, says] of [
      [['proxy'], /expected --allow, --open-relay or --reverse, got none/],
      [['proxy', '--allow', '*'], /--allow: expected a target such as/],
      [['proxy', '--reverse', 'nonsense'], /--reverse: expected \/path=coap:/],
      [['proxy', '--reverse', '/a=http://x'], /expected a route as a path and a coap URI/],
      [['proxy', '--open-relay', '--listen', 'x:0'], /--listen: expected a port/],
      [['proxy', '--open-relay', '--listen', '5690'], /--listen: expected an address before the port, such as 127\.0\.0\.1:5690, got "5690"/],
      [['proxy', '--open-relay', '--name', 'a b'], /expected a name without a space/],
      [['proxy', '--open-relay', '--listen', `127.0.0.1:${server.local.port}`], /cannot bind 127\.0\.0\.1/],
      [['get', `${base}/text`, '--proxy', 'http://x'], /expected one of the schemes coap, /],
      [['get', `${base}/text`, '--proxy', 'coap://x/path'], /--proxy: expected coap:\/\/host/],
    ] as const) {
      const { stderr } = await aceExits(2, args, { process: false });
      assert.match(stderr, says);
      assert.doesNotMatch(stderr, /\n\s+at /);
    }
  });

  test('--proxy sends Proxy-Scheme, Uri-Host and Uri-Port, and nothing to the server itself', async () => {
    const seen: string[] = [];
    const socket = tap(await udp(), ({ direction, datagram }) => {
      if (direction !== 'in') return;
      const { options } = decodeMessage(datagram.slice());
      for (const number of [OptionNumber.ProxyScheme, OptionNumber.UriHost]) seen.push(new TextDecoder().decode(findOption(options, number)!.value));
    });
    const plain = new Endpoint({ transport: socket });
    await aceExits(1, ['get', 'coap://no.such.host.example/x', '--proxy', `coap://127.0.0.1:${plain.local.port}`]);
    assert.deepEqual(seen, ['coap', 'no.such.host.example']);
    await plain.close();
  });
});
