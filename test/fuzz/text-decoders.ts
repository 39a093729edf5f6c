import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nameOf, readValue, writtenOption } from '../../src/adapters/node-coap/options.ts';
import { decodeCommand } from '../../src/cli/decode.ts';
import { acceptOfField, formatOfContent, HttpMappingError, looseMediaTypes, tagListOf, targetUri, UriMapping } from '../../src/coap/index.ts';
import { fromBase64Url, fromHex, toBase64Url, toHex, utf8 } from '../../src/core/bytes.ts';
import { parseThumbprintUri } from '../../src/core/cose/index.ts';
import { systemEnv } from '../../src/core/env.ts';
import { formatEntry, nextEntry, parseEntry } from '../../src/operate/audit/entry.ts';
import { parseListen } from '../../src/operate/config/listen.ts';
import { parseMetrics } from '../../src/operate/config/operations.ts';
import { parseNetwork } from '../../src/operate/config/proxy.ts';
import {
  type LabProfile,
  loadAsConfig,
  loadCapifCoreConfig,
  loadClientConfig,
  loadOscoreContext,
  loadRsConfig,
  loadT8Config,
  type SealHttpsLab,
  writeLab,
  writeSealLab,
} from '../../src/operate/index.ts';
import { writeOscorePair } from '../../src/operate/oscore-pair.ts';
import { LabAuthority } from '../../src/pki/index.ts';
import { root } from '../support/fixtures.ts';
import { mutateBytes, mutateLines, nearlyCbor } from './mutate.ts';
import { hexOf } from './seeds.ts';
import type { Target, TargetEntry } from './target.ts';
import { ofText } from './trials.ts';

const entry = nextEntry(1, '2026-11-26T00:00:00Z', { type: 'token-issued', client: 'c1' } as { type: string }, 'x');
const optionNumbers = [1, 4, 6, 8, 12, 14, 27, 35, 2049];

/** Decoders of text, from the network, from files and from a terminal. */
export const textDecoders: readonly Target[] = [
  ofText('hexadecimal digits', ['00ff', 'ABcd'], (text) => assert.equal(toHex(fromHex(text)), text.replace(/\s/g, '').toLowerCase())),
  ofText('base64url', ['AP8', 'SGVsbG8', 'AA=='], (text) => {
    const bytes = fromBase64Url(text);
    assert.deepEqual(fromBase64Url(toBase64Url(bytes)), bytes);
  }),
  ofText('UTF-8', ['a', 'ä€😀'], () => {}),
  ofText('COSE Key Thumbprint URI', [`urn:ietf:params:oauth:ckt:sha-256:${'A'.repeat(43)}`], parseThumbprintUri),
  ofText('address to listen on', ['127.0.0.1:5683', '[::1]:5684', 'coaps+tcp://0.0.0.0:5684'], parseListen),
  ofText('address of metrics', ['127.0.0.1:9464', '[::1]:9464', 'localhost:1'], parseMetrics),
  ofText('network of proxies', ['10.0.0.0/8', '::1', '2001:db8::/32'], parseNetwork),
  ofText('request target of a gateway', ['/hc/coap://s.example/light?on', '/hc/coap://%5B::1%5D:61616/a%2Fb/../c', '/q?s=coap&hp=a:1&p=/x&q=y'], (text) => {
    new UriMapping({ base: '/q', template: '?s={+s}&hp={+hp}&p={+p}&q={+q}' }).targetOf(text);
    const mapping = new UriMapping();
    const target = mapping.targetOf(text);
    if (target !== undefined) assert.deepEqual(targetUri(text.slice(mapping.base.length)), target);
  }),
  ofText('header fields of HTTP', ['"0a0b", W/"0c"', 'text/html, application/cbor;q=0.3, */*;q=0', 'application/cose; cose-type="cose-sign1"'], (text) => {
    formatOfContent({ contentType: text }, { loose: looseMediaTypes, coapPayload: true });
    for (const read of [acceptOfField, (field: string) => tagListOf('If-Match', field)]) {
      try {
        read(text);
      } catch (error) {
        if (!(error instanceof HttpMappingError)) throw error;
      }
    }
  }),
  ofText('entry of the audit log', [formatEntry(entry)], (line) => {
    const read = parseEntry(line);
    if (read !== undefined) assert.equal(formatEntry(read), line);
  }),
  {
    name: 'option values for node-coap',
    seeds: ['', '3c', '01ff', '6162', 'ffffffffffffffff'].map((hex) => fromHex(hex)),
    mutate: mutateBytes,
    run: (input) => {
      for (const number of optionNumbers) {
        const name = nameOf(number);
        const value = readValue(name, Buffer.from(input));
        assert.equal(writtenOption(name, value as Parameters<typeof writtenOption>[1])?.number ?? number, number);
      }
    },
  },
];

