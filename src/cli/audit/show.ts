import { printable, printableJson } from '../../core/printable.ts';
import { type AuditEntry, readAudit } from '../../operate/index.ts';
import { out } from '../terminal.ts';
import { auditPlace, noLogIn } from './folder.ts';

export interface ShowFlags {
  readonly config?: string;
  readonly client?: string;
  readonly event?: string;
  /** ISO 8601, UTC. */
  readonly since?: string;
  readonly until?: string;
  readonly json?: boolean;
}

/** An event names a client by its id, by its credential, or both. */
function isAbout(client: string, event: AuditEntry['event']): boolean {
  const names: readonly unknown[] = [client, `client:${client}`];
  return Object.values(event).some((value) => names.includes(value) || (Array.isArray(value) && value.some((member) => names.includes(member))));
}

function isWanted({ time, event }: AuditEntry, flags: ShowFlags): boolean {
  return (
    (flags.client === undefined || isAbout(flags.client, event)) &&
    (flags.event === undefined || event.type === flags.event) &&
    (flags.since === undefined || time >= flags.since) &&
    (flags.until === undefined || time < flags.until)
  );
}

/** `ace-coap audit show` */
export async function showCommand(named: readonly string[], flags: ShowFlags): Promise<void> {
  const { folders } = auditPlace(named, flags);
  let isThere = false;
  for await (const entry of readAudit(...folders)) {
    isThere = true;
    if (!isWanted(entry, flags)) continue;
    const { chain, seq, time, event } = entry;
    if (flags.json) console.log(printableJson({ chain, seq, time, ...event }));
    else {
      const { type, ...fields } = event;
      const rest = Object.entries(fields).map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
      console.log(`${out('dim', printable(time))} ${out('bold', printable(type))}  ${printable(rest.join(' '))}`);
    }
  }
  if (!isThere) throw noLogIn(folders);
}
