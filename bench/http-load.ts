import { Agent, request } from 'node:http';
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

/** `count` GETs of the resource behind the gateway. */
export async function httpGets(port: number, count: number): Promise<LoadResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: outstanding });
  let left = count;
  const started = process.hrtime.bigint();
  const one = async (): Promise<void> => {
    while (left-- > 0) await get(port, agent);
  };
  await Promise.all(Array.from({ length: outstanding }, one));
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  agent.destroy();
  return { replies: count, seconds };
}

function get(port: number, agent: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path: '/device/temperature', agent }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`expected 200, got ${response.statusCode}`));
      response.on('data', () => {});
      response.on('end', resolve);
      response.on('error', reject);
    })
      .on('error', reject)
      .end();
  });
}