/** What the command prints about bytes of strangers. */
const decodeTarget: TargetEntry = {
  name: 'ace-coap decode',
  share: 20,
  open: () =>
    Promise.resolve({
      name: 'ace-coap decode',
      seeds: ['cbor', 'cwt', 'ace', 'oscore', 'cose'].flatMap((folder) => hexOf(folder, 8).filter(({ length }) => length < 400)),
      mutate: nearlyCbor,
      run: async (input) => {
        const { log } = console;
        console.log = () => {};
        try {
          await decodeCommand([toHex(input)], { as: 'auto' });
        } finally {
          console.log = log;
        }
      },
    } satisfies Target),
};

/** A file of a fresh lab, changed. */
function configTarget(name: string, file: string, write: (folder: string) => unknown, load: (path: string) => unknown): TargetEntry {
  return {
    name,
    share: 0.2,
    open: async () => {
      const folder = mkdtempSync(join(tmpdir(), 'ace-coap-fuzz-'));
      await write(folder);
      const path = join(folder, file);
      return {
        name,
        // What is relative to the folder is found; the folder itself differs from run to run and stands in no file.
        seeds: readdirSync(folder)
          .filter((other) => other.endsWith(file.slice(file.lastIndexOf('.'))))
          .sort()
          .map((other) => utf8(readFileSync(join(folder, other), 'utf8'))),
        mutate: mutateLines,
        run: (input) => {
          // A file that is written over is first flushed by some file systems, which takes longer than all else.
          rmSync(path, { force: true });
          writeFileSync(path, input, { mode: 0o600 });
          load(path);
        },
        close: () => Promise.resolve(rmSync(folder, { recursive: true, force: true })),
      };
    },
  };
}

const random = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i + 1);
const lab = (folder: string): Promise<unknown> => writeLab(folder, { random });
const [cert, key] = ['localhost.pem', 'localhost.key.pem'].map((name) => readFileSync(join(root, 'fixtures', 'tls', name), 'latin1')) as [string, string];
const pem = { cert, key };
const known = { secret: 'a secret', hash: `scrypt$2$1$1$${'A'.repeat(22)}$${'A'.repeat(43)}` };
const https: SealHttpsLab = {
  asPort: 10_443,
  rsPort: 10_444,
  ca: pem.cert,
  crl: await (await LabAuthority.make('lab', systemEnv)).crl(),
  crlPort: 10_449,
  simS: pem,
  sealServer: pem,
  valServer: pem,
  tokenKey: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  app: known,
  val: known,
  password: 'a password',
  capif: { port: 10_445, corePort: 10_446, aef: pem, core: pem, signingKey: pem.key },
  msgin5g: { port: 5687, supi: 'imsi-001010000000001', subscriber: '{}', kAusf: '00' },
  t8: {
    port: 10_447,
    notifyPort: 10_448,
    devicePort: 5685,
    scef: pem,
    scsAs: pem,
    tokenKey: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    secret: known,
  },
};
const seal = (folder: string): Promise<unknown> => writeSealLab(folder, { random, https });

