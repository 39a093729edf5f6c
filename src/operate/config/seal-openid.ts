import type { ConfigPath } from './error.ts';
import type { ConfigFile } from './file.ts';
import { checkMode, readNamedFile } from './key-file.ts';
import { filePath, matching, name, optional, type Schema, section } from './schema.ts';
import { certificate, readPem } from './tls.ts';

/** The section `openid` of a SIM-C: how it logs VAL users in over HTTPS. */
export interface RawOpenId {
  readonly issuer: string;
  readonly client_id: string;
  readonly client_secret_file: string;
  readonly redirect_uri: string;
  readonly scope?: string;
  readonly ca_file?: string;
}

/** What a SIM-C needs to log VAL users in (TS 33.434, Annex A). */
export interface OpenIdClientConfig {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly redirectUri: string;
  readonly scope?: string;
  /** Whom to trust, in place of those of Node. */
  readonly ca?: Uint8Array;
}

export const openIdSchema: Schema<RawOpenId> = section('a login over HTTPS: issuer, client_id, client_secret_file, redirect_uri, scope, ca_file', {
  issuer: matching('a URI of https', (text) => /^https:\/\/[^\s?#@]+$/.test(text) && URL.canParse(text)),
  client_id: name,
  client_secret_file: filePath,
  redirect_uri: matching('a URI, such as http://127.0.0.1:8731/callback', (text) => URL.canParse(text) && !text.includes('#')),
  scope: optional(matching('scope names with a space between them', (text) => /^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/.test(text))),
  ca_file: optional(filePath),
});

/** @param at - where the section stands in the file */
export function readOpenId(file: ConfigFile, raw: RawOpenId, at: ConfigPath): OpenIdClientConfig {
  const path: ConfigPath = [...at, 'client_secret_file'];
  const secret = readNamedFile(file, path, raw.client_secret_file, { what: 'a file with a secret', largest: 1024 });
  if (secret !== undefined) checkMode(file, path, secret.full, 'a file with a secret');
  const clientSecret = secret?.text.replace(/\r?\n$/, '') ?? '';
  // RFC 6749, Appendix A.2.
  if (secret !== undefined && !/^[\x20-\x7e]+$/.test(clientSecret)) file.problem(path, 'expected a secret of visible characters, got something else');
  const ca = readPem(file, [...at, 'ca_file'], raw.ca_file, certificate);
  return {
    issuer: raw.issuer,
    clientId: raw.client_id,
    clientSecret,
    redirectUri: raw.redirect_uri,
    ...(raw.scope !== undefined && { scope: raw.scope }),
    ...(ca !== undefined && { ca }),
  };
}
