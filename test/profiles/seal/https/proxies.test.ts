import assert from 'node:assert/strict';
import { request } from 'node:http';
import { describe, test } from 'node:test';
import { ProxyAddresses, readHops } from '../../../../profiles/seal/https/proxies.ts';
import { fromUtf8 } from '../../../../src/core/bytes.ts';
import { type HttpServer, type HttpsRequestInit, type HttpsResponse, serveHttp } from '../../../../src/transport/index.ts';
import { anna, claimsOf, OpenIdLab, type OpenIdLabOptions } from './openid/openid-lab.ts';

type Header = 'x-forwarded-for' | 'forwarded';

/** Whom a request is from that has come over this connection, with this header. */
function addressOf(
  remoteAddress: string,
  value: string | undefined,
  header: Header = 'x-forwarded-for',
  trusted = [{ address: '10.0.0.0', bits: 8 }, { address: '::1' }],
): string {
  const proxies = new ProxyAddresses({ trusted, header });
  return proxies.addressOf({ socket: { remoteAddress } as never, headers: value === undefined ? {} : { [header]: value } });
}

describe('where a request comes from behind proxies', () => {
  test('X-Forwarded-For counts from trusted proxies alone, from its end, and no further than an address that is not theirs', () => {
    const cases: readonly (readonly [remote: string, value: string | undefined, address: string])[] = [
      ['192.0.2.9', '198.51.100.1', '192.0.2.9'],
      ['10.0.0.1', undefined, '10.0.0.1'],
      ['10.0.0.1', '198.51.100.1', '198.51.100.1'],
      ['::ffff:10.0.0.1', '198.51.100.1', '198.51.100.1'],
      ['::1', '2001:db8::7', '2001:db8::7'],
      ['10.0.0.1', 'spoofed, 198.51.100.1, 10.0.0.2', '198.51.100.1'],
      ['10.0.0.1', '203.0.113.1, 198.51.100.1', '198.51.100.1'],
      ['10.0.0.1', '10.0.0.3, 10.0.0.2', '10.0.0.3'],
      ['10.0.0.1', '198.51.100.1, unknown, 10.0.0.2', '10.0.0.2'],
      ['10.0.0.1', '[2001:db8::7]:4711', '2001:db8::7'],
      ['10.0.0.1', '198.51.100.1:4711', '198.51.100.1'],
      ['10.0.0.1', '198.51.100.1, ', '10.0.0.1'],
    ];
    for (const [remote, value, address] of cases) assert.equal(addressOf(remote, value), address, `${remote} ${value}`);
  });

  test('RFC 7239 4: Forwarded, with quotes, other parameters and obfuscated nodes', () => {
    const cases: readonly (readonly [value: string, address: string])[] = [
      ['for=198.51.100.1', '198.51.100.1'],
      ['For="[2001:db8::7]:4711";proto=https', '2001:db8::7'],
      ['proto=https;for="198.51.100.1:_port";by=10.0.0.9', '198.51.100.1'],
      ['for=203.0.113.1, for=198.51.100.1;by="a,b", for=10.0.0.2', '198.51.100.1'],
      ['for=198.51.100.1, for=_hidden', '10.0.0.1'],
      ['for=198.51.100.1, for=unknown', '10.0.0.1'],
      ['by=10.0.0.3', '10.0.0.1'],
      ['for="198.51.100.1', '10.0.0.1'],
    ];
    for (const [value, address] of cases) assert.equal(addressOf('10.0.0.1', value, 'forwarded'), address, value);
  });

  test('the header that is not configured is what a client has sent', () => {
    const proxies = new ProxyAddresses({ trusted: [{ address: '10.0.0.1' }] });
    const headers = { forwarded: 'for=198.51.100.1', 'x-forwarded-for': '203.0.113.1' };
    assert.equal(proxies.addressOf({ socket: { remoteAddress: '10.0.0.1' } as never, headers }), '203.0.113.1');
    for (const wrong of [{ address: '10.0.0.0', bits: 33 }, { address: 'proxy.example' }])
      assert.throws(() => new ProxyAddresses({ trusted: [wrong] }), { code: 'ERR_AS_CONFIG' });
    assert.equal(readHops({ 'x-forwarded-for': Array(100).fill('192.0.2.1').join(',') }, 'x-forwarded-for').length, 32);
  });
});

const publicUrl = 'https://sims.val.example';

/** A SIM-S over plain HTTP on loopback, as a proxy that ends TLS sees it. */
class BehindProxy {
  readonly lab: OpenIdLab;
  readonly server: HttpServer;
  /** What the proxy writes down of its client. */
  client = '198.51.100.7';
  /** What clients send beside. */
  headers: Readonly<Record<string, string>> = {};

  private constructor(lab: OpenIdLab, server: HttpServer) {
    this.lab = lab;
    this.server = server;
  }

