import { ProtocolError } from '../../../../src/core/errors.ts';
import type { Caller } from '../../caller.ts';

export interface HttpsCaller extends Caller {
  readonly subject: string;
  readonly clientId: string;
  readonly names: readonly string[];
}

export class GuardRefusal extends ProtocolError {
  readonly status: number;
  readonly reason: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(reason: string, message: string, { status }: { readonly status: number }) {
    super('ERR_SEAL_GUARD', message);
    this.status = status;
    this.reason = reason;
    this.headers = { 'www-authenticate': 'Bearer realm="seal"' };
  }
}
