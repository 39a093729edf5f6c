import { AanfSimulator, type AnchorKey, serveAanf } from '../../../../profiles/seal/akma/index.ts';
import { fromHex, fromUtf8 } from '../../../core/bytes.ts';
import { ProtocolError } from '../../../core/errors.ts';
import { sameValue } from '../../../core/same-value.ts';
import { UsageError } from '../../exit.ts';
import { readInput } from '../../input.ts';
import { Reload } from '../../reload.ts';
import { loggerFor } from '../../serve.ts';
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
  const first = await subscribersOf(subscribers);
  for (const subscriber of first.values()) await aanf.registerAnchorKey(subscriber);
  const server = await serveAanf(aanf, at);
  const known = `${aanf.size} subscriber${aanf.size === 1 ? '' : 's'}`;
  console.log(json ? JSON.stringify({ api_root: server.apiRoot, subscribers: aanf.size }) : `AAnF at ${server.apiRoot}, ${known}`);
  const logger = loggerFor('aanf', { json });
  const reload = new Reload<Subscribers>(
    { subscribers: first },
    {
      logger,
      load: async () => ({ subscribers: await subscribersOf(subscribers) }),
      live: ['subscribers'],
      apply: async (next) => {
        await become(aanf, reload.current.subscribers, next.subscribers);
        return { subscribers: aanf.size };
      },
    },
  );
  await stopSignal(subscribers === '-' ? () => logger.warn({}, 'nothing to reload: subscribers came from standard input') : () => void reload.run());
  await server.close();
}

interface Subscribers {
  readonly subscribers: ReadonlyMap<string, AnchorKey>;
}

/** What the file says, by SUPI, the last line of each. @throws {UsageError} */
async function subscribersOf(file: string): Promise<Subscribers['subscribers']> {
  const checker = new AanfSimulator();
  const found = new Map<string, AnchorKey>();
  const lines = fromUtf8(await readInput(file)).split('\n');
  for (const [index, line] of lines.entries()) {
    if (line.trim() === '') continue;
    const place = `${file}: line ${index + 1}`;
    const subscriber = subscriberOf(line, place);
    try {
      await checker.registerAnchorKey(subscriber);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      throw new UsageError(`${place}: ${error.message}`, { code: error.code, cause: error });
    }
    found.set(subscriber.supi, subscriber);
  }
  return found;
}

/** Take what the file says now; what UEs have registered over HTTP stays, unless the file has another key for them. */
async function become(aanf: AanfSimulator, before: Subscribers['subscribers'], next: Subscribers['subscribers']): Promise<void> {
  for (const supi of before.keys()) if (!next.has(supi)) await aanf.removeContext(supi);
  for (const [supi, subscriber] of next) if (!sameValue(before.get(supi), subscriber)) await aanf.registerAnchorKey(subscriber);
}
