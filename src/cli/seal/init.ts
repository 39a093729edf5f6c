import { generateKeyPairSync } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { deriveAnchor } from '../../../profiles/seal/akma/index.ts';
import { DeviceRegistry } from '../../../profiles/seal/https/index.ts';
import { hashSecret, setPassword } from '../../as/index.ts';
import { toBase64Url, toHex, utf8 } from '../../core/bytes.ts';
import { systemEnv } from '../../core/env.ts';
import { capifNames, labDevice, labScsAs, labScsAsName, type SealHttpsLab, type SealT8Lab, valServerName, writeSealLab } from '../../operate/index.ts';
import { type CertificateInit, type IssuedCertificate, LabAuthority } from '../../pki/index.ts';
import { openStore, type Store } from '../../store/index.ts';
import { UsageError } from '../exit.ts';
import { sayMade } from '../made.ts';
import { crlPath } from './https/crl.ts';

export interface SealInitFlags {
  readonly asPort?: number;
  readonly rsPort?: number;
  readonly meterPort?: number;
  readonly asHttpsPort?: number;
  readonly rsHttpsPort?: number;
  readonly capifPort?: number;
  readonly capifCorePort?: number;
  readonly msgin5gPort?: number;
  readonly t8Port?: number;
  readonly json?: boolean;
  readonly notifyPort?: number;
  readonly crlPort?: number;
}

/** The VAL user of the lab. */
const user = 'anna@val.example';
/** The subscriber whose UE registers at MSGin5G, and that of the device behind the T8 gateway, which stays inside; in the network for tests (ITU-T E.212). */
const supi = 'imsi-001010000000001';
const supiOfDevice = 'imsi-001010000000002';

interface Ports {
  readonly udp: Readonly<Record<'as' | 'rs' | 'meter', number>>;
  readonly tcp: Readonly<Record<'as' | 'rs' | 'capif' | 'capifCore' | 'msgin5g' | 't8' | 'notify' | 'crl', number>>;
}

/** All of 127.0.0.1, and so different. */
function portsOf({
  asPort = 5783,
  rsPort = 5683,
  meterPort = 5685,
  asHttpsPort = 10_443,
  rsHttpsPort = 10_444,
  capifPort = 10_445,
  capifCorePort = 10_446,
  msgin5gPort = 5687,
  t8Port = 10_447,
  notifyPort = 10_448,
  crlPort = 10_449,
}: SealInitFlags): Ports {
  distinct({ '--as-port': asPort, '--rs-port': rsPort, '--meter-port': meterPort });
  distinct({
    '--as-https-port': asHttpsPort,
    '--rs-https-port': rsHttpsPort,
    '--capif-port': capifPort,
    '--capif-core-port': capifCorePort,
    '--msgin5g-port': msgin5gPort,
    '--t8-port': t8Port,
    '--notify-port': notifyPort,
    '--crl-port': crlPort,
  });
  return {
    udp: { as: asPort, rs: rsPort, meter: meterPort },
    tcp: { as: asHttpsPort, rs: rsHttpsPort, capif: capifPort, capifCore: capifCorePort, msgin5g: msgin5gPort, t8: t8Port, notify: notifyPort, crl: crlPort },
  };
}

function distinct(ports: Readonly<Record<string, number>>): void {
  const entries = Object.entries(ports);
  entries.forEach(([flag, port], index) => {
    const other = entries.slice(0, index).find(([, taken]) => taken === port);
    if (other !== undefined) throw new UsageError(`${other[0]} and ${flag}: expected two ports, got ${port} twice`);
  });
}

/** `ace-coap seal init` */
export async function sealInitCommand(folder: string, flags: SealInitFlags): Promise<void> {
  const ports = portsOf(flags);
  const { random } = systemEnv;
  const https = await makeHttps(ports);
  const isThere = existsSync(folder);
  const files = await writeSealLab(folder, { random, asPort: ports.udp.as, rsPort: ports.udp.rs, https });
  try {
    await inStore(folder, 'as', (store) => setPassword(store, random, user, https.password));
    await inStore(folder, 't8', (store) =>
      new DeviceRegistry(store).put({ externalId: labDevice, supi: supiOfDevice, uri: `coap://127.0.0.1:${ports.udp.meter}` }),
    );
  } catch (error) {
    // A lab without its users is none; none of it was there before.
    for (const path of isThere ? [...files, ...['keys', 'tls', 'state'].map((name) => join(folder, name))] : [folder])
      rmSync(path, { recursive: true, force: true });
    throw error;
  }
  const password = join(folder, 'keys', 'anna.password');
  sayMade(
    files,
    `Next, in three terminals:\n  ace-coap as ${folder}\n  ace-coap rs ${folder}\n  ace-coap get coap://127.0.0.1:${ports.udp.rs}/notes --config ${folder}` +
      `\nAnd over HTTPS, for ${user}, whose password is in ${password}:\n  ace-coap seal login --username ${user} --password-file ${password} --config ${folder}` +
      `\nAs an API invoker of CAPIF, with the core function in a terminal of its own:\n  ace-coap seal capif core ${folder}\n  ace-coap seal capif invoke ` +
      `https://127.0.0.1:${ports.tcp.capif}/su-san/v1/anchors --aef seal1 --api spatial-anchors --config ${folder}` +
      `\nAs a UE over TLS with a key of its SIM, with the AAnF in a terminal of its own:\n  ace-coap seal akma aanf --subscribers ${join(folder, 'keys', 'subscribers.jsonl')} ` +
      `--listen 127.0.0.1:8090\n  ace-coap seal msgin5g register coaps+tcp://127.0.0.1:${ports.tcp.msgin5g}/msgin5g --service-id meter1 --fqdn msgin5g.val.example ` +
      `--supi ${supi} --kausf @${join(folder, 'keys', 'ue1.kausf')}` +
      `\nAnd over T8, beside "ace-coap as ${folder}", in three more:\n  ace-coap rs ${join(folder, 'meter.yaml')}\n  ace-coap seal t8 serve ${folder}\n  ${triggerCommand(folder, ports)}`,
    flags.json,
  );
}

