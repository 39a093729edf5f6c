/**
 * The black-box checker: cases, each tied to a section of a standard, that are run against an implementation on the network.
 *
 * ```ts
 * for await (const { case: { id, title }, outcome } of runCases({ coap: 'coap://127.0.0.1:5683' }, conformanceCases)) console.log(id, outcome, title);
 * ```
 *
 * @module ace-coap/conformance
 */
export type { AceNeed } from './ace-needs.ts';
export type { BenchOptions, RequestInit } from './bench.ts';
export { Bench } from './bench.ts';
export type { ConformanceCase, Level } from './case.ts';
export { conformanceCases } from './cases.ts';
export type { DatagramLinePort } from './datagram-line.ts';
export { DatagramLine } from './datagram-line.ts';
export { ConformanceError, Nonconformity, NotApplicable } from './errors.ts';
export type { Patience } from './patience.ts';
export { renderJUnit, renderReport, reportData } from './report.ts';
export type { AsCredentials, AsTarget, RsTarget } from './roles.ts';
export type { CaseResult, Outcome } from './run.ts';
export { runCases } from './run.ts';
export { Sources } from './sources.ts';
export type { Arrival, StreamLine } from './stream-line.ts';
export type { Summary } from './summary.ts';
export { counts, summaryOf } from './summary.ts';
export type { DtlsTarget, Feature, Need, OfferedRequest, OscoreKeys, OscoreTarget, Resources, Target } from './target.ts';
export { missing } from './target.ts';
export type { Exchanged } from './transcript.ts';
export { Transcript } from './transcript.ts';
