export { type EgressEvent, EgressFilter, type EgressFilterOptions, type LeavingMessage, type Subscribers } from './egress/egress-filter.ts';
export { filtered, type HttpHandler } from './egress/filtered-response.ts';
export type { EgressFinding, EgressRule } from './egress/finding.ts';
export { KnownImsis } from './egress/known-imsis.ts';
export { type InvalidParam, type ProblemDetails, problemType } from './problem-details.ts';
export { T8Error, type T8ErrorOptions } from './t8-error.ts';
