import { systemEnv } from '../core/env.ts';
import { type LabProfile, writeLab } from '../operate/index.ts';
import { UsageError } from './exit.ts';
import { sayMade } from './made.ts';

export interface InitFlags {
  readonly asPort?: number;
  readonly rsPort?: number;
  readonly profile?: LabProfile;
  readonly json?: boolean;
}

/** `ace-coap init` */
export async function initCommand(folder: string, flags: InitFlags): Promise<void> {
  const { asPort = 5783, rsPort = 5683, profile = 'oscore' } = flags;
  if (asPort === rsPort) throw new UsageError(`--as-port and --rs-port: expected two ports, got ${rsPort} twice`);
  if (profile !== 'oscore' && Math.abs(asPort - rsPort) === 1)
    throw new UsageError(`--as-port and --rs-port: expected ports with another between them, for the sessions, got ${asPort} and ${rsPort}`);
  const files = await writeLab(folder, { random: systemEnv.random, ...flags });
  sayMade(
    files,
    `Next, in three terminals:\n  ace-coap as ${folder}\n  ace-coap rs ${folder}\n  ace-coap get coap://127.0.0.1:${rsPort}/temperature --config ${folder}`,
    flags.json,
  );
}
