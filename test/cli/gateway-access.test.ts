/** Access tokens at `ace-coap gateway` (RFC 6750), over sockets. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Endpoint } from '../../src/coap/index.ts';
import { systemEnv } from '../../src/core/env.ts';
import { type IssuedCertificate, LabAuthority } from '../../src/pki/index.ts';
import { fetchHttps, type HttpsServer, serveHttps, udp } from '../../src/transport/index.ts';
import { deviceRouter, type Got, sendHttp } from '../gateway/support.ts';
import { type Changes, claims, TokenLab } from '../profiles/seal/https/guard/token-lab.ts';
import { GatewayProcess, refusedHere } from './gateway-process.ts';

const issuer = 'https://issuer.example';
const client = 'reader1.example';
const now = Math.floor(systemEnv.epoch());
const good = { ...claims(now), iss: issuer, aud: 'gateway1', client_id: client, sub: client, scope: 'things other' };

let device: Endpoint;
let folder: string;
let tokens: TokenLab;
let others: TokenLab;
let authority: LabAuthority;
let server: IssuedCertificate;
const file = (name: string): string => join(folder, name);
before(async () => {
  device = new Endpoint({ transport: await udp({ address: '127.0.0.1' }), handler: deviceRouter().handler });
  folder = mkdtempSync(join(tmpdir(), 'ace-gateway-access-'));
  [tokens, others, authority] = await Promise.all([TokenLab.make(), TokenLab.make('ES256', 'k2'), LabAuthority.make('gateway test', systemEnv)]);
  server = await authority.issue({ commonName: 'gw', names: [{ type: 'ip', value: '127.0.0.1' }], usage: ['server'] });
  const files = { 'ca.pem': authority.cert, 'gw.pem': server.cert, 'gw.key': server.key, 'jwks.json': JSON.stringify(tokens.keys) };
  for (const [name, text] of Object.entries(files)) writeFileSync(file(name), text);
});
after(async () => {
  rmSync(folder, { recursive: true, force: true });
  await device.close();
});

const bearerWith = (jwks: string): string[] => ['--issuer', issuer, '--audience', 'gateway1', '--jwks', jwks, '--scope', 'things'];
const routed = (): string[] => ['--reverse', `/things=coap://127.0.0.1:${device.local.port}`];
const tls = (): string[] => ['--cert', file('gw.pem'), '--key', file('gw.key')];
const authorization = async (changes: Changes = {}, lab: TokenLab = tokens): Promise<string> => `Bearer ${await lab.token({ ...good, ...changes })}`;

/** The parameters of a challenge (RFC 6750, Section 3). */
function challengeOf(field: string | undefined): Readonly<Record<string, string>> {
  assert.match(field ?? '', /^Bearer realm="gateway"/);
  return Object.fromEntries([...field!.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name!, value!]));
}

