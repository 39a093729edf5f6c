import { generateKeyPairSync } from 'node:crypto';
import { join, relative } from 'node:path';
import { hashSecret, setPassword } from '../../as/index.ts';
import { toBase64Url, utf8 } from '../../core/bytes.ts';
import { systemEnv } from '../../core/env.ts';
import { type SealHttpsLab, valServerName, writeSealLab } from '../../operate/index.ts';
import { LabAuthority } from '../../pki/index.ts';
import { openStore } from '../../store/index.ts';
import { UsageError } from '../exit.ts';
import { out } from '../terminal.ts';

export interface SealInitFlags {
  readonly asPort?: number;
  readonly rsPort?: number;
  readonly asHttpsPort?: number;
  readonly rsHttpsPort?: number;
}

/** The VAL user of the lab. */
const user = 'anna@val.example';

/** `ace-coap seal init` */
export async function sealInitCommand(folder: string, flags: SealInitFlags): Promise<void> {
  const { asPort = 5783, rsPort = 5683, asHttpsPort = 10_443, rsHttpsPort = 10_444 } = flags;
  if (asPort === rsPort) throw new UsageError(`--as-port and --rs-port: expected two ports, got ${rsPort} twice`);
  if (asHttpsPort === rsHttpsPort) throw new UsageError(`--as-https-port and --rs-https-port: expected two ports, got ${rsHttpsPort} twice`);
  const { random } = systemEnv;
  const https = await makeHttps(asHttpsPort, rsHttpsPort);
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
      `\nAnd over HTTPS, for ${user}, whose password is in ${password}:\n  ace-coap seal login --username ${user} --password-file ${password} --config ${folder}`,
  );
}

/** Certificates, keys and secrets, fresh. */
async function makeHttps(asPort: number, rsPort: number): Promise<SealHttpsLab> {
  const { random } = systemEnv;
  const authority = await LabAuthority.make('ACE CoAP lab', systemEnv);
  const server = (commonName: string): Promise<{ cert: string; key: string }> =>
    authority.issue({ commonName, names: ['127.0.0.1', '::1'].map((value) => ({ type: 'ip', value })), usage: ['server'] });
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
    tokenKey: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    app: await secret(),
    val: await secret(),
    password: toBase64Url(random(12)),
  };
}
