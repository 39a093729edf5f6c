import { carver } from '../core/bytes.ts';
import { verifyDataLength } from './key-schedule.ts';

// What a connection keeps of its handshake beside the session: both randoms, and Finished of ours where it was the last message, since it may have to be sent again.

export const randomLength = 32;
export const bareSecretsLength: number = 2 * randomLength;
export const secretsLength: number = bareSecretsLength + verifyDataLength;

/** Of blocks of their own: a server holds many, for long. */
export const carveSecrets: (length: number) => Uint8Array = carver();
