/** What a login tells its operator. No event holds a password, and a name stands in one only if somebody has it. */
export type LoginEvent =
  | { readonly type: 'login'; readonly user: string; readonly client: string; readonly address: string }
  | { readonly type: 'login-failed'; readonly user?: string; readonly client: string; readonly address: string }
  /** From now on, for so many seconds, no attempt for this user, or from this address, is looked at. */
  | {
      readonly type: 'login-locked';
      readonly by: 'user' | 'address';
      readonly user?: string;
      readonly client: string;
      readonly address: string;
      readonly seconds: number;
    }
  | { readonly type: 'fault'; readonly reason: string; readonly detail: string };
