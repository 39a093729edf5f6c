import { AanfSimulator, type AnchorKey, serveAanf } from '../../../../profiles/seal/akma/index.ts';
import { fromHex, fromUtf8 } from '../../../core/bytes.ts';
import { ProtocolError } from '../../../core/errors.ts';
import { UsageError } from '../../exit.ts';
import { readInput } from '../../input.ts';
import { stopSignal } from '../../signals.ts';

export interface AanfFlags {
  readonly subscribers: string;
  readonly listen: string;
  readonly lifetime?: number;
  readonly hideSupi?: boolean;
  readonly json?: boolean;
}

/** A line of the file; what is wrong is told without what stands there. */
function subscriberOf(line: string, place: string): AnchorKey {
  let value: Readonly<Record<string, unknown>>;
  try {
    value = JSON.parse(line) as Readonly<Record<string, unknown>>;
  } catch {
    throw new UsageError(`${place}: expected a JSON object, got something else`);
  }
  const { a_kid: aKid, k_akma: kAkma, supi, gpsi } = value ?? {};
  if (typeof aKid !== 'string' || typeof supi !== 'string' || typeof kAkma !== 'string' || !/^[0-9a-f]{64}$/i.test(kAkma))
    throw new UsageError(`${place}: expected a_kid and supi as text and k_akma as 64 hexadecimal digits, got something else`);
  if (gpsi !== undefined && typeof gpsi !== 'string') throw new UsageError(`${place}: gpsi: expected text, got something else`);
  return { aKid, kAkma: fromHex(kAkma), supi, ...(gpsi === undefined ? {} : { gpsi }) };
}

function listenAt(text: string): { readonly address: string; readonly port: number } {
  const [, v6, v4, port] = /^(?:\[([0-9a-f:]+)\]|([\w.]+)):(\d{1,5})$/i.exec(text) ?? [];
  const address = v4 === 'localhost' ? '127.0.0.1' : (v6 ?? v4 ?? '');
  // Keys go in clear.
  if (!/^(?:127(?:\.\d{1,3}){3}|::1)$/.test(address) || Number(port) > 65_535)
    throw new UsageError(`--listen: expected an address of loopback and a port, as 127.0.0.1:8090, got "${text}"`);
  return { address, port: Number(port) };
}

/** `ace-coap seal akma aanf` */
export async function aanfCommand({ subscribers, listen, lifetime, hideSupi = false, json = false }: AanfFlags): Promise<void> {
  const at = listenAt(listen);
  const aanf = new AanfSimulator({ hidesSupi: hideSupi, ...(lifetime === undefined ? {} : { lifetime }) });
  const lines = fromUtf8(await readInput(subscribers)).split('\n');
  for (const [index, line] of lines.entries()) {
    if (line.trim() === '') continue;
    const place = `${subscribers}: line ${index + 1}`;
    const subscriber = subscriberOf(line, place);
    try {
      await aanf.registerAnchorKey(subscriber);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      throw new UsageError(`${place}: ${error.message}`, { code: error.code, cause: error });
    }
  }
  const server = await serveAanf(aanf, at);
  const known = `${aanf.size} subscriber${aanf.size === 1 ? '' : 's'}`;
  console.log(json ? JSON.stringify({ api_root: server.apiRoot, subscribers: aanf.size }) : `AAnF at ${server.apiRoot}, ${known}`);
  await stopSignal();
  await server.close();
}
