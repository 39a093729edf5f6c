import type { AuthorizationServerEvent } from '../../../../src/as/index.ts';

/** What a login tells its operator and the audit log. No event holds a password, and a name stands in one only if somebody has it. */
export type LoginEvent = Extract<AuthorizationServerEvent, { readonly type: 'login' | 'login-refused' | 'login-locked' | 'fault' }>;
