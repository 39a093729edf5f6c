import { generateKeyPairSync } from 'node:crypto';
import { join, relative } from 'node:path';
import { deriveAnchor } from '../../../profiles/seal/akma/index.ts';
import { hashSecret, setPassword } from '../../as/index.ts';
import { toBase64Url, toHex, utf8 } from '../../core/bytes.ts';
import { systemEnv } from '../../core/env.ts';
import { capifNames, type SealHttpsLab, valServerName, writeSealLab } from '../../operate/index.ts';
import { LabAuthority } from '../../pki/index.ts';
import { openStore } from '../../store/index.ts';
import { UsageError } from '../exit.ts';
import { out } from '../terminal.ts';

export interface SealInitFlags {
  readonly asPort?: number;
  readonly rsPort?: number;
  readonly asHttpsPort?: number;
  readonly rsHttpsPort?: number;
  readonly capifPort?: number;
  readonly capifCorePort?: number;
  readonly msgin5gPort?: number;
}

/** The VAL user of the lab. */
const user = 'anna@val.example';
/** The subscriber whose UE registers at MSGin5G. */
const supi = 'imsi-001010000000001';

/** `ace-coap seal init` */
export async function sealInitCommand(folder: string, flags: SealInitFlags): Promise<void> {
  const { asPort = 5783, rsPort = 5683 } = flags;
  if (asPort === rsPort) throw new UsageError(`--as-port and --rs-port: expected two ports, got ${rsPort} twice`);
  const ports = tcpPorts(flags);
  const { random } = systemEnv;
  const https = await makeHttps(ports);
  const files = await writeSealLab(folder, { random, asPort, rsPort, https });
  const store = await openStore(join(folder, 'state', 'as'));
  try {
    await setPassword(store, random, user, https.password);
  } finally {
    await store.close();
  }
  for (const file of files) console.log(`${out('green', 'made')} ${relative(process.cwd(), file)}`);
  const password = join(folder, 'keys', 'anna.password');
  console.log(
    `\nNext, in three terminals:\n  ace-coap as ${folder}\n  ace-coap rs ${folder}\n  ace-coap get coap://127.0.0.1:${rsPort}/notes --config ${folder}` +
      `\nAnd over HTTPS, for ${user}, whose password is in ${password}:\n  ace-coap seal login --username ${user} --password-file ${password} --config ${folder}` +
      `\nAs an API invoker of CAPIF, with the core function in a terminal of its own:\n  ace-coap seal capif core ${folder}\n  ace-coap seal capif invoke ` +
      `https://127.0.0.1:${ports.capif}/su-san/v1/anchors --aef seal1 --api spatial-anchors --config ${folder}` +
      `\nAs a UE over TLS with a key of its SIM, with the AAnF in a terminal of its own:\n  ace-coap seal akma aanf --subscribers ${join(folder, 'keys', 'subscribers.jsonl')} ` +
      `--listen 127.0.0.1:8090\n  ace-coap seal msgin5g register coaps+tcp://127.0.0.1:${ports.msgin5g}/msgin5g --service-id meter1 --fqdn msgin5g.val.example ` +
      `--supi ${supi} --kausf @${join(folder, 'keys', 'ue1.kausf')}`,
  );
}

type Ports = Readonly<Record<'as' | 'rs' | 'capif' | 'capifCore' | 'msgin5g', number>>;

/** All of 127.0.0.1, and so different. */
function tcpPorts({ asHttpsPort = 10_443, rsHttpsPort = 10_444, capifPort = 10_445, capifCorePort = 10_446, msgin5gPort = 5687 }: SealInitFlags): Ports {
  const named = {
    '--as-https-port': asHttpsPort,
    '--rs-https-port': rsHttpsPort,
    '--capif-port': capifPort,
    '--capif-core-port': capifCorePort,
    '--msgin5g-port': msgin5gPort,
  };
  const entries = Object.entries(named);
  entries.forEach(([flag, port], index) => {
    const other = entries.slice(0, index).find(([, taken]) => taken === port);
    if (other !== undefined) throw new UsageError(`${other[0]} and ${flag}: expected two ports, got ${port} twice`);
  });
  return { as: asHttpsPort, rs: rsHttpsPort, capif: capifPort, capifCore: capifCorePort, msgin5g: msgin5gPort };
}

/** Certificates, keys and secrets, fresh. */
async function makeHttps({ as: asPort, rs: rsPort, ...ports }: Ports): Promise<SealHttpsLab> {
  const { random } = systemEnv;
  const authority = await LabAuthority.make('ACE CoAP lab', systemEnv);
  const server = (commonName: string): Promise<{ cert: string; key: string }> =>
    authority.issue({ commonName, names: ['127.0.0.1', '::1'].map((value) => ({ type: 'ip', value })), usage: ['server'] });
  const both = (commonName: string, name: string): Promise<{ cert: string; key: string }> =>
    authority.issue({
      commonName,
      names: [...['127.0.0.1', '::1'].map((value) => ({ type: 'ip', value }) as const), { type: 'dns', value: name }],
      usage: ['server', 'client'],
    });
  const signingKey = (): string => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  const secret = async (): Promise<SealHttpsLab['app']> => {
    const text = toBase64Url(random(24));
    return { secret: text, hash: await hashSecret(utf8(text), random) };
  };
  return {
    asPort,
    rsPort,
    ca: authority.cert,
    simS: await server('SIM-S'),
    sealServer: await server('SEAL server'),
    valServer: await authority.issue({ commonName: 'VAL server', names: [{ type: 'dns', value: valServerName }], usage: ['client'] }),
    tokenKey: signingKey(),
    app: await secret(),
    val: await secret(),
    password: toBase64Url(random(12)),
    capif: {
      port: ports.capif,
      corePort: ports.capifCore,
      aef: await both('SEAL server of CAPIF', capifNames.aef),
      core: await both('CAPIF core function', capifNames.core),
      signingKey: signingKey(),
    },
    msgin5g: { port: ports.msgin5g, ...subscriberOf(random(32)) },
  };
}

/** What the AAnF and the UE have after a primary authentication. */
function subscriberOf(kAusf: Uint8Array): Omit<SealHttpsLab['msgin5g'], 'port'> {
  const { aKid, kAkma } = deriveAnchor({ kAusf, supi, routingIndicator: '0', homeNetwork: '5gc.mnc001.mcc001.3gppnetwork.org' });
  return { supi, subscriber: JSON.stringify({ a_kid: aKid, k_akma: toHex(kAkma), supi }), kAusf: toHex(kAusf) };
}
