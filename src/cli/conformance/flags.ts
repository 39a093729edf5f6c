import type { DtlsFlags } from '../credentials.ts';

export interface ConformanceFlags extends DtlsFlags {
  readonly target?: string;
  readonly config?: string;
  readonly only?: readonly string[];
  readonly list?: boolean;
  readonly json?: boolean;
  readonly junit?: string;
  readonly strict?: boolean;
  readonly timeout?: number;
  readonly silence?: number;
  readonly pace?: number;
}
