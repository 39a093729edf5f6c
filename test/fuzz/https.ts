import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { accessTokenVerifier } from '../../profiles/seal/https/index.ts';
import { readHops } from '../../profiles/seal/https/proxies.ts';
import { fromHex } from '../../src/core/bytes.ts';
import { readCertificate } from '../../src/pki/certificate.ts';
import { type CertificateRole, lintCertificate } from '../../src/pki/index.ts';
import { readTlsAnswer } from '../../src/transport/https/client-hello.ts';
import { fixture } from '../support/fixtures.ts';
import { tls12Answer, tls13Answer, tlsRefusal } from '../support/tls-answers.ts';
import { mutateBytes } from './mutate.ts';
import type { Target } from './target.ts';
import { ofText } from './trials.ts';

const certificates = Object.values(fixture<Record<string, { readonly certificate: string }>>('x509/certificates.json')).map(({ certificate }) =>
  fromHex(certificate),
);
const roles: readonly CertificateRole[] = ['client', 'server', 'ca'];
const now = 1_700_000_000;

const verifier = accessTokenVerifier({ issuer: 'a', audience: 'b', keys: { keys: [] }, env: { now: () => 0, epoch: () => now } });
const code = (error: unknown): unknown => (error as { readonly code?: unknown }).code;

/** What HTTPS peers show and say. */
export const httpsDecoders: readonly Target[] = [
  {
    name: 'certificate against its profile',
    seeds: certificates,
    mutate: mutateBytes,
    run: (input) => {
      for (const as of roles) lintCertificate(input, { as, now });
      readCertificate(input);
    },
  },
  { name: 'answer of a TLS server', seeds: [tls12Answer, tls13Answer, tlsRefusal], mutate: mutateBytes, run: (input) => void readTlsAnswer(input) },
  ofText(
    'hops that a proxy writes down',
    ['198.51.100.1, [2001:db8::7]:4711', 'for="[2001:db8::7]:1";proto=https, for=198.51.100.1', 'for=_hidden, for="a,b'],
    (text) => {
      for (const header of ['x-forwarded-for', 'forwarded'] as const)
        for (const hop of readHops({ [header]: text }, header)) assert.ok(hop === undefined || isIP(hop) > 0);
    },
  ),
  ofText('access token in a header', ['eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.AAAA'], (token) =>
    assert.rejects(verifier.verify(token), (error) => code(error) === 'ERR_SEAL_BEARER'),
  ),
];
