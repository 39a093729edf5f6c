import { expectUnserved } from '../../operate/index.ts';
import { type Migrated, migrateStore, openStore } from '../../store/index.ts';
import { out, waiting } from '../terminal.ts';
import { twoStores } from './names.ts';

export interface MigrateFlags {
  readonly force?: boolean;
  readonly json?: boolean;
}

/** `ace-coap store migrate` */
export async function migrateCommand(from: string, to: string, { force = false, json }: MigrateFlags): Promise<void> {
  const { from: source, to: target } = twoStores(from, to);
  const old = await openStore(from, { create: false });
  let migrated: Migrated;
  try {
    const fresh = await openStore(to, { unfinished: true });
    try {
      migrated = await waiting('copying', json, async (note) => {
        note('looking for servers that use the stores');
        await Promise.all([old, fresh].map((store) => expectUnserved({ store })));
        return migrateStore(old, fresh, { source, force, progress: (step, entries) => note(`${step}: ${entries} entries`) });
      });
    } finally {
      await fresh.close();
    }
  } finally {
    await old.close();
  }
  if (json) console.log(JSON.stringify({ from: source, to: target, ...migrated }));
  else {
    console.log(`${out('green', 'copied and compared')}: ${migrated.entries} entries, ${migrated.ending} of them end`);
    console.log(`from ${source}, on which no server may be started again\nto   ${target}`);
  }
}
