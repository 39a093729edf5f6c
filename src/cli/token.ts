import { AceError, encodeTokenResponse, type IntrospectionResponse, introspectionParameters } from '../ace/index.ts';
import { toHex } from '../core/bytes.ts';
import { decode, Tagged } from '../core/cbor.ts';
import { ProtocolError } from '../core/errors.ts';
import { annotateCbor } from './annotate.ts';
import { ExitCode, UsageError } from './exit.ts';
import { inputBytes } from './input.ts';
import { tokenNames } from './names.ts';
import { milliseconds, proxyOf } from './request.ts';
import { openAsRs, openConfigured } from './session.ts';
import type { TlsFlags } from './socket.ts';
import { err, out, waiting } from './terminal.ts';

export interface TokenFlags extends TlsFlags {
  readonly config: string;
  readonly audience: string;
  readonly scope?: string;
  readonly as?: string;
  readonly proxy?: string;
  readonly timeout?: number;
  readonly json?: boolean;
  readonly verbose?: boolean;
}

/** `ace-coap token` */
export async function tokenCommand(flags: TokenFlags): Promise<void> {
  const { config, audience, scope, as } = flags;
  const response = await waiting(`token for ${audience}`, flags.verbose, async (note) => {
    const { client, config: defaults } = await openConfigured(config, { verbose: flags.verbose === true, note, tls: flags, ...proxyOf(flags) });
    const { timeout = defaults.timeout } = flags;
    try {
      return await client.token({ audience, ...(scope === undefined ? {} : { scope }), ...(as === undefined ? {} : { as }), ...milliseconds(timeout) });
    } catch (error) {
      if (!(error instanceof AceError) || error.code !== 'ERR_ACE_AS_NOT_ALLOWED') throw error;
      throw new UsageError(`--as: ${error.message}`, { code: error.code });
    } finally {
      await client.close();
    }
  });
  if (flags.json) {
    const { accessToken, expiresIn, scope: granted, aceProfile } = response;
    const scopeText = granted instanceof Uint8Array ? toHex(granted) : granted;
    console.log(
      JSON.stringify({ access_token: toHex(accessToken), token_bytes: accessToken.length, expires_in: expiresIn, scope: scopeText, ace_profile: aceProfile }),
    );
    return;
  }
  console.error(err('dim', `token response, ${response.accessToken.length} bytes of them the token:`));
  console.log(annotateCbor(encodeTokenResponse(response), tokenNames).join('\n'));
  console.log(`\n${out('bold', 'access token:')} ${toHex(response.accessToken)}`);
}

export interface IntrospectFlags extends TlsFlags {
  readonly config: string;
  readonly timeout?: number;
  readonly json?: boolean;
  readonly verbose?: boolean;
}

/** A value of a response for JSON: bytes in hex, keys of maps as text; keys of a PoP method are not shown. */
function plain(name: string, value: unknown): unknown {
  if (name === 'cnf') return Object.keys(value as object);
  if (value instanceof Uint8Array) return scopeOrHex(value);
  return value;
}

/** An AIF reads better than its bytes. */
function scopeOrHex(bytes: Uint8Array): unknown {
  try {
    const value = decode(bytes);
    return Array.isArray(value) && !value.some((entry) => entry instanceof Tagged || entry instanceof Uint8Array) ? value : toHex(bytes);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return toHex(bytes);
  }
}

/** `ace-coap introspect` */
export async function introspectCommand(input: string, flags: IntrospectFlags): Promise<void> {
  const token = await inputBytes(input);
  const response: IntrospectionResponse = await waiting('introspection', flags.verbose, async (note) => {
    const { client, as } = await openAsRs(flags.config, { verbose: flags.verbose === true, note, tls: flags });
    try {
      return await client.introspect(token, { as, ...milliseconds(flags.timeout) });
    } finally {
      await client.close();
    }
  });
  const wireNames: Readonly<Record<string, { readonly name: string }>> = introspectionParameters;
  const fields = Object.fromEntries(Object.entries(response).map(([field, value]) => [wireNames[field]?.name ?? field, plain(field, value)]));
  if (flags.json) console.log(JSON.stringify(fields));
  else
    for (const [name, value] of Object.entries(fields))
      console.log(`${out('bold', name.padEnd(12))} ${typeof value === 'string' ? value : JSON.stringify(value)}`);
  if (!response.active) process.exitCode = ExitCode.refused;
}
