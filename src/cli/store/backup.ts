import { restoreRules } from '../../operate/index.ts';
import { backupStore, openStore, restoreStore, type Store } from '../../store/index.ts';
import { out, waiting } from '../terminal.ts';
import { twoStores } from './names.ts';

export interface BackupFlags {
  readonly json?: boolean;
}

export interface RestoreFlags extends BackupFlags {
  readonly skip: number;
}

/** Open both for as long as `work` takes. @param unfinished - whether the first is none that servers use */
async function withStores<T>(from: string, to: string, unfinished: boolean, work: (from: Store, to: Store) => Promise<T>): Promise<T> {
  const source = await openStore(from, { create: false, unfinished });
  try {
    const target = await openStore(to, { unfinished: true });
    try {
      return await work(source, target);
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

/** `ace-coap store backup` */
export async function backupCommand(from: string, to: string, { json }: BackupFlags): Promise<void> {
  const names = twoStores(from, to);
  const backup = await waiting('copying', json, (note) =>
    withStores(from, to, false, (source, target) => backupStore(source, target, { progress: (entries) => note(`copying: ${entries} entries`) })),
  );
  if (json) console.log(JSON.stringify({ ...names, ...backup }));
  else console.log(`${out('green', 'backed up')}: ${backup.entries} entries, as they stood at ${backup.time}\nfrom ${names.from}\nto   ${names.to}`);
}

/** `ace-coap store restore` */
export async function restoreCommand(backup: string, to: string, { skip, json }: RestoreFlags): Promise<void> {
  const names = twoStores(backup, to);
  const restored = await waiting('copying', json, (note) =>
    withStores(backup, to, true, (source, target) =>
      restoreStore(source, target, { rules: restoreRules, skip, progress: (entries) => note(`copying: ${entries} entries`) }),
    ),
  );
  if (json) {
    console.log(JSON.stringify({ ...names, ...restored, skip }));
    return;
  }
  const { time, entries, counters, dropped } = restored;
  console.log(
    `${out('green', 'restored')}: ${entries} entries of ${time}; ${counters} counters go on ${skip} further, ${dropped} entries that are good once did not come back`,
  );
  console.log(`from ${names.from}\nto   ${names.to}\nRevocations that were made since then have to be made again.`);
}
