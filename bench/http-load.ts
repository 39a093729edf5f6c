import { Pool } from 'undici';
import type { LoadResult } from './load.ts';
import type { Server } from './server.ts';
import { ServerProcess } from './server-process.ts';

/** Requests under way at once, each on a connection of its own that stays open. */
const outstanding = 64;

/** A server for HTTP with a device behind it, in two processes; what is measured is the one for HTTP. */
export async function startGateway(name: string, behind: string, args: readonly string[] = []): Promise<Server> {
  const device = await ServerProcess.start(behind);
  try {
    const gateway = await ServerProcess.start(name, [], [String(device.port), ...args]);
    return {
      port: gateway.port,
      cpu: () => gateway.cpu(),
      memory: () => gateway.memory(),
      stop: async () => {
        await gateway.stop();
        await device.stop();
      },
    };
  } catch (error) {
    await device.stop();
    throw error;
  }
}

/**
 * `count` GETs of the resource behind the gateway. The client is undici, which costs half of what that of node:http does: what is measured is the gateway, not who
 * asks.
 */
export async function httpGets(port: number, count: number): Promise<LoadResult> {
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: outstanding });
  let left = count;
  const one = async (): Promise<void> => {
    while (left-- > 0) await get(pool);
  };
  const started = process.hrtime.bigint();
  try {
    await Promise.all(Array.from({ length: outstanding }, one));
    return { replies: count, seconds: Number(process.hrtime.bigint() - started) / 1e9 };
  } finally {
    await pool.destroy();
  }
}

function get(pool: Pool): Promise<void> {
  return new Promise((resolve, reject) => {
    pool.dispatch(
      { path: '/device/temperature', method: 'GET' },
      {
        onRequestStart: () => {},
        onResponseStart: (_controller, status) => {
          if (status !== 200) reject(new Error(`expected 200, got ${status}`));
        },
        onResponseData: () => {},
        onResponseEnd: () => resolve(),
        onResponseError: (_controller, error) => reject(error),
      },
    );
  });
}
