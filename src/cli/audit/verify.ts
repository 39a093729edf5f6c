import { type Anchor, anchorsIn, verifyAudit } from '../../operate/index.ts';
import { openStore } from '../../store/index.ts';
import { ExitCode } from '../exit.ts';
import { out } from '../terminal.ts';
import { auditPlace, checkFolder, noLogIn } from './folder.ts';

export interface VerifyFlags {
  readonly config?: string;
  readonly store?: string;
  readonly json?: boolean;
}

/** To verify is to read: a store that is not there is not made. */
async function readAnchors(place: string): Promise<readonly Anchor[]> {
  const store = await openStore(place, { create: false });
  try {
    return await anchorsIn(store);
  } finally {
    await store.close();
  }
}

/** `ace-coap audit verify` */
export async function verifyCommand(named: string | undefined, { config, store: other, json }: VerifyFlags): Promise<void> {
  const { folder, store = other } = auditPlace(named, config);
  const anchors = store === undefined ? [] : await readAnchors(store);
  checkFolder(folder);
  const { chains, problems, notes } = await verifyAudit(folder, anchors);
  if (chains.length + problems.length === 0) throw noLogIn(folder);
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
