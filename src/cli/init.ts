import { relative } from 'node:path';
import { systemEnv } from '../core/env.ts';
import { writeLab } from '../operate/index.ts';
import { UsageError } from './exit.ts';
import { out } from './terminal.ts';

export interface InitFlags {
  readonly asPort?: number;
  readonly rsPort?: number;
}

/** `ace-coap init` */
export async function initCommand(folder: string, flags: InitFlags): Promise<void> {
  if ((flags.asPort ?? 5783) === (flags.rsPort ?? 5683)) throw new UsageError(`--as-port and --rs-port: expected two ports, got ${flags.rsPort ?? 5683} twice`);
  const files = await writeLab(folder, { random: systemEnv.random, ...flags });
  for (const file of files) console.log(`${out('green', 'made')} ${relative(process.cwd(), file)}`);
  console.log(
    `\nNext, in three terminals:\n  ace-coap as ${folder}\n  ace-coap rs ${folder}\n  ace-coap get coap://127.0.0.1:${flags.rsPort ?? 5683}/temperature --config ${folder}`,
  );
}
