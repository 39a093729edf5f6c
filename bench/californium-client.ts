import { Background } from '../test/interop/processes.ts';
import { californium, californiumServer } from './foreign-contenders.ts';
import type { LoadResult } from './load.ts';
import { absentRow, type Row } from './row.ts';
import type { Run } from './run.ts';
import { installs } from './server.ts';
import { measure, own } from './throughput.ts';

const bench = 'coap-benchmark';
/** Endpoints of the client, and requests that each has under way; a Message ID of an endpoint serves once in a round. */
const endpoints = 16;
const outstanding = 4;
const path = '/benchmark?rlen=40';

/** A client on Californium drives our server, and Californium's own. */
export async function californiumClientRows(run: Run): Promise<Row[]> {
  const ends: (() => Promise<void>)[] = [];
  const client = new Background({ after: (end) => ends.push(end) }, 'java', [...californium, 'drive']);
  const load = async (port: number, count: number): Promise<LoadResult> => {
    client.write(`coap://127.0.0.1:${port}${path} ${endpoints} ${outstanding} ${count}`);
    const told = await client.line(90_000);
    const seconds = Number(told);
    if (!(seconds > 0)) throw new Error(`${bench}: expected the seconds of a round, got ${told}`);
    return { replies: count, seconds };
  };
  try {
    try {
      await load(0, 0);
    } catch (error) {
      return [absentRow(bench, 'req/s', californiumServer.name, `${(error as Error).message.trim()}; ${installs}`)];
    }
    return await measure({ bench, ours: { ...own(bench), load }, peers: [{ ...californiumServer, load }], requests: 20_000 }, run);
  } finally {
    for (const end of ends) await end();
  }
}
