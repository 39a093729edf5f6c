import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ExitCode, exitCodeOf, UsageError } from '../../src/cli/exit.ts';
import { ProtocolError } from '../../src/core/errors.ts';
import { root } from '../support/fixtures.ts';

/** What each code means to a shell; a code that is not here is a peer's no. */
const expected: Readonly<Record<string, ExitCode>> = {
  ERR_COAP_TIMEOUT: ExitCode.noAnswer,
  ERR_CONFORMANCE_TARGET: ExitCode.usage,
  ERR_CONFORMANCE_UNREACHABLE: ExitCode.noAnswer,
  ERR_ACE_CONFIG: ExitCode.usage,
  ERR_ACE_METHOD: ExitCode.usage,
  ERR_AKMA_A_KID: ExitCode.usage,
  ERR_AKMA_AF_ID: ExitCode.usage,
  ERR_AKMA_BIND: ExitCode.usage,
  ERR_AKMA_KEY: ExitCode.usage,
  ERR_AKMA_SUPI: ExitCode.usage,
  ERR_AS_CONFIG: ExitCode.usage,
  ERR_AS_TOKEN_KEY: ExitCode.usage,
  ERR_AS_USE: ExitCode.usage,
  ERR_CAPIF_CONFIG: ExitCode.usage,
  ERR_AKMA_CONFIG: ExitCode.usage,
  ERR_AUDIT_ARCHIVE: ExitCode.usage,
  ERR_AUDIT_OPEN: ExitCode.usage,
  ERR_CLI_DEMO: ExitCode.usage,
  ERR_CLI_OUTPUT: ExitCode.usage,
  ERR_CLI_USAGE: ExitCode.usage,
  ERR_COAP_PARAMETER: ExitCode.usage,
  ERR_COAP_RESOURCE: ExitCode.usage,
  ERR_COAP_URI: ExitCode.usage,
  ERR_CONFIG_EXISTS: ExitCode.usage,
  ERR_CONFIG_FILE: ExitCode.usage,
  ERR_CONFIG_JSON: ExitCode.usage,
  ERR_CONFIG_KEY_FILE: ExitCode.usage,
  ERR_CONFIG_VALUE: ExitCode.usage,
  ERR_CONFIG_YAML: ExitCode.usage,
  ERR_INSPECT_CAPTURE: ExitCode.usage,
  ERR_INSPECT_TAP: ExitCode.usage,
  ERR_KM_CONFIG: ExitCode.usage,
  ERR_KM_RECORD: ExitCode.usage,
  ERR_KM_RECORD_KEY: ExitCode.usage,
  ERR_METRICS_BIND: ExitCode.usage,
  ERR_OSCORE_PARAMETERS: ExitCode.usage,
  ERR_OSCORE_PROFILE_CREDENTIALS: ExitCode.usage,
  ERR_OSCORE_PROFILE_USE: ExitCode.usage,
  ERR_RS_CONFIG: ExitCode.usage,
  ERR_RS_USE: ExitCode.usage,
  ERR_SERVER_TWICE: ExitCode.usage,
  ERR_STORE_BACKUP: ExitCode.usage,
  ERR_STORE_BATCH: ExitCode.usage,
  ERR_STORE_CLOSED: ExitCode.usage,
  ERR_STORE_COUNTER: ExitCode.usage,
  ERR_STORE_EXPIRY: ExitCode.usage,
  ERR_STORE_FORMAT: ExitCode.usage,
  ERR_STORE_IO: ExitCode.usage,
  ERR_STORE_KEY: ExitCode.usage,
  ERR_STORE_MIGRATE: ExitCode.usage,
  ERR_STORE_OPEN: ExitCode.usage,
  ERR_STORE_VALUE: ExitCode.usage,
  ERR_DTLS_CONFIG: ExitCode.usage,
  ERR_PKI_CRL: ExitCode.usage,
  ERR_TRANSPORT_BIND: ExitCode.usage,
  ERR_TRANSPORT_CREDENTIALS: ExitCode.usage,
  ERR_TRANSPORT_OPTION: ExitCode.usage,
  ERR_TRANSPORT_RESOLVE: ExitCode.usage,
  ERR_TRANSPORT_SCHEME: ExitCode.usage,
  ERR_TRANSPORT_TLS: ExitCode.usage,
  ERR_COAP_BACKPRESSURE: ExitCode.noAnswer,
  ERR_COAP_CONNECTION: ExitCode.noAnswer,
  ERR_COAP_HOLD_OFF: ExitCode.noAnswer,
  ERR_COAP_SESSION: ExitCode.noAnswer,
  ERR_DTLS_TIMEOUT: ExitCode.noAnswer,
  ERR_OPENID_CONFIG: ExitCode.usage,
  ERR_OPENID_TIMEOUT: ExitCode.noAnswer,
  ERR_T8_CONFIG: ExitCode.usage,
  ERR_T8_SILENCE: ExitCode.noAnswer,
  ERR_TRANSPORT_HTTPS: ExitCode.noAnswer,
};

/** Every error code that stands in the sources. */
function codesOfSources(): ReadonlySet<string> {
  const codes = new Set<string>();
  for (const folder of ['src', 'profiles']) {
    for (const name of readdirSync(join(root, folder), { recursive: true }) as string[]) {
      if (!name.endsWith('.ts')) continue;
      for (const [code] of readFileSync(join(root, folder, name), 'utf8').matchAll(/ERR_[A-Z0-9]+(?:_[A-Z0-9]+)+/g)) codes.add(code);
    }
  }
  return codes;
}

test('exit codes: every error code of the sources is a peer that said no, unless it is known to be something else', () => {
  const codes = codesOfSources();
  assert.ok(codes.size > 100, `${codes.size} codes`);
  for (const code of codes) assert.equal(exitCodeOf(new ProtocolError(code, '')), expected[code] ?? ExitCode.refused, code);
  for (const code of Object.keys(expected)) assert.ok(codes.has(code), `${code} is in no source`);
});

test('exit codes: the cause of an error counts too', () => {
  const timeout = new ProtocolError('ERR_COAP_TIMEOUT', '');
  assert.equal(exitCodeOf(new ProtocolError('ERR_ACE_UPLOAD', '', { cause: timeout })), ExitCode.noAnswer);
  const full = new ProtocolError('ERR_STORE_IO', '');
  assert.equal(exitCodeOf(new ProtocolError('ERR_OSCORE_STORE', '', { cause: full })), ExitCode.usage);
  assert.equal(exitCodeOf(new ProtocolError('ERR_TRANSPORT_RESOLVE', '', { cause: new Error('ENOTFOUND') })), ExitCode.noAnswer);
  assert.equal(exitCodeOf(new UsageError('', { cause: timeout })), ExitCode.usage);
});

test('exit codes: what is no error of ours has none', () => {
  assert.equal(exitCodeOf(new TypeError('x is not a function')), undefined);
  assert.equal(exitCodeOf('text'), undefined);
});
