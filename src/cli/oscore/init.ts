import { fromHex } from '../../core/bytes.ts';
import { systemEnv } from '../../core/env.ts';
import { aeadAlgorithms, hkdfAlgorithms, writeOscorePair } from '../../operate/index.ts';
import { checkParameters } from '../../oscore/index.ts';
import { UsageError } from '../exit.ts';
import { sayMade } from '../made.ts';

export interface PairFlags {
  readonly clientId: string;
  readonly serverId: string;
  readonly idContext?: string;
  readonly aead?: string;
  readonly hkdf?: string;
  readonly json?: boolean;
}

function bytesOf(flag: string, text: string): Uint8Array {
  if (/^(?:[0-9a-fA-F]{2})*$/.test(text)) return fromHex(text);
  throw new UsageError(`${flag}: expected hexadecimal, got ${JSON.stringify(text)}`);
}

function algorithmOf(flag: string, name: string | undefined, known: Readonly<Record<string, number>>): number | undefined {
  if (name === undefined) return undefined;
  if (Object.hasOwn(known, name)) return known[name];
  throw new UsageError(`${flag}: expected one of ${Object.keys(known).join(', ')}; got ${JSON.stringify(name)}`);
}

/** `ace-coap oscore init` */
export function initPairCommand(folder: string, flags: PairFlags): void {
  const { aead, hkdf } = flags;
  const clientId = bytesOf('--client-id', flags.clientId);
  const serverId = bytesOf('--server-id', flags.serverId);
  const idContext = flags.idContext === undefined ? {} : { idContext: bytesOf('--id-context', flags.idContext) };
  const algorithms = { aead: algorithmOf('--aead', aead, aeadAlgorithms), hkdf: algorithmOf('--hkdf', hkdf, hkdfAlgorithms) };
  // What cannot be a context is heard before a file is made.
  checkParameters({
    masterSecret: new Uint8Array(16),
    senderId: clientId,
    recipientId: serverId,
    ...idContext,
    ...(algorithms.aead === undefined ? {} : { aead: algorithms.aead }),
    ...(algorithms.hkdf === undefined ? {} : { hkdf: algorithms.hkdf }),
  });
  const names = { ...(aead === undefined ? {} : { aead }), ...(hkdf === undefined ? {} : { hkdf }) };
  sayMade(
    writeOscorePair(folder, { random: systemEnv.random, clientId, serverId, ...idContext, ...names }),
    `Each file is for one end, in one place: a second copy that is used would repeat sequence numbers. Next, in two terminals:\n  ace-coap serve --oscore ${folder}/server.json\n  ace-coap get coap://127.0.0.1:5683/temperature --oscore ${folder}/client.json`,
    flags.json,
  );
}
