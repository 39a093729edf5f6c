import { fixture } from '../../../support/fixtures.ts';

/** A row of the requirements. */
export interface Requirement {
  readonly id: string;
  readonly document: string;
  readonly clause: string;
  readonly strength: 'SHALL' | 'REQUIRED' | 'SHOULD' | 'RECOMMENDED' | 'MAY' | 'OPTIONAL' | 'described';
  readonly classes: readonly string[];
  readonly text: string;
  /** What its check does. */
  readonly shown?: string;
  /** Rows that it refers to: it holds when they hold. */
  readonly by?: readonly string[];
  /** Why there is no check: a name in `reasons`. */
  readonly notProvided?: string;
}

const file = fixture<{ readonly reasons: Readonly<Record<string, string>>; readonly rows: readonly Requirement[] }>('seal-rows.json');

export const requirements: readonly Requirement[] = file.rows;

/** Why a row says `not-provided`. */
export const reasons: Readonly<Record<string, string>> = file.reasons;

/** Rows whose rule a saboteur has to break: what the text demands of this deployment. */
export function isBinding({ strength, classes, notProvided }: Requirement): boolean {
  const demanded = strength === 'SHALL' || strength === 'REQUIRED';
  return demanded && notProvided === undefined && classes.some((name) => name !== 'ENV' && name !== 'OOS');
}
