import { AceError, encodeTokenResponse, type IntrospectionResponse, introspectionParameters } from '../ace/index.ts';
import type { AuthorizationGrant } from '../client/index.ts';
import { toHex } from '../core/bytes.ts';
import { decode, Tagged } from '../core/cbor.ts';
import { ProtocolError } from '../core/errors.ts';
import { printable, printableJson } from '../core/printable.ts';
import { annotateCbor, tokenNames } from '../inspect/index.ts';
import { ExitCode, UsageError } from './exit.ts';
import { inputBytes } from './input.ts';
import { passwordOf } from './password/prompt.ts';
import { milliseconds, proxyOf } from './request.ts';
import { openAsRs, openConfigured } from './session.ts';
import type { TlsFlags } from './socket.ts';
import { err, out, waiting } from './terminal.ts';

export interface TokenFlags extends TlsFlags {
  readonly config: string;
  readonly audience: string;
  readonly scope?: string;
  readonly as?: string;
  readonly refresh?: boolean;
  readonly code?: string;
  readonly redirectUri?: string;
  readonly username?: string;
  readonly passwordFile?: string;
  readonly proxy?: string;
  readonly timeout?: number;
  readonly json?: boolean;
  readonly verbose?: boolean;
}

/** What of the refusals comes of the command line, by the option that it is about. */
const wrongUse: ReadonlyMap<string, string> = new Map([
  ['ERR_ACE_AS_NOT_ALLOWED', '--as'],
  ['ERR_ACE_NO_REFRESH_TOKEN', '--refresh'],
]);

/** `ace-coap token` */
export async function tokenCommand(flags: TokenFlags): Promise<void> {
  const { config, audience, scope, as } = flags;
  const grant = await grantOf(flags);
  const response = await waiting(`token for ${audience}`, flags.verbose, async (note) => {
    const { client, config: defaults } = await openConfigured(config, { verbose: flags.verbose === true, note, tls: flags, ...proxyOf(flags) });
    const { timeout = defaults.timeout } = flags;
    try {
      return await client.token({
        audience,
        ...(scope === undefined ? {} : { scope }),
        ...(as === undefined ? {} : { as }),
        ...(flags.refresh === undefined ? {} : { refresh: flags.refresh }),
        ...(grant === undefined ? {} : { grant }),
        ...milliseconds(timeout),
      });
    } catch (error) {
      const flag = error instanceof AceError ? wrongUse.get(error.code) : undefined;
      if (!(error instanceof AceError) || flag === undefined) throw error;
      throw new UsageError(`${flag}: ${error.message}`, { code: error.code });
    } finally {
      await client.close();
    }
  });
  if (flags.json) {
    const { accessToken, expiresIn, scope: granted, aceProfile, refreshToken } = response;
    const scopeText = granted instanceof Uint8Array ? toHex(granted) : granted;
    console.log(
      printableJson({
        access_token: toHex(accessToken),
        token_bytes: accessToken.length,
        expires_in: expiresIn,
        scope: scopeText,
        ace_profile: aceProfile,
        refreshable: refreshToken !== undefined,
      }),
    );
    return;
  }
  console.error(err('dim', `token response, ${response.accessToken.length} bytes of them the token:`));
  // The store keeps the refresh token; it stands on no screen.
  const { refreshToken, ...shown } = response;
  console.log(annotateCbor(encodeTokenResponse(shown), tokenNames).join('\n'));
  console.log(`\n${out('bold', 'access token:')} ${toHex(response.accessToken)}`);
  if (refreshToken !== undefined) console.error(err('dim', 'a refresh token came with it and is kept: --refresh gets the next token by it'));
}

/** What the options give to show for a token; a password never stands on the command line itself. */
async function grantOf({ refresh, code, redirectUri, username, passwordFile }: TokenFlags): Promise<AuthorizationGrant | undefined> {
  const given = [refresh === true, code !== undefined, username !== undefined].filter(Boolean).length;
  if (given > 1) throw new UsageError('--refresh, --code and --username: expected at most one of them, got several');
  if (passwordFile !== undefined && username === undefined) throw new UsageError('--password-file: expected --username with it, got none');
  if (redirectUri !== undefined && code === undefined) throw new UsageError('--redirect-uri: expected --code with it, got none');
  if (code !== undefined) return { code: await inputBytes(code), ...(redirectUri === undefined ? {} : { redirectUri }) };
  return username === undefined ? undefined : { username, password: await passwordOf(username, passwordFile) };
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
  if (flags.json) console.log(printableJson(fields));
  else
    for (const [name, value] of Object.entries(fields))
      console.log(`${out('bold', name.padEnd(12))} ${printable(typeof value === 'string' ? value : JSON.stringify(value))}`);
  if (!response.active) process.exitCode = ExitCode.refused;
}
