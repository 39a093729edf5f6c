import { anchorsIn, verifyAudit } from '../../operate/index.ts';
import { ExitCode } from '../exit.ts';
import { out } from '../terminal.ts';
import { type AuditPlaceFlags, auditPlace, noLogIn } from './folder.ts';
import { withStore } from './store.ts';

export interface VerifyFlags extends AuditPlaceFlags {
  readonly json?: boolean;
}

/** `ace-coap audit verify` */
export async function verifyCommand(named: readonly string[], { json, ...flags }: VerifyFlags): Promise<void> {
  const { folders, store } = auditPlace(named, flags);
  const { chains, problems, notes } = await verifyAudit(folders, store === undefined ? [] : await withStore(store, anchorsIn));
  if (chains.length + problems.length === 0) throw noLogIn(folders);
  if (problems.length > 0) process.exitCode = ExitCode.refused;
  if (json) {
    console.log(JSON.stringify({ valid: problems.length === 0, chains, problems, notes }));
    return;
  }
  for (const { file, line, kind, detail } of problems) console.log(`${out('red', kind)} ${file}${line === 0 ? '' : `:${line}`}: ${detail}`);
  for (const note of notes) console.log(`${out('dim', 'note')} ${note}`);
  const entries = chains.reduce((sum, chain) => sum + chain.entries, 0);
  const unended = chains.filter(({ ended }) => !ended).length;
  const said = `${chains.length} chains, ${entries} entries${unended === 0 ? '' : `; ${unended} without an end: the process runs, or did not end in order`}`;
  console.log(problems.length === 0 ? `${out('green', 'unchanged')}: ${said}` : `${out('red', 'not as it was written')}: ${said}`);
  if (store === undefined) console.log(out('dim', 'without --store a tail that was cut off from the last chain is not noticed'));
}
