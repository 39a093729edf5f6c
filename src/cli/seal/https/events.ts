import type { GuardEvent, SealHttpsEvent } from '../../../../profiles/seal/https/index.ts';
import { ProtocolError } from '../../../core/errors.ts';
import type { ServiceEvent } from '../../../operate/index.ts';

/** What logs tell refusals by is the end of their type. */
export function fieldsOf(event: SealHttpsEvent | GuardEvent): ServiceEvent['event'] {
  if (event.type === 'refused') return { ...event, type: 'caller-refused' };
  if (event.type !== 'failed') return event;
  const { error } = event;
  const told = {
    type: 'failed',
    reason: error instanceof ProtocolError ? error.code : 'unknown',
    detail: error instanceof Error ? error.message : String(error),
  };
  return told;
}