/** How the SCS/AS of the lab triggers the device of the lab. */
function triggerCommand(folder: string, { tcp }: Ports): string {
  const file = (place: string, name: string): string => join(folder, place, name);
  return [
    `ace-coap seal t8 trigger https://127.0.0.1:${tcp.t8} ${labDevice} --text 'wake up' --scs-as ${labScsAs}`,
    `--cert ${file('tls', `${labScsAs}.pem`)} --key ${file('tls', `${labScsAs}.key`)} --ca ${file('tls', 'ca.pem')}`,
    `--issuer https://127.0.0.1:${tcp.as} --client-secret-file ${file('keys', `${labScsAs}.secret`)} --notify 127.0.0.1:${tcp.notify}`,
  ].join(' ');
}

async function inStore(folder: string, name: string, work: (store: Store) => Promise<void>): Promise<void> {
  const store = await openStore(join(folder, 'state', name));
  try {
    await work(store);
  } finally {
    await store.close();
  }
}

/** Certificates, keys and secrets, fresh. */
async function makeHttps({ tcp, udp }: Ports): Promise<SealHttpsLab> {
  const { random } = systemEnv;
  const authority = await LabAuthority.make('ACE CoAP lab', systemEnv);
  const issue = (commonName: string, names: CertificateInit['names'], ...usage: CertificateInit['usage']): Promise<IssuedCertificate> =>
    authority.issue({ commonName, names, usage, crl: `http://127.0.0.1:${tcp.crl}${crlPath}` });
  const here = [{ type: 'dns', value: 'localhost' } as const, ...['127.0.0.1', '::1'].map((value) => ({ type: 'ip', value }) as const)];
  /** Of what calls, and is called. */
  const both = (commonName: string, name: string): Promise<IssuedCertificate> => issue(commonName, [{ type: 'dns', value: name }, ...here], 'client', 'server');
  const t8: SealT8Lab = {
    port: tcp.t8,
    notifyPort: tcp.notify,
    devicePort: udp.meter,
    scef: await issue('SCEF', here, 'server', 'client'),
    scsAs: await both('SCS/AS', labScsAsName),
    tokenKey: signingKey(),
    secret: await freshSecret(),
  };
  return {
    asPort: tcp.as,
    rsPort: tcp.rs,
    ca: authority.cert,
    crl: await authority.crl(),
    crlPort: tcp.crl,
    simS: await issue('SIM-S', here, 'server'),
    sealServer: await issue('SEAL server', here, 'server'),
    valServer: await issue('VAL server', [{ type: 'dns', value: valServerName }], 'client'),
    tokenKey: signingKey(),
    app: await freshSecret(),
    val: await freshSecret(),
    password: toBase64Url(random(12)),
    capif: {
      port: tcp.capif,
      corePort: tcp.capifCore,
      aef: await both('SEAL server of CAPIF', capifNames.aef),
      core: await both('CAPIF core function', capifNames.core),
      signingKey: signingKey(),
    },
    msgin5g: { port: tcp.msgin5g, ...subscriberOf(random(32)) },
    t8,
  };
}

/** What the AAnF and the UE have after a primary authentication. */
function subscriberOf(kAusf: Uint8Array): Omit<SealHttpsLab['msgin5g'], 'port'> {
  const { aKid, kAkma } = deriveAnchor({ kAusf, supi, routingIndicator: '0', homeNetwork: '5gc.mnc001.mcc001.3gppnetwork.org' });
  return { supi, subscriber: JSON.stringify({ a_kid: aKid, k_akma: toHex(kAkma), supi }), kAusf: toHex(kAusf) };
}

function signingKey(): string {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
}

/** Nobody guesses 24 random bytes, however fast: a higher cost would make only the server slow. */
const costOfRandom = { N: 2 ** 10, r: 8, p: 1 };

async function freshSecret(): Promise<SealHttpsLab['app']> {
  const secret = toBase64Url(systemEnv.random(24));
  return { secret, hash: await hashSecret(utf8(secret), systemEnv.random, costOfRandom) };
}
