import { relative } from 'node:path';
import { systemEnv } from '../../core/env.ts';
import { writeSealLab } from '../../operate/index.ts';
import { UsageError } from '../exit.ts';
import { out } from '../terminal.ts';

export interface SealInitFlags {
  readonly asPort?: number;
  readonly rsPort?: number;
}

/** `ace-coap seal init` */
export async function sealInitCommand(folder: string, { asPort = 5783, rsPort = 5683 }: SealInitFlags): Promise<void> {
  if (asPort === rsPort) throw new UsageError(`--as-port and --rs-port: expected two ports, got ${rsPort} twice`);
  const files = await writeSealLab(folder, { random: systemEnv.random, asPort, rsPort });
  for (const file of files) console.log(`${out('green', 'made')} ${relative(process.cwd(), file)}`);
  console.log(
    `\nNext, in three terminals:\n  ace-coap as ${folder}\n  ace-coap rs ${folder}\n  ace-coap get coap://127.0.0.1:${rsPort}/notes --config ${folder}`,
  );
}
