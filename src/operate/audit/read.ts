import { type AuditEntry, parseEntry } from './entry.ts';
import { auditFiles, linesOf } from './files.ts';

/** The entries of an audit log, in one folder or in parts, chain by chain in the order of their beginnings. Lines that are none are left out: `verifyAudit` tells of them. */
export async function* readAudit(...folders: readonly string[]): AsyncGenerator<AuditEntry & { readonly chain: string }, void> {
  for (const { path, chain } of await auditFiles(...folders)) {
    for await (const { text } of linesOf(path)) {
      const entry = parseEntry(text);
      if (entry !== undefined) yield { chain, ...entry };
    }
  }
}