  static async within(options: OpenIdLabOptions, use: (parts: BehindProxy) => Promise<void>): Promise<void> {
    const lab = await OpenIdLab.start({ ...options, face: { issuer: publicUrl, proxies: { trusted: [{ address: '127.0.0.1' }] }, ...options.face } });
    const server = await serveHttp({}, lab.face.handler);
    const parts = new BehindProxy(lab, server);
    Object.defineProperties(lab, { issuer: { value: publicUrl }, fetch: { value: parts.fetch } });
    try {
      await use(parts);
    } finally {
      await server.close();
      await lab.close();
    }
  }

  readonly fetch = (uri: string, { method = 'GET', headers = {}, body }: HttpsRequestInit = {}): Promise<HttpsResponse> => {
    const { pathname, search } = new URL(uri);
    const forwarded = { ...this.headers, 'x-forwarded-for': [this.headers['x-forwarded-for'], this.client].filter(Boolean).join(', ') };
    return new Promise((resolve, reject) => {
      const to = { host: '127.0.0.1', port: this.server.port, path: pathname + search, method, headers: { ...headers, ...forwarded } };
      const sent = request(to, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () =>
          resolve({ status: response.statusCode!, headers: response.headers, body: new Uint8Array(Buffer.concat(parts)) } as HttpsResponse),
        );
      });
      sent.on('error', reject);
      sent.end(body);
    });
  };
}

describe('a SIM-S behind a proxy that ends TLS', () => {
  test('issuer, redirects and cookies are those of the public URL, whatever Host and X-Forwarded-Host say', () =>
    BehindProxy.within({}, async (behind) => {
      const { lab } = behind;
      behind.headers = { host: 'evil.example', 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'http', forwarded: 'host=evil.example;proto=http' };
      const metadata = JSON.parse(fromUtf8((await behind.fetch(`${publicUrl}/.well-known/openid-configuration`)).body)) as Record<string, unknown>;
      for (const [name, value] of Object.entries(metadata))
        if (name === 'issuer' || name.endsWith('_endpoint') || name === 'jwks_uri') assert.ok(String(value).startsWith(publicUrl), `${name}: ${value}`);
      const { status, headers } = await behind.fetch(lab.authorizationUri());
      assert.equal(status, 303);
      assert.equal(new URL(headers.location!, publicUrl).origin, publicUrl);
      for (const cookie of headers['set-cookie'] ?? []) assert.match(cookie, /; secure/i);
      const tokens = await lab.tokens();
      assert.equal(claimsOf(tokens['access_token'])['iss'], publicUrl);
      assert.equal(claimsOf(tokens['id_token'])['iss'], publicUrl);
      assert.ok(!JSON.stringify([metadata, headers]).includes('evil.example'));
    }));

  test('audit, lockout and rates go by the address that the proxy has written, and not by what a client writes before it', () =>
    BehindProxy.within({ simS: { limits: { rate: { address: { burst: 12, rate: 0.01 } } } } }, async (behind) => {
      const { lab } = behind;
      behind.headers = { 'x-forwarded-for': '203.0.113.66' };
      await assert.rejects(lab.codeWith('wrong'));
      const refused = lab.events.find(({ type }) => type === 'login-refused');
      assert.deepEqual(refused, { type: 'login-refused', reason: 'credentials', user: anna, client: 'app', address: '198.51.100.7' });
      let spoofed = 0;
      for (let status = 0; status !== 429; spoofed++) {
        behind.headers = { 'x-forwarded-for': `203.0.113.${spoofed}` };
        const answer = await behind.fetch(`${publicUrl}/jwks`);
        status = answer.status;
        assert.ok(spoofed < 12);
        if (status === 429) assert.ok(Number(answer.headers['retry-after']) >= 1);
      }
      behind.client = '198.51.100.8';
      assert.equal((await behind.fetch(`${publicUrl}/jwks`)).status, 200);
      assert.ok(lab.events.some((event) => event.type === 'refused' && event.reason === 'rate-address' && event.peer === '198.51.100.7'));
    }));

  test('plain HTTP from an address that is no trusted proxy is refused', () =>
    BehindProxy.within({ face: { proxies: { trusted: [{ address: '192.0.2.1' }] } } }, async (behind) => {
      assert.equal((await behind.fetch(`${publicUrl}/jwks`)).status, 403);
      const refused = behind.lab.events.find(({ type }) => type === 'refused');
      assert.deepEqual(refused, { type: 'refused', reason: 'insecure', peer: '127.0.0.1' });
    }));

  test('by default nobody is trusted: headers of clients change nothing', async () => {
    const lab = await OpenIdLab.start();
    try {
      const headers = { 'X-Forwarded-For': '198.51.100.7', Forwarded: 'for=198.51.100.7', 'X-Forwarded-Host': 'evil.example' };
      const { body } = await lab.fetch(`${lab.issuer}/.well-known/openid-configuration`, { headers });
      assert.ok(!fromUtf8(body).includes('evil.example'));
      await lab.fetch(lab.authorizationUri({ client_id: 'nobody' }), { headers });
      assert.deepEqual(
        lab.events.map((event) => (event.type === 'refused' ? event.peer : event.type)),
        ['127.0.0.1'],
      );
    } finally {
      await lab.close();
    }
  });
});
