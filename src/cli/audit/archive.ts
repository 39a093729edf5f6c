import { systemEnv } from '../../core/env.ts';
import { archiveAudit } from '../../operate/index.ts';
import { UsageError } from '../exit.ts';
import { version } from '../version.ts';
import { type AuditPlaceFlags, auditPlace } from './folder.ts';
import { withStore } from './store.ts';

export interface ArchiveFlags extends AuditPlaceFlags {
  readonly folder?: string;
  /** ISO 8601, UTC. */
  readonly before?: string;
  /** Days. */
  readonly olderThan?: number;
  readonly json?: boolean;
}

const day = 86_400_000;

/** `ace-coap audit archive` */
export async function archiveCommand(archive: string, { folder: named, before, olderThan, json, ...flags }: ArchiveFlags): Promise<void> {
  if (named !== undefined && flags.config !== undefined) throw new UsageError('expected --folder or --config, got both');
  const { folders, store: place } = auditPlace(named === undefined ? [] : [named], flags);
  const folder = folders[0]!;
  if (place === undefined) throw new UsageError('--folder: expected --store beside it, got none: what leaves stands in the store, or verify would miss it');
  if ((before === undefined) === (olderThan === undefined)) throw new UsageError('expected one of --before and --older-than, got both or none');
  const limit = before ?? new Date(systemEnv.epoch() * 1000 - olderThan! * day).toISOString();
  const { files, notes } = await withStore(place, (store) =>
    archiveAudit({ folder, archive, before: limit, store, version, ...(json ? {} : { moved: ({ file }) => console.log(`${file} to ${archive}`) }) }),
  );
  if (json) {
    console.log(JSON.stringify({ before: limit, files, notes }));
    return;
  }
  for (const note of notes) console.log(`note ${note}`);
  console.log(`${files.length} files archived that ended before ${limit}`);
}
