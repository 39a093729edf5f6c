/**
 * The audit log: entries that only come to be, each bound to the one before by its hash, and their verification.
 *
 * ```ts
 * const log = await AuditLog.open({ folder: './audit', version: '1.0.0', store });
 * await log.append({ type: 'token-issued', client: 'c1' }); // on the disk when this is fulfilled
 * await log.close();
 * const { problems } = await verifyAudit('./audit', await anchorsIn(store)); // [] while nobody touched it
 * ```
 */
export { type Anchor, anchorsIn } from './anchor.ts';
export { type ArchiveAuditOptions, type ArchivedAudit, type ArchivedFile, archiveAudit } from './archive.ts';
export { type AuditFileHandle, AuditLog, type AuditLogOptions } from './audit-log.ts';
export { type AuditEntry, AuditError, type AuditedFact, type ChainHead } from './entry.ts';
export { readAudit } from './read.ts';
export { type AuditedChain, type AuditProblem, type AuditReport, verifyAudit } from './verify.ts';
