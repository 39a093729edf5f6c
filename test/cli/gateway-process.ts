import { freePort } from '../support/ports.ts';
import { Server } from './lab.ts';

/** `ace-coap gateway` as a process. */
export class GatewayProcess {
  readonly port: number;
  readonly #server: Server;

  private constructor(port: number, server: Server) {
    this.port = port;
    this.#server = server;
  }

  /** `listen` tells where, by a port that is free. */
  static async start(listen: (port: number) => string, ...args: readonly string[]): Promise<GatewayProcess> {
    const port = await freePort();
    const server = new Server('gateway', '--listen', listen(port), '--json', ...args);
    await server.start();
    return new GatewayProcess(port, server);
  }

  get log(): Server['log'] {
    return () => this.#server.log();
  }

  hangup(message: Parameters<Server['hangup']>[0]): Promise<void> {
    return this.#server.hangup(message);
  }

  /** It has to end by itself, with exit code 0. */
  stop(signal?: NodeJS.Signals): Promise<void> {
    return this.#server.stop(signal);
  }
}
