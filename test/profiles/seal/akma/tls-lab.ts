import {
  AanfSimulator,
  ApplicationKeys,
  akmaTls,
  akmaTlsProtocol,
  akmaTlsServer,
  type Msgin5gClient,
  type Msgin5gRegistration,
  type UeAnchor,
} from '../../../../profiles/seal/akma/index.ts';
import { Endpoint } from '../../../../src/coap/index.ts';
import { type Env, systemEnv } from '../../../../src/core/env.ts';
import type { TlsPskSuite } from '../../../../src/transport/index.ts';
import { Tap } from '../../../support/tcp-tap.ts';
import { pause, until } from '../../../support/wait.ts';
import { type Associations, afId, asUeOver, registration } from './lab.ts';

/** An AAnF and an MSGin5G server on TLS, with sockets of their own; UEs come through a tap. */
export interface TlsLab {
  readonly aanf: AanfSimulator;
  readonly keys: ApplicationKeys;
  readonly msgin5g: Msgin5gRegistration;
  readonly associations: Associations;
  readonly states: string[];
  readonly port: number;
  /** Whether a text has passed between UEs and server in clear. */
  sees(text: string): boolean;
  /** Milliseconds that the AAnF takes for an answer. */
  delay: number;
  /** What the AAnF fails with. */
  failure: Error | undefined;
  /** Let so many seconds pass for the server: what is due then happens. */
  pass(seconds: number): void;
  /** Connections that the server holds. */
  connections(): number;
  /** Wait until it holds none. */
  ended(): Promise<void>;
  asUe<T>(anchor: UeAnchor, use: (client: Msgin5gClient) => Promise<T>): Promise<T>;
}

/** A clock that is moved, beside the one of the system. */
class MovedClock {
  #ahead = 0;
  readonly #tasks = new Map<() => void, number>();

  readonly env: Env = {
    ...systemEnv,
    epoch: () => systemEnv.epoch() + this.#ahead,
    schedule: (delay, task) => {
      const cancel = systemEnv.schedule(delay, task);
      this.#tasks.set(task, this.env.epoch() + delay / 1000);
      return () => {
        this.#tasks.delete(task);
        cancel();
      };
    },
  };

  pass(seconds: number): void {
    this.#ahead += seconds;
    for (const [task, due] of this.#tasks) {
      if (due > this.env.epoch()) continue;
      this.#tasks.delete(task);
      task();
    }
  }
}

export async function inTlsLab(suite: TlsPskSuite, check: (lab: TlsLab) => Promise<void>): Promise<void> {
  const clock = new MovedClock();
  const { env } = clock;
  const aanf = new AanfSimulator({ lifetime: 100, env });
  const states: string[] = [];
  const keys = new ApplicationKeys({
    aanf: {
      retrieveApplicationKey: async (aKid, af) => {
        if (lab.delay > 0) await pause(lab.delay);
        if (lab.failure !== undefined) throw lab.failure;
        return aanf.retrieveApplicationKey(aKid, af);
      },
    },
    afId: { fqdn: afId.fqdn, protocol: akmaTlsProtocol(suite) },
    env,
    emit: ({ type }) => states.push(type),
  });
  const { associations, msgin5g, router } = registration(keys, env);
  const server = new Endpoint({ transport: await akmaTlsServer({ keys, suite, env }), handler: router.handler });
  const tap = await Tap.open(server.local.port);
  const lab: TlsLab = {
    aanf,
    keys,
    msgin5g,
    associations,
    states,
    port: tap.port,
    sees: (text) => tap.saw(text),
    delay: 0,
    failure: undefined,
    pass: (seconds) => clock.pass(seconds),
    connections: () => server.stats()['connections']!,
    ended: () => until(() => lab.connections() === 0),
    asUe: async (anchor, use) => {
      const transport = await akmaTls({ anchor: () => anchor, fqdn: afId.fqdn, suite });
      return asUeOver(transport, `coaps+tcp://127.0.0.1:${tap.port}/msgin5g`, anchor, 'meter', use);
    },
  };
  try {
    await check(lab);
  } finally {
    tap.close();
    await server.close();
    await msgin5g.close();
  }
}