describe('ace-coap gateway: access tokens', () => {
  let gateway: GatewayProcess;
  before(async () => {
    gateway = await GatewayProcess.start('http', ...routed(), ...bearerWith(file('jwks.json')));
  });
  after(() => gateway.stop());
  const ask = (field?: string, path = '/things/light'): Promise<Got> =>
    sendHttp(gateway.port, path, field === undefined ? {} : { headers: { authorization: field } });

  test('a token that permits: the answer of the device, for this client alone', async () => {
    const got = await ask(await authorization());
    assert.deepEqual([got.status, got.text, got.headers['cache-control']?.split(',')[0]], [200, 'on', 'private']);
    assert.equal((await ask(await authorization({ aud: ['other', 'gateway1'] }))).status, 200);
    const forwarded = await gateway.logged(({ msg }) => msg === 'forwarded', 2);
    assert.deepEqual(
      forwarded.map((line) => line['client']),
      [client, client],
    );
  });

  test('RFC 6750, Section 3: who shows nothing is asked for a token, and told of no error', async () => {
    for (const field of [undefined, 'Basic YTpi']) {
      const { status, headers, text } = await ask(field);
      assert.equal(status, 401);
      assert.deepEqual(challengeOf(headers['www-authenticate']), { realm: 'gateway' });
      assert.deepEqual([headers['content-type'], headers['cache-control']], ['application/problem+json', 'no-store']);
      assert.equal((JSON.parse(text) as { readonly status: number }).status, 401);
    }
  });

  const refusals: readonly (readonly [what: string, field: () => Promise<string>, status: number, error: string, reason: string])[] = [
    ['an expired token', () => authorization({ exp: now - 1 }), 401, 'invalid_token', 'expired'],
    ['a token for another audience', () => authorization({ aud: 'gateway2' }), 401, 'invalid_token', 'audience'],
    ['a token of another issuer', () => authorization({ iss: 'https://other.example' }), 401, 'invalid_token', 'issuer'],
    ['a token that another key has signed', () => authorization({}, others), 401, 'invalid_token', 'signature'],
    ['a token that is to come', () => authorization({ iat: now + 3600, exp: now + 7200 }), 401, 'invalid_token', 'claims'],
    ['a token without the scope', () => authorization({ scope: 'other' }), 403, 'insufficient_scope', 'scope'],
    ['what is no token', async () => 'Bearer abc', 401, 'invalid_token', 'malformed'],
    ['two words', async () => 'Bearer a b', 400, 'invalid_request', 'header'],
  ];
  for (const [what, field, status, error, reason] of refusals) {
    test(`RFC 6750, Section 3.1: ${what} is ${status} and ${error}`, async () => {
      const got = await ask(await field());
      const challenge = challengeOf(got.headers['www-authenticate']);
      assert.deepEqual([got.status, challenge['error']], [status, error]);
      assert.match(challenge['error_description']!, /^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/);
      assert.equal(challenge['scope'], error === 'insufficient_scope' ? 'things' : undefined);
      assert.equal((JSON.parse(got.text) as { readonly detail: string }).detail, challenge['error_description']);
      assert.equal((await gateway.logged((line) => line['reason'] === reason)).length, 1);
    });
  }

  test('RFC 6750, Section 2.3: a token in the query is not read, also beside one in the header', async () => {
    const token = await tokens.token(good);
    for (const field of [undefined, `Bearer ${token}`]) {
      const { status, headers } = await ask(field, `/things/light?access_token=${token}`);
      assert.deepEqual([status, challengeOf(headers['www-authenticate'])['error']], [400, 'invalid_request']);
    }
    await gateway.logged((line) => line['reason'] === 'place', 2);
    assert.ok(!JSON.stringify(gateway.log()).includes(token));
  });

  test('the link list is asked for with a token too', async () => {
    assert.equal((await ask(undefined, '/.well-known/core')).status, 401);
    assert.match((await ask(await authorization(), '/.well-known/core')).text, /<\/things>/);
  });
});

test('RFC 6585, Section 4: who shows wrong tokens again and again has to wait, as long as the flags say; others do not', async () => {
  const limits = ['--failures-per-client', '2,0.001', '--failures-per-address', '4,0.002'];
  const gateway = await GatewayProcess.start('http', ...routed(), ...bearerWith(file('jwks.json')), ...limits);
  const ask = async (field: string): Promise<unknown[]> => {
    const { status, headers } = await sendHttp(gateway.port, '/things/light', { headers: { authorization: field } });
    return [status, headers['retry-after']];
  };
  try {
    const good = await authorization();
    assert.deepEqual(await ask(good), [200, undefined]);
    // Without a certificate, a token is what failures are counted by.
    const wrong = await authorization({}, others);
    const asked = [await ask(wrong), await ask(wrong), await ask(wrong)];
    assert.deepEqual(asked.slice(0, 2), [
      [401, undefined],
      [401, undefined],
    ]);
    const [status, after] = asked[2] as [number, string];
    assert.ok(status === 429 && Number(after) > 900 && Number(after) <= 1000, `${status}, ${after}`);
    for (const text of ['a', 'b']) assert.deepEqual(await ask(`Bearer ${text}`), [401, undefined]);
    const [atAddress, wait] = (await ask('Bearer c')) as [number, string];
    assert.ok(atAddress === 429 && Number(wait) > 400 && Number(wait) <= 500, `${atAddress}, ${wait}`);
    assert.deepEqual(await ask(good), [200, undefined]);
  } finally {
    await gateway.stop();
  }
});

