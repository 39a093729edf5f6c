import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { connect } from 'node:tls';
import {
  type DeviceAnswer,
  type DeviceLink,
  NotificationListener,
  T8Client,
  type T8Device,
  type T8Event,
  T8Gateway,
  type T8GatewayOptions,
  type T8Rule,
} from '../../../../../profiles/seal/https/t8/index.ts';
import { fromUtf8, utf8 } from '../../../../../src/core/bytes.ts';
import { systemEnv } from '../../../../../src/core/env.ts';
import { type IssuedCertificate, LabAuthority } from '../../../../../src/pki/index.ts';
import { memoryStore, type Store } from '../../../../../src/store/index.ts';
import { type HttpHandler, serveHttps } from '../../../../../src/transport/index.ts';

export const imsi = '262011234567890';
export const meter: T8Device = { externalId: 'meter1@op.example', msisdn: '491701234567', supi: `imsi-${imsi}`, uri: 'coap://10.0.0.2' };
export const pump: T8Device = { externalId: 'pump1@op.example', supi: 'imsi-001010000000001', uri: 'coap://10.0.0.3' };
export const app = 'app1';

export const rules: readonly T8Rule[] = [
  { scsAsId: app, devices: 'meter*@op.example', api: '*', effect: 'allow' },
  { scsAsId: app, devices: pump.externalId, api: 'nidd', effect: 'allow' },
  { scsAsId: app, devices: 'meter9@op.example', api: '*', effect: 'deny' },
];

/** What a device that is not there does, by what comes to it. */
export class FakeDevices implements DeviceLink {
  readonly taken: { readonly device: string; readonly path: string; readonly text: string }[] = [];
  /** The next answers, the last of which stays. */
  answers: DeviceAnswer[] = [{ outcome: 'taken', payload: new Uint8Array() }];

  async send({ externalId: device }: T8Device, { path, payload }: Parameters<DeviceLink['send']>[1]): Promise<DeviceAnswer> {
    const answer = this.answers.length > 1 ? this.answers.shift()! : this.answers[0]!;
    if (answer.outcome !== 'unreachable') this.taken.push({ device, path, text: fromUtf8(payload) });
    return answer;
  }
}

interface Certificates {
  readonly ca: string;
  readonly scef: IssuedCertificate;
  readonly scs: IssuedCertificate;
}

let certificates: Promise<Certificates> | undefined;

/** One authority for both domains, made once. */
async function makeCertificates(): Promise<Certificates> {
  const authority = await LabAuthority.make('lab', systemEnv);
  const names = [
    { type: 'ip', value: '127.0.0.1' },
    { type: 'dns', value: 'localhost' },
  ] as const;
  const [scef, scs] = await Promise.all(
    ['scef', app].map((commonName) => authority.issue({ commonName, names: [...names, { type: 'dns', value: commonName }], usage: ['server', 'client'] })),
  );
  return { ca: authority.cert, scef: scef!, scs: scs! };
}

/** A T8 gateway over HTTPS whose guard takes the bearer token for the name of the SCS/AS, with devices that do what they are told, and an SCS/AS. */
export class T8Lab {
  readonly store: Store;
  readonly devices: FakeDevices = new FakeDevices();
  readonly events: T8Event[] = [];
  readonly gateway: T8Gateway;
  readonly listener: NotificationListener;
  client!: T8Client;
  port = 0;
  /** Requests that the gateway has begun to answer. */
  underWay: () => number = () => 0;
  readonly #certificates: Certificates;
  #close: () => Promise<void> = async () => undefined;

  private constructor(made: Certificates, listener: NotificationListener, store: Store, options: Partial<T8GatewayOptions>) {
    this.#certificates = made;
    this.listener = listener;
    this.store = store;
    const { ca, scef } = made;
    this.gateway = new T8Gateway({
      guard: { check: async (request: IncomingMessage) => ({ clientId: (request.headers.authorization ?? '').slice('Bearer '.length) }) },
      store,
      link: this.devices,
      apiRoot: 'https://scef.example',
      rules,
      notifications: { ca, ...scef, allow: [`127.0.0.1:${listener.port}`] },
      limits: { patience: 500, attemptTimeout: 500 },
      emit: (event) => this.events.push(event),
      ...options,
    });
  }

  static async start(options: Partial<T8GatewayOptions> = {}): Promise<T8Lab> {
    certificates ??= makeCertificates();
    const made = await certificates;
    const listener = await NotificationListener.listen({ ...made.scs, clientCa: made.ca });
    const lab = new T8Lab(made, listener, options.store ?? memoryStore(), options);
    for (const device of [meter, pump]) await lab.gateway.devices.put(device);
    await lab.gateway.start();
    const server = await serveHttps({ ...made.scef, clientCa: made.ca }, lab.gateway.handler);
    lab.#close = async () => {
      await Promise.all([server.close(), lab.gateway.close(), listener.close()]);
    };
    lab.port = server.port;
    lab.underWay = () => server.stats()['requests']!;
    lab.client = lab.clientOf(app, server.port);
    return lab;
  }

  clientOf(scsAsId: string, port: number, token: string = scsAsId): T8Client {
    const { ca, scs } = this.#certificates;
    return new T8Client({
      apiRoot: `https://127.0.0.1:${port}`,
      scsAsId,
      tls: { ca, ...scs },
      token: () => token,
      notificationDestination: `https://127.0.0.1:${this.listener.port}/heard`,
    });
  }

  close(): Promise<void> {
    return this.#close();
  }

  /** Everything that a handler says to a GET, over HTTPS. */
  async served(handler: HttpHandler, target: string = '/'): Promise<{ readonly status: number; readonly text: string }> {
    const { ca, scef } = this.#certificates;
    const server = await serveHttps(scef, handler);
    const socket = connect({ host: '127.0.0.1', port: server.port, ca });
    socket.end(`GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`);
    const parts: Uint8Array[] = [];
    for await (const part of socket as AsyncIterable<Uint8Array>) parts.push(part);
    await server.close();
    const text = Buffer.concat(parts).toString('latin1');
    return { status: Number(text.split(' ')[1]), text };
  }

  /** A request of the SCS/AS whose body does not come whole before `finish`, which gives the status of its answer; `abort`: it never does. */
  begin(method: string, path: string, body: string): { readonly finish: () => Promise<number>; readonly abort: () => void } {
    const { ca, scs } = this.#certificates;
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    const headers = { authorization: `Bearer ${app}`, 'content-type': type, 'content-length': body.length };
    const sent = request({ host: '127.0.0.1', port: this.port, ca, ...scs, method, path, headers, agent: false });
    const answered = once(sent, 'response').then(([response]: IncomingMessage[]) => response!.resume().statusCode!);
    sent.write(body.slice(0, 1));
    return {
      abort: () => {
        answered.catch(() => undefined);
        sent.destroy();
      },
      finish: () => {
        sent.end(body.slice(1));
        return answered;
      },
    };
  }

  /** Where `T8Client` has to ask for a resource of this gateway. */
  at(location: string | undefined): string {
    return new URL(location!).pathname;
  }
}

export const taken = (text = ''): DeviceAnswer => ({ outcome: 'taken', payload: utf8(text) });

/** A check in a lab of its own. */
export function inT8Lab(check: (lab: T8Lab) => Promise<void>): () => Promise<void> {
  return async () => {
    const lab = await T8Lab.start();
    try {
      await check(lab);
    } finally {
      await lab.close();
    }
  };
}

/** A member of what was answered. */
export function memberOf(body: unknown, name: string): unknown {
  return (body as Readonly<Record<string, unknown>>)[name];
}
