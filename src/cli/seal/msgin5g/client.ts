import { akmaCredentials, akmaTlsSchemes, Msgin5gClient, type Msgin5gClientOptions, type UeAnchor, uaStarTls12 } from '../../../../profiles/seal/akma/index.ts';
import { ContentFormat, parseUri } from '../../../coap/index.ts';
import { CoapClient, type CoapClientOptions, dtlsSchemes, type TlsPskSuite } from '../../../transport/index.ts';
import { UsageError } from '../../exit.ts';
import { keyLogOfEnvironment } from '../../key-log.ts';
import { milliseconds } from '../../request.ts';
import { out, waiting } from '../../terminal.ts';
import { type AnchorFlags, anchorOfFlags } from '../akma/anchor.ts';

export interface Msgin5gClientFlags extends AnchorFlags {
  readonly serviceId: string;
  readonly fqdn?: string;
  readonly suite: TlsPskSuite;
  readonly identityPrefix?: string;
  readonly cbor?: boolean;
  readonly timeout?: number;
  readonly json?: boolean;
}

/** TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256, the one suite with a key that `seal-strict` has. */
const dtlsProtocol = uaStarTls12(0xd001);

/** `ace-coap seal msgin5g register`, `deregister` */
export async function msgin5gClientCommand(name: 'register' | 'deregister', uri: string, flags: Msgin5gClientFlags): Promise<void> {
  const { scheme } = parseUri(uri);
  if (scheme !== 'coaps' && scheme !== 'coaps+tcp') throw new UsageError(`uri: expected coaps://... or coaps+tcp://..., got "${uri}"`);
  const anchor = await anchorOfFlags(flags);
  const { serviceId: ueServiceId, cbor, timeout, json } = flags;
  const client = new CoapClient(scheme === 'coaps' ? overDtls(anchor, flags) : overTls(anchor, flags));
  try {
    const request: Msgin5gClientOptions['request'] = (to, init) => client.request(to, { ...init, ...milliseconds(timeout) });
    const ue = new Msgin5gClient({ request, uri, anchor: () => anchor, ueServiceId, contentFormat: cbor === true ? ContentFormat.Cbor : ContentFormat.Json });
    const answer = await waiting(`${name} ${ueServiceId}`, json, () => ue[name]());
    const { expiresIn } = answer;
    if (json === true) {
      const lasting = expiresIn === undefined ? {} : { expires_in: expiresIn };
      console.log(JSON.stringify({ done: name, ue_service_id: ueServiceId, transport: scheme === 'coaps' ? 'DTLS' : 'TLS', a_kid: anchor.aKid, ...lasting }));
    } else if (name === 'register') console.log(`${out('green', 'registered')} ${ueServiceId}${expiresIn === undefined ? '' : ` for ${expiresIn} s`}`);
    else console.log(`${out('green', 'deregistered')} ${ueServiceId}`);
  } finally {
    await client.close();
  }
}

function identityOf(anchor: UeAnchor, { fqdn, identityPrefix }: Msgin5gClientFlags) {
  return {
    anchor: () => anchor,
    ...(fqdn === undefined ? {} : { fqdn }),
    ...(identityPrefix === undefined ? {} : { prefix: identityPrefix }),
  };
}

function overDtls(anchor: UeAnchor, flags: Msgin5gClientFlags): CoapClientOptions {
  const keyLog = keyLogOfEnvironment();
  const client = { suites: 'seal-strict' as const, ...(keyLog === undefined ? {} : { keyLog }) };
  return { schemes: dtlsSchemes({ credentials: akmaCredentials({ ...identityOf(anchor, flags), protocol: dtlsProtocol }), client }) };
}

function overTls(anchor: UeAnchor, flags: Msgin5gClientFlags): CoapClientOptions {
  return { schemes: akmaTlsSchemes({ ...identityOf(anchor, flags), suite: flags.suite }) };
}
