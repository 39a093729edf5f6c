import { ClientCredentials, type KeyInfoRequest, KeyManagementClient, KeyRecordsClient, OpenIdSimC } from '../../../../profiles/seal/https/index.ts';
import { type KeyMaterial, type KeyQuestion, kmScope } from '../../../../profiles/seal/index.ts';
import { fromUtf8 } from '../../../core/bytes.ts';
import { loadClientConfig } from '../../../operate/index.ts';
import { openStore } from '../../../store/index.ts';
import { configPath } from '../../config-path.ts';
import { UsageError } from '../../exit.ts';
import { readInput } from '../../input.ts';
import { milliseconds } from '../../request.ts';
import { tlsFiles } from '../../socket.ts';
import { err, waiting } from '../../terminal.ts';
import { type IdentityFlags, identityFields, identityOf, type KmGetFlags, type OutputFlags, printKeyMaterial } from './key-material.ts';

/** `ace-coap km get` from a key management server over HTTPS: with the token of the VAL user who is logged in, or of the client itself. */
export async function askOverHttps(flags: KmGetFlags, uri: string, question: KeyQuestion): Promise<KeyMaterial> {
  for (const name of ['audience', 'username', 'proxy', 'post'] as const)
    if (flags[name] !== undefined) throw new UsageError(`--${name}: expected it with a server over CoAP alone, got it for ${uri}`);
  const { seal, store: place, file } = loadClientConfig(configPath(flags.config));
  if (seal?.openid === undefined) throw new UsageError(`${file}: expected a section seal.openid, got none`);
  const { ca, ...openid } = seal.openid;
  const tls = ca === undefined ? {} : { ca };
  const store = await openStore(place);
  try {
    const simC = new OpenIdSimC({ ...openid, store, tls });
    const own = new ClientCredentials({ ...openid, scope: kmScope, tls });
    const token = (): Promise<string> => (flags.clientCredentials === true ? own.token() : simC.accessToken());
    return await new KeyManagementClient({ token, tls }).requestKeys({ ...question, uri, ...(flags.timeout === undefined ? {} : milliseconds(flags.timeout)) });
  } finally {
    await store.close();
  }
}

export interface KmRecordsFlags extends Omit<IdentityFlags, 'client'>, OutputFlags {
  readonly service: string;
  readonly cert: string;
  readonly key: string;
  readonly ca?: string;
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecretFile: string;
  readonly resource?: string;
  readonly timeout?: number;
}

/** `ace-coap seal km records` */
export async function kmRecordsCommand(apiRoot: string, flags: KmRecordsFlags): Promise<void> {
  const { service: serviceId, issuer, clientId, resource, timeout } = flags;
  for (const [name, uri] of [['api root', apiRoot] as const, ['--issuer', issuer] as const])
    if (!/^https:\/\/[^\s?#@]+$/.test(uri)) throw new UsageError(`${name}: expected a URI of https, got ${JSON.stringify(uri)}`);
  const tls = await tlsFiles(flags);
  const { ca } = tls;
  const clientSecret = fromUtf8(await readInput(flags.clientSecretFile)).trimEnd();
  const trust = ca === undefined ? {} : { ca };
  const credentials = new ClientCredentials({ issuer, clientId, clientSecret, scope: kmScope, tls: trust, ...(resource === undefined ? {} : { resource }) });
  const client = new KeyRecordsClient({ apiRoot, token: () => credentials.token(), tls });
  const identity = identityOf(flags) as KeyInfoRequest['identity'];
  const request: KeyInfoRequest = { serviceId, ...(identity === undefined ? {} : { identity }), ...(timeout === undefined ? {} : milliseconds(timeout)) };
  const { userUri, sKmsId, payload } = await waiting(`keys of ${serviceId}`, flags.json, () => client.keyInfo(request));
  const about = { service: serviceId, ...identityFields(identity), user_uri: userUri, ...(sKmsId === undefined ? {} : { skms_id: sKmsId }) };
  if (flags.json !== true) console.error(err('dim', `${payload.length} bytes of key material for ${userUri}`));
  printKeyMaterial(payload, about, flags);
}