/** A SIM-C that logs users in over HTTPS. */
function sealLogin(folder: string): void {
  const channel = '{ uri: "coap://127.0.0.1:5783/token", oscore: { master_secret: "00112233445566778899aabbccddeeff", sender_id: "02", recipient_id: "01" } }';
  const openid = 'issuer: "https://127.0.0.1:8443", client_id: app, client_secret_file: app.secret, redirect_uri: "http://127.0.0.1:8731/callback", scope: km';
  const lines = ['profile: seal', 'store: ./state', 'authorization_servers:', `  - ${channel}`, 'seal:', `  openid: { ${openid} }`];
  writeFileSync(join(folder, 'client.yaml'), lines.join('\n'), { mode: 0o600 });
  writeFileSync(join(folder, 'app.secret'), 'a secret', { mode: 0o600 });
}

/** What a lab has not: a server that registers MSGin5G clients and is there over HTTPS, and a key in PEM. */
function msgin5g(folder: string): void {
  const tokenKey = '{ use: sign1, alg: ES256, key_pem_file: key.pem }';
  const service =
    'aanf: "https://aanf.example/root", fqdn: msgin5g.example.com, protocol: "0100000007", associations: { imsi-001010000000001: [meter] }, aanf_tls: { ca_file: cert.pem }, tls: { listen: "127.0.0.1:5687", suite: TLS_AES_128_GCM_SHA256 }';
  const https = 'listen: "https://127.0.0.1:10444", cert_file: cert.pem, key_file: key.pem, issuer: "https://127.0.0.1:10443", jwks_file: jwks.json';
  const lines = [
    'listen: ["coaps://127.0.0.1:0"]',
    'audience: msgin5g',
    'store: ./state',
    `issuers: [{ uri: "coap://127.0.0.1:5783/token", token_keys: [${tokenKey}] }]`,
    'profile: seal',
    'seal:',
    '  val_system: val.example',
    '  services:',
    `    msgin5g: { ${service} }`,
    `  https: { ${https}, clients: { val1: [val1.val.example] } }`,
  ];
  writeFileSync(join(folder, 'rs.yaml'), lines.join('\n'), { mode: 0o600 });
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  writeFileSync(join(folder, 'cert.pem'), cert);
  writeFileSync(join(folder, 'jwks.json'), '{"keys":[]}');
  writeFileSync(join(folder, 'key.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
}

const dtlsLab = (profile: LabProfile) => (folder: string) => writeLab(folder, { random, profile });

export const fileTargets: readonly TargetEntry[] = [
  decodeTarget,
  configTarget('as.yaml', 'as.yaml', lab, loadAsConfig),
  configTarget('rs.yaml', 'rs.yaml', lab, loadRsConfig),
  configTarget('client.yaml', 'client.yaml', lab, loadClientConfig),
  configTarget('as.yaml of a SIM-S', 'as.yaml', seal, loadAsConfig),
  configTarget('rs.yaml of a SEAL server', 'rs.yaml', seal, loadRsConfig),
  configTarget('t8.yaml', 't8.yaml', seal, loadT8Config),
  configTarget('client.yaml of a SIM-C', 'client.yaml', seal, loadClientConfig),
  configTarget('capif.yaml of a core function', 'capif.yaml', seal, loadCapifCoreConfig),
  configTarget('client.yaml of a SIM-C with a login', 'client.yaml', sealLogin, loadClientConfig),
  configTarget('as.yaml with raw public keys', 'as.yaml', dtlsLab('dtls-rpk'), loadAsConfig),
  configTarget('client.yaml with raw public keys', 'client.yaml', dtlsLab('dtls-rpk'), loadClientConfig),
  configTarget('as.yaml with pre-shared keys', 'as.yaml', dtlsLab('dtls-psk'), loadAsConfig),
  configTarget('rs.yaml of an MSGin5G server', 'rs.yaml', msgin5g, loadRsConfig),
  configTarget('OSCORE context file', 'client.json', (folder) => writeOscorePair(folder, { random }), loadOscoreContext),
];
