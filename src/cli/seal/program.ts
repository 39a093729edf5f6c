import type { Command } from 'commander';
import { examples } from '../usage.ts';
import { addAkma } from './akma/program.ts';
import { addKeyRecords } from './km/program.ts';

/** `ace-coap seal`: what a deployment of 3GPP SEAL needs beside its servers (TS 33.434). */
export function addSeal(ace: Command): void {
  const seal = ace
    .command('seal')
    .description('what a deployment of 3GPP SEAL needs beside its servers (TS 33.434)')
    .addHelpText('after', examples('ace-coap seal km list --config lab', 'ace-coap seal akma aanf --subscribers subscribers.jsonl'));
  addAkma(seal);
  addKeyRecords(seal);
}
