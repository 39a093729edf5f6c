import type { Identity } from '../../../../profiles/seal/index.ts';
import { toHex } from '../../../core/bytes.ts';
import { writeOutput } from '../../output-file.ts';

/** At most one of them is there. */
export interface IdentityFlags {
  readonly device?: string;
  readonly user?: string;
  readonly client?: string;
}

/** The identity that the options name; `undefined`: none. */
export function identityOf({ device, user, client }: IdentityFlags): Identity | undefined {
  if (device !== undefined) return { kind: 'deviceId', id: device };
  if (user !== undefined) return { kind: 'userId', id: user };
  return client === undefined ? undefined : { kind: 'clientId', id: client };
}

const kindNames = { deviceId: 'device', userId: 'user', clientId: 'client' } as const;

/** An identity as the options have it: `{ device: 'ue1' }`. */
export function identityFields(identity: Identity | undefined): Readonly<Record<string, string>> {
  return identity === undefined ? {} : { [kindNames[identity.kind]]: identity.id };
}

export interface OutputFlags {
  readonly output?: string;
  readonly json?: boolean;
}

export interface KmGetFlags extends IdentityFlags, OutputFlags {
  readonly config: string;
  readonly service: string;
  readonly skms?: string;
  readonly uri?: string;
  readonly post?: boolean;
  readonly audience?: string;
  readonly username?: string;
  readonly passwordFile?: string;
  readonly proxy?: string;
  readonly timeout?: number;
  readonly clientCredentials?: boolean;
  readonly verbose?: boolean;
}

/**
 * Key material to a file that the owner alone may read, or to standard output: as it is for a program, in hexadecimal for people.
 *
 * @param about - what is said of it with `--json`
 */
export function printKeyMaterial(payload: Uint8Array, about: object, { output, json }: OutputFlags): void {
  if (output !== undefined) writeOutput(output, payload, { isSecret: true });
  if (json) console.log(JSON.stringify({ ...about, payload_bytes: payload.length, ...(output === undefined ? { payload_hex: toHex(payload) } : { output }) }));
  else if (output !== undefined) return;
  else if (process.stdout.isTTY) console.log(toHex(payload));
  else process.stdout.write(payload);
}
