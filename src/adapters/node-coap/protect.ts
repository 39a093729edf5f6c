import { lookup } from 'node:dns/promises';
import { EventEmitter } from 'node:events';
import { oscoreProfile } from '../../../profiles/oscore/index.ts';
import type { Profile } from '../../ace/index.ts';
import type { Endpoint } from '../../coap/index.ts';
import { ResourceServer, type ResourceServerOptions } from '../../rs/index.ts';
import { udp } from '../../transport/index.ts';
import { type NodeCoapListener, nodeCoapListener } from './listener.ts';

/** The guard in front of a node-coap program. */
export interface ProtectOptions extends Omit<ResourceServerOptions, 'profiles'> {
  /** The OSCORE profile when absent. */
  readonly profiles?: readonly Profile[];
  /** The program answers for /.well-known/core itself. Absent: the list has `authz-info` alone. */
  readonly discovery?: boolean;
}

/** Called when it is done, with the error where it failed. */
export type Done = (error?: Error) => void;

/**
 * What stands in for the server of node-coap: a resource server of ACE-OAuth whose resources are what the program's listener answers.
 *
 * `listen` and `close` take what node-coap's take. Events: `listening`, `close`, `error`.
 */
export class ProtectedServer extends EventEmitter {
  /** For tokens, statistics, and resources beside those of the program. */
  readonly rs: ResourceServer;
  #listening: Promise<Endpoint> | undefined;

  constructor(listener: NodeCoapListener, options: ProtectOptions) {
    super();
    const { discovery = false, profiles = [oscoreProfile], ...rest } = options;
    this.rs = new ResourceServer({ ...rest, profiles });
    const handler = nodeCoapListener(listener, {
      emit: ({ method, url, error }) =>
        options.emit?.({ type: 'fault', reason: 'handler', detail: `${method} ${url}: ${error instanceof Error ? error.message : 'threw'}` }),
    });
    this.rs.resource('/*', { handler });
    if (discovery) this.rs.resource('/.well-known/core', { handler });
  }

  /** Port 5683 and all addresses of IPv4 when absent, as with node-coap. `done` gets the error when it cannot listen; without it there is an `error` event. */
  listen(port?: number | Done, address?: string | Done, done?: Done): this {
    const call = [port, address, done].find((argument): argument is Done => typeof argument === 'function');
    const starting = this.#start(typeof port === 'number' ? port : 5683, typeof address === 'string' ? address : '0.0.0.0');
    this.#listening ??= starting;
    starting.then(
      () => {
        this.emit('listening');
        call?.();
      },
      (error: Error) => {
        if (call === undefined) this.emit('error', error);
        else call(error);
      },
    );
    return this;
  }

  /** Let go of the socket; `done` gets the error when that fails. The store stays open. */
  close(done?: Done): this {
    const closed = (this.#listening ?? Promise.resolve()).then(
      () => this.rs.close(),
      () => this.rs.close(),
    );
    closed.then(
      () => {
        this.emit('close');
        done?.();
      },
      (error: Error) => done?.(error),
    );
    return this;
  }

  async #start(port: number, host: string): Promise<Endpoint> {
    const transport = await udp({ address: (await lookup(host)).address, port });
    try {
      return await this.rs.listen(transport);
    } catch (error) {
      await transport.close();
      throw error;
    }
  }
}

/**
 * Put a resource server in front of the listener of a node-coap program, in place of `coap.createServer(listener)`.
 *
 * ```ts
 * const server = protect(listener, {
 *   audience: 'rs1',
 *   issuers: [{ uri: 'coap://127.0.0.1:5783/token', tokenKeys: [tokenKey] }],
 *   scopes: { r_temp: { '/temperature': ['GET'] } },
 *   public: ['/hello'],
 *   store: await lmdbStore('./state/rs'),
 * });
 * server.listen(5683, '127.0.0.1');
 * ```
 *
 * @throws {ResourceServerError} `ERR_RS_CONFIG`
 */
export function protect(listener: NodeCoapListener, options: ProtectOptions): ProtectedServer {
  return new ProtectedServer(listener, options);
}
