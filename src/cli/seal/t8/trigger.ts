import { ClientCredentials, NotificationListener, T8Client, T8Error } from '../../../../profiles/seal/https/index.ts';
import { fromUtf8, utf8 } from '../../../core/bytes.ts';
import { printable, printableJson } from '../../../core/printable.ts';
import { UsageError } from '../../exit.ts';
import { readInput } from '../../input.ts';
import { tlsFiles } from '../../socket.ts';
import { out, waiting } from '../../terminal.ts';

export interface T8TriggerFlags {
  readonly text?: string;
  readonly payload?: string;
  readonly scsAs: string;
  readonly cert: string;
  readonly key: string;
  readonly ca?: string;
  readonly issuer: string;
  readonly clientSecretFile: string;
  readonly scope: string;
  readonly notify: string;
  readonly validity?: number;
  readonly port?: number;
  readonly json?: boolean;
}

/** Milliseconds that a result may take beyond the time that a device has. */
const margin = 10_000;
const validity = 60;

/** `ace-coap seal t8 trigger` */
export async function triggerCommand(apiRoot: string, device: string, flags: T8TriggerFlags): Promise<void> {
  const { scsAs: scsAsId, issuer, scope } = flags;
  for (const [name, uri] of [['api root', apiRoot] as const, ['--issuer', issuer] as const])
    if (!/^https:\/\/[^\s?#@]+$/.test(uri)) throw new UsageError(`${name}: expected a URI of https, got ${JSON.stringify(uri)}`);
  const [, address, digits] = /^(\[[0-9a-f:]+\]|[\w.-]+):(\d{1,5})$/i.exec(flags.notify) ?? [];
  const port = Number(digits);
  if (address === undefined || port < 1 || port > 65_535)
    throw new UsageError(`--notify: expected an address of this host and a port from 1 to 65535, got ${JSON.stringify(flags.notify)}`);
  if ((flags.text === undefined) === (flags.payload === undefined)) throw new UsageError('expected --text or --payload, got both or none of them');
  const payload = flags.text === undefined ? await readInput(flags.payload!) : utf8(flags.text);
  const { ca, cert, key } = await tlsFiles(flags);
  if (cert === undefined || key === undefined) throw new UsageError('--cert and --key: expected both, got one or none of them');
  const trust = ca === undefined ? {} : { ca };
  const clientSecret = fromUtf8(await readInput(flags.clientSecretFile)).trimEnd();
  const credentials = new ClientCredentials({ issuer, clientId: scsAsId, clientSecret, scope, tls: trust });
  const host = { address: address.replace(/^\[|\]$/g, ''), port };
  const listener = await NotificationListener.listen({ ...host, cert, key, ...(ca === undefined ? {} : { clientCa: ca }) });
  try {
    const client = new T8Client({
      apiRoot,
      scsAsId,
      tls: { ...trust, cert, key },
      token: () => credentials.token(),
      notificationDestination: `https://${address}:${listener.port}/t8`,
    });
    const { validity: validityPeriod = validity, port: applicationPortId } = flags;
    const init = { validityPeriod, ...(applicationPortId === undefined ? {} : { applicationPortId }) };
    const named = /^\d+$/.test(device) ? { msisdn: device } : { externalId: device };
    const { status, location, body } = await waiting(`trigger of ${device}`, flags.json, () => client.trigger(named, payload, init));
    if (status !== 201) throw refusal(status, body);
    const isResult = ({ transaction }: Readonly<Record<string, unknown>>): boolean => transaction === location;
    const { result } = await waiting(`result of ${device}`, flags.json, () => listener.next(isResult, validityPeriod * 1000 + margin));
    if (result !== 'SUCCESS') throw new T8Error('ERR_T8_DELIVERY', `expected SUCCESS, got ${String(result)}`, { status: 502 });
    console.log(flags.json === true ? printableJson({ transaction: location, result }) : `${out('green', String(result))} ${printable(String(location))}`);
  } finally {
    await listener.close();
  }
}

function refusal(status: number, body: unknown): T8Error {
  const { detail, cause } = (body ?? {}) as { readonly detail?: string; readonly cause?: string };
  const said = [cause, detail].filter((part) => part !== undefined).join(': ');
  return new T8Error('ERR_T8_DELIVERY', `expected 201, got ${status}${said === '' ? '' : ` (${said})`}`, { status });
}
