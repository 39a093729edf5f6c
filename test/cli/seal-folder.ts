import { join } from 'node:path';
import { freePort } from '../support/ports.ts';
import { aceExits, type Run } from './lab.ts';

/** What `ace-coap seal init` makes, with ports that are free now. */
export interface SealFolder {
  readonly path: string;
  readonly ports: Readonly<Record<'as' | 'rs' | 'asHttps' | 'capif' | 'capifCore' | 'msgin5g', number>>;
  /** What it printed. */
  readonly run: Run;
}

/** Run `ace-coap seal init`. */
export async function sealInit(path: string, udp: { readonly as?: number; readonly rs?: number } = {}): Promise<SealFolder> {
  const { as = await freePort(), rs = await freePort() } = udp;
  const [asHttps, rsHttps, crl, capif, capifCore, msgin5g] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const flags = {
    '--as-port': as,
    '--rs-port': rs,
    '--as-https-port': asHttps,
    '--rs-https-port': rsHttps,
    '--crl-port': crl,
    '--capif-port': capif,
    '--capif-core-port': capifCore,
    '--msgin5g-port': msgin5g,
  };
  const run = await aceExits(0, ['seal', 'init', path, ...Object.entries(flags).flatMap(([flag, port]) => [flag, `${port}`])]);
  return { path, ports: { as, rs, asHttps, capif, capifCore, msgin5g }, run };
}

/** Of a folder. */
export const inFolder = ({ path }: SealFolder, ...names: readonly string[]): string => join(path, ...names);
