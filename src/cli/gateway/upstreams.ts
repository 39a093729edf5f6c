import { Endpoint, parseUri, type ReverseRoute, type Upstream } from '../../coap/index.ts';
import { aceUpstream } from '../../gateway/index.ts';
import type { ClientConfig } from '../../operate/index.ts';
import { udp } from '../../transport/index.ts';
import { hostsOf } from '../proxy.ts';
import { openWith } from '../session.ts';
import { addressFor } from '../socket.ts';

/** What requests leave through, by the scheme of their targets. */
interface Way {
  readonly upstreams: Readonly<Record<string, Upstream>>;
  close(): Promise<void>;
}

type Hosts = readonly string[];

async function plainWay(hosts: Hosts): Promise<Way> {
  const endpoint = new Endpoint({ transport: await udp({ address: addressFor(hosts) }) });
  return { upstreams: { coap: endpoint }, close: () => endpoint.close() };
}

async function clientWay(config: ClientConfig, hosts: Hosts): Promise<Way> {
  // The socket of the client is one that reaches the farthest of them.
  const farthest = hosts.find((host) => addressFor([host]) !== '127.0.0.1');
  const uri = parseUri(`coap://${farthest === undefined ? '127.0.0.1' : farthest.includes(':') ? `[${farthest}]` : farthest.replace(/^\*\.?/, 'any.')}`);
  const client = await openWith(config, { uri });
  const { confirmable } = config;
  return {
    upstreams: { coap: aceUpstream(client, 'coap', { confirmable }), coaps: aceUpstream(client, 'coaps', { confirmable }) },
    close: () => client.close(),
  };
}

/** A way that another can take the place of: what has begun on it ends on it, and then it is closed. */
class Leaving {
  readonly closed: Promise<void>;
  readonly #way: Way;
  #close: () => void = () => {};
  #underWay = 0;
  #isLeft = false;

  constructor(way: Way) {
    this.#way = way;
    this.closed = new Promise<void>((resolve) => {
      this.#close = resolve;
    }).then(() => way.close());
  }

  upstream(scheme: string): Upstream | undefined {
    return this.#way.upstreams[scheme];
  }

  /** The requester of a scheme, which counts. */
  request(scheme: string, ...[request, listener]: Parameters<Upstream['requester']>): ReturnType<Upstream['requester']> {
    let isOver = false;
    const over = (): void => {
      if (isOver) return;
      isOver = true;
      this.#underWay--;
      this.#closeIfIdle();
    };
    this.#underWay++;
    try {
      const cancel = this.#way.upstreams[scheme]!.requester(request, {
        response: (response, last) => {
          listener.response(response, last);
          if (last) over();
        },
        error: (error) => {
          listener.error(error);
          over();
        },
      });
      return () => {
        cancel();
        over();
      };
    } catch (error) {
      over();
      throw error;
    }
  }

  leave(): void {
    this.#isLeft = true;
    this.#closeIfIdle();
  }

  close(): Promise<void> {
    this.#close();
    return this.closed;
  }

  #closeIfIdle(): void {
    if (this.#isLeft && this.#underWay === 0) this.#close();
  }
}

/** What the requests of a gateway leave through: as plain CoAP, or with the tokens of a client whose configuration may become another while it runs. */
export class Upstreams {
  readonly upstreams: Readonly<Record<string, Upstream>>;
  readonly #hosts: Hosts;
  readonly #left: Set<Leaving> = new Set();
  #current: Leaving;

  private constructor(way: Way, hosts: Hosts) {
    this.#hosts = hosts;
    this.#current = new Leaving(way);
    this.upstreams = Object.fromEntries(
      Object.keys(way.upstreams).map((scheme): [string, Upstream] => [
        scheme,
        {
          requester: (request, listener) => this.#current.request(scheme, request, listener),
          resolve: (host, port, options) => this.#current.upstream(scheme)!.resolve(host, port, options),
        },
      ]),
    );
  }

  static async open(config: ClientConfig | undefined, allow: readonly string[], reverse: readonly ReverseRoute[]): Promise<Upstreams> {
    const hosts = hostsOf({ allow }, reverse);
    return new Upstreams(config === undefined ? await plainWay(hosts) : await clientWay(config, hosts), hosts);
  }

  /** From now on as this client. What is under way ends as it began. */
  async become(config: ClientConfig): Promise<void> {
    const next = new Leaving(await clientWay(config, this.#hosts));
    const before = this.#current;
    this.#current = next;
    this.#left.add(before);
    before.leave();
    // One that cannot be closed is kept: `close` hears why.
    before.closed.then(
      () => this.#left.delete(before),
      () => {},
    );
  }

  async close(): Promise<void> {
    for (const one of [...this.#left, this.#current]) await one.close();
  }
}
