import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { createContext, runInContext } from 'node:vm';
import { type BuildResult, build } from 'esbuild';
import { decode, fromHex, fromUtf8, openCwt, readSign1, symmetricKey, verifySign1 } from '../../src/core/index.ts';
import { root } from '../support/fixtures.ts';

let bundle: BuildResult<{ write: false; metafile: true }>;
let text: string;

before(async () => {
  bundle = await build({
    stdin: { contents: "export * from 'ace-coap/core';", resolveDir: root },
    bundle: true,
    platform: 'browser',
    format: 'iife',
    globalName: 'core',
    write: false,
    metafile: true,
    logLevel: 'silent',
  });
  text = bundle.outputFiles[0]!.text;
});

test('browser bundle: ace-coap/core comes whole, with no import of node: and no other import that is left', () => {
  const inputs = Object.keys(bundle.metafile.inputs);
  assert.ok(inputs.includes('dist/src/core/index.js') && inputs.includes('dist/src/core/crypto/portable.js'), inputs.join(' '));
  assert.deepEqual(
    inputs.filter((name) => /crypto\/(named-)?node/.test(name)),
    [],
  );
  const imports = [...Object.values(bundle.metafile.inputs), ...Object.values(bundle.metafile.outputs)].flatMap((file) => file.imports);
  assert.deepEqual(
    imports.filter(({ path, external }) => external === true || path.startsWith('node:')),
    [],
  );
  assert.doesNotMatch(text, /\brequire\(|\bimport\(|from\s*["']node:|["']node:/);
  assert.deepEqual([...bundle.warnings, ...bundle.errors], []);
});

/** What browsers have, and Node's own globals not. Bytes are of the realm of the program, as in a browser. */
const browserGlobals = `
  (({ encode, TextDecoder, getRandomValues, now, setTimeout, clearTimeout }) => {
    class TextEncoder { encode(text) { return Uint8Array.from(encode(text)); } }
    Object.assign(globalThis, { TextEncoder, TextDecoder, crypto: { getRandomValues }, performance: { now }, setTimeout, clearTimeout });
  })(host);
  delete globalThis.host;
`;

const program = `
(async () => {
  const { Algorithm, Curve, KeyType, decode, encode, fromHex, fromUtf8, toHex, utf8 } = core;
  const { random } = core.systemEnv;
  const claims = { iss: 'coap://as', aud: 'rs1', exp: 1900000000, scope: 'r_temp' };
  const payload = encode(new Map([[1, 'text'], [2, utf8('bytes')], [3, [1.5, -7, 2n ** 60n, true, null]]]));
  const signer = { kty: KeyType.EC2, crv: Curve.P256, x: fromHex(keys.x), y: fromHex(keys.y), d: fromHex(keys.d) };
  const signed = encode(core.sign1({ key: signer, algorithm: Algorithm.ES256, payload }));
  const key = { kty: KeyType.Symmetric, k: random(16) };
  const sealed = encode(core.encrypt0({ key, algorithm: Algorithm.AES_CCM_16_64_128, plaintext: payload, nonce: random(13) }));
  const tokenKey = core.symmetricKey('AES-CCM-16-64-128', fromHex(keys.token));
  const token = core.protectCwt(claims, tokenKey, random);
  signed[signed.length - 1] ^= 1;
  let forged = 'accepted';
  try { core.verifySign1(core.readSign1(decode(signed)), { key: signer }); } catch (error) { forged = error.code; }
  signed[signed.length - 1] ^= 1;
  return {
    globals: ['process', 'Buffer', 'require', 'global', 'setImmediate', 'host'].filter((name) => name in globalThis),
    provider: core.cryptoInUse(),
    node: await core.useCrypto('node').catch((error) => error.code + ': ' + error.message),
    portable: await core.useCrypto('portable').then(() => core.cryptoInUse()),
    decoded: fromUtf8(decode(payload).get(2)),
    diagnosed: core.diagnose(payload),
    verified: toHex(core.verifySign1(core.readSign1(decode(signed)), { key: signer })) === toHex(payload),
    forged,
    opened: toHex(core.decrypt0(core.readEncrypt0(decode(sealed)), { key })) === toHex(payload),
    claims: core.openCwt(token, [tokenKey]).claims,
    signed: toHex(signed),
    token: toHex(token),
    payload: toHex(payload),
  };
})()
`;

interface Said {
  readonly signed: string;
  readonly token: string;
  readonly payload: string;
  readonly [name: string]: unknown;
}

test('browser bundle: it signs, encrypts and reads tokens where there is nothing of Node, and Node takes what it made', async () => {
  const keys = {
    x: '60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6',
    y: '7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299',
    d: 'c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721',
    token: '000102030405060708090a0b0c0d0e0f',
  };
  const host = {
    encode: (of: string) => new TextEncoder().encode(of),
    TextDecoder,
    getRandomValues: (into: Uint8Array) => crypto.getRandomValues(into),
    now: () => performance.now(),
    setTimeout,
    clearTimeout,
  };
  const context = createContext({ host, keys });
  runInContext(browserGlobals, context);
  runInContext(text, context, { filename: 'bundle.js' });
  // Through JSON: what comes of the other realm has other prototypes.
  const said = JSON.parse(JSON.stringify(await runInContext(program, context))) as Said;
  const { signed, token, payload, ...rest } = said;
  const claims = { iss: 'coap://as', aud: 'rs1', exp: 1_900_000_000, scope: 'r_temp' };
  assert.deepEqual(rest, {
    globals: [],
    provider: 'portable',
    node: 'ERR_CRYPTO_PROVIDER: expected a crypto provider of this build (portable), got node',
    portable: 'portable',
    decoded: 'bytes',
    diagnosed: '{1: "text", 2: h\'6279746573\', 3: [1.5, -7, 1152921504606846976, true, null]}',
    verified: true,
    forged: 'ERR_COSE_VERIFY',
    opened: true,
    claims,
  });
  const key = { kty: 2, crv: 1, x: fromHex(keys.x), y: fromHex(keys.y) };
  assert.deepEqual(verifySign1(readSign1(decode(fromHex(signed))), { key }), fromHex(payload));
  assert.equal(fromUtf8((decode(fromHex(payload)) as Map<number, Uint8Array>).get(2)!), 'bytes');
  assert.deepEqual(openCwt(fromHex(token), [symmetricKey('AES-CCM-16-64-128', fromHex(keys.token))]).claims, claims);
});
