import { MessageType } from '../coap/index.ts';
import { emptyBytes } from '../core/bytes.ts';
import { Bench, type BenchOptions } from './bench.ts';
import type { DatagramLine } from './datagram-line.ts';
import { clientHello, sayHello } from './dtls/hello.ts';
import { Nonconformity } from './errors.ts';
import type { Need, Target } from './target.ts';

/** The ways to a target. */
export type Way = Extract<Need, 'udp' | 'dtls' | 'tcp' | 'as'>;

/** How often a target that does not answer is asked again: it may be busy with what the case left it. */
const attempts = 3;

/** Whether the target lives, as seen over one transport. */
export async function hasPulse(target: Target, way: Way, options: BenchOptions): Promise<boolean> {
  const bench = new Bench(target, options);
  try {
    for (let attempt = 0; attempt < attempts; attempt++) if (await signsOfLife[way](bench)) return true;
    return false;
  } finally {
    await bench.close();
  }
}

const signsOfLife: Readonly<Record<Way, (bench: Bench) => Promise<boolean>>> = {
  udp: async (bench) => answersDatagrams(bench, await bench.udp()),
  dtls: async (bench) => answersHello(bench, await bench.dtlsSocket()),
  tcp: async (bench) => {
    try {
      await bench.tcp();
      return true;
    } catch (error) {
      if (error instanceof Nonconformity) return false;
      throw error;
    }
  },
  as: async (bench) => {
    const { token = '' } = bench.target.as ?? {};
    return token.startsWith('coaps:') ? answersHello(bench, await bench.udp(token, 'dtls')) : answersDatagrams(bench, await bench.udp(token));
  },
};

/** Any datagram will do: some implementations answer no ping, others have no /.well-known/core. */
async function answersDatagrams(bench: Bench, line: DatagramLine): Promise<boolean> {
  line.send({ type: MessageType.CON, code: 0, id: bench.messageId(), token: emptyBytes, options: [], payload: emptyBytes });
  line.send(bench.request('/.well-known/core'));
  return (await line.next()) !== undefined;
}

async function answersHello(bench: Bench, line: DatagramLine): Promise<boolean> {
  return (await sayHello(line, clientHello(bench), 0)) !== undefined;
}