test('https: keys at a URI, and a certificate beside the token that has to be of its client', async () => {
  const clients = await Promise.all(
    [client, 'reader2.example'].map((name) => authority.issue({ commonName: name, names: [{ type: 'dns', value: name }], usage: ['client'] })),
  );
  const keys: HttpsServer = await serveHttps(server, (_request, response) => void response.end(JSON.stringify(tokens.keys)));
  const jwks = [...bearerWith(`https://127.0.0.1:${keys.port}/jwks`), '--jwks-ca', file('ca.pem')];
  const gateway = await GatewayProcess.start('https', ...tls(), '--client-ca', file('ca.pem'), ...routed(), ...jwks);
  const ask = async (cert: IssuedCertificate): Promise<unknown[]> => {
    const headers = { authorization: await authorization() };
    const { status, headers: got } = await fetchHttps(`https://127.0.0.1:${gateway.port}/things/light`, { ca: authority.cert, ...cert, headers });
    return [status, /error="([^"]*)"/.exec(got['www-authenticate'] ?? '')?.[1]];
  };
  try {
    assert.deepEqual(await ask(clients[0]!), [200, undefined]);
    assert.deepEqual(await ask(clients[1]!), [403, 'invalid_token']);
  } finally {
    await gateway.stop();
    await keys.close();
  }
});

test('https: keys that cannot be had are 503 with Retry-After, and no fault of the token', async () => {
  const gateway = await GatewayProcess.start('https', ...tls(), ...routed(), ...bearerWith('https://127.0.0.1:1/jwks'));
  try {
    const init = { ca: authority.cert, headers: { authorization: await authorization() } };
    const { status, headers } = await fetchHttps(`https://127.0.0.1:${gateway.port}/things/light`, init);
    assert.deepEqual([status, headers['retry-after'], headers['www-authenticate']], [503, '10', undefined]);
  } finally {
    await gateway.stop();
  }
});

describe('ace-coap gateway: wrong use of what is about tokens', () => {
  const sets: readonly (readonly [content: string, said: RegExp])[] = [
    ['', /--jwks: expected .* got another/],
    ['null', /--jwks: expected .* got another/],
    ['{"keys":[]}', /--jwks: expected .* got another/],
    ['{"keys":["x"]}', /--jwks: expected .* got another/],
    ['{"keys":[{"kty":"oct","k":"AAAA"}]}', /--jwks: expected .* got one with a secret/],
    ['{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"AA"}]}', /got one with a secret/],
    [JSON.stringify({ keys: Array.from({ length: 33 }, () => ({ kty: 'EC' })) }), /--jwks: keys of the issuer: expected at most 32, got 33/],
  ];
  for (const [content, said] of sets) {
    test(`a key set of ${content.slice(0, 40)}`, async () => {
      writeFileSync(file('wrong.json'), content);
      assert.match(await refusedHere('--allow', 'a', ...bearerWith(file('wrong.json'))), said);
    });
  }

  test('files that are not there, and words that do not go together', async () => {
    const wrong: readonly (readonly [args: readonly string[], said: RegExp])[] = [
      [bearerWith(file('absent.json')), /absent\.json: cannot be read \(ENOENT\)/],
      [[...bearerWith('https://a/jwks'), '--jwks-ca', file('absent.pem')], /absent\.pem: cannot be read/],
      [['--failures-per-client', '20,1'], /--failures-per-client and --failures-per-address: expected --issuer/],
      [['--failures-per-address', '20,1'], /--failures-per-client and --failures-per-address: expected --issuer/],
      ...['20', '0,1', '20,0', '1.5,1', '20,-1', '20,1,1', 'x,y'].map(
        (text) => [[...bearerWith(file('jwks.json')), '--failures-per-client', text], /expected how many at once, and per second/] as const,
      ),
      [['--scope', 'things'], /--issuer, --audience and --jwks: expected all/],
      [['--jwks-ca', file('ca.pem')], /--issuer, --audience and --jwks: expected all/],
      [['--audience', 'a', '--jwks', file('jwks.json')], /--issuer, --audience and --jwks: expected all/],
      [['--anonymous', ...bearerWith(file('jwks.json'))], /--anonymous: expected neither/],
    ];
    for (const [args, said] of wrong) assert.match(await refusedHere('--allow', 'a', ...args), said, args.join(' '));
  });
});
