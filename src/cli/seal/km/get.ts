import { type KeyMaterial, requestKeys } from '../../../../profiles/seal/index.ts';
import { parseUri } from '../../../coap/index.ts';
import { loadClientConfig } from '../../../operate/index.ts';
import { configPath } from '../../config-path.ts';
import { UsageError } from '../../exit.ts';
import { passwordOf } from '../../password/prompt.ts';
import { milliseconds, proxyOf } from '../../request.ts';
import { openConfigured } from '../../session.ts';
import { err, waiting } from '../../terminal.ts';
import { identityFields, identityOf, type KmGetFlags, printKeyMaterial } from './key-material.ts';

/** `ace-coap km get` */
export async function kmGetCommand(flags: KmGetFlags): Promise<void> {
  const { username, passwordFile, service } = flags;
  if (passwordFile !== undefined && username === undefined) throw new UsageError('--password-file: expected --username with it, got none');
  const grant = username === undefined ? {} : { grant: { username, password: await passwordOf(username, passwordFile) } };
  const material = await waiting(`keys of ${service}`, flags.verbose, (note) => ask(flags, grant, note));
  const { userUri, sKmsUri, sKmsId, identity, dateTime, payload } = material;
  const about = {
    service,
    ...identityFields(identity),
    user_uri: userUri,
    skms_uri: sKmsUri,
    ...(sKmsId === undefined ? {} : { skms_id: sKmsId }),
    date_time: dateTime,
  };
  if (!flags.json) console.error(err('dim', `${payload.length} bytes of key material for ${userUri}`));
  printKeyMaterial(payload, about, flags);
}

async function ask(
  flags: KmGetFlags,
  grant: { readonly grant?: { readonly username: string; readonly password: string } },
  note: (text: string) => void,
): Promise<KeyMaterial> {
  const { config: path, service: serviceId, audience, post } = flags;
  const identity = identityOf(flags);
  const sKmsUri = flags.skms ?? loadClientConfig(configPath(path)).seal?.sKmsUri;
  if (sKmsUri === undefined) throw new UsageError('--skms: expected the URI of the key management server, or seal.skms_uri in the configuration, got none');
  const { uri = sKmsUri } = flags;
  if (/^https:/i.test(uri)) {
    const question = { sKmsUri, serviceId, ...(identity === undefined ? {} : { identity }) };
    return (await import('./https.ts')).askOverHttps(flags, uri, question);
  }
  if (flags.clientCredentials !== undefined) throw new UsageError(`--client-credentials: expected it with a server over HTTPS, got it for ${uri}`);
  const { client, config } = await openConfigured(path, { verbose: flags.verbose === true, note, uri: parseUri(uri), ...proxyOf(flags) });
  try {
    return await requestKeys(client, {
      sKmsUri,
      uri,
      serviceId,
      ...(identity === undefined ? {} : { identity }),
      ...(post ? { method: 'POST' } : {}),
      ...(audience === undefined ? {} : { audience }),
      ...grant,
      ...milliseconds(flags.timeout ?? config.timeout),
    });
  } finally {
    await client.close();
  }
}
