import { codeClass, isResponse, type Message, MessageType, Method, OptionNumber, uintOf, uintOption } from '../../coap/index.ts';
import { equalBytes, toHex, utf8 } from '../../core/bytes.ts';
import type { Bench } from '../bench.ts';
import type { ConformanceCase } from '../case.ts';
import { type DatagramLine, describe } from '../datagram-line.ts';
import { Nonconformity, NotApplicable } from '../errors.ts';
import { expectSuccess } from '../expect-message.ts';

const rfc7641 = { standard: 'RFC 7641', level: 'MUST', needs: ['udp', 'observe'] } as const;

const register = uintOption(OptionNumber.Observe, 0);
const deregister = uintOption(OptionNumber.Observe, 1);

function observeOf({ options }: Message): number | undefined {
  return uintOf(options, OptionNumber.Observe);
}

/** An observation that the target has taken. */
class Observation {
  readonly #bench: Bench;
  readonly line: DatagramLine;
  readonly request: Message;
  readonly initial: Message;
  /** Message ids of notifications that were taken. */
  readonly #taken = new Set<number>();

  private constructor(bench: Bench, line: DatagramLine, request: Message, initial: Message) {
    this.#bench = bench;
    this.line = line;
    this.request = request;
    this.initial = initial;
  }

  /** @throws {NotApplicable} the target answers without taking it, which it may */
  static async register(bench: Bench, { line, token = bench.token() }: { line?: DatagramLine; token?: Uint8Array } = {}): Promise<Observation> {
    const own = line ?? (await bench.udp());
    const request = bench.request(bench.target.resources!.observe!, { token, options: [register] });
    const initial = await own.ask(request);
    expectSuccess(initial, 'a registration');
    if (observeOf(initial) === undefined) throw new NotApplicable('the target does not take the observation');
    return new Observation(bench, own, request, initial);
  }

  /** Have the resource change, if it does not by itself. */
  async change(): Promise<void> {
    const path = this.#bench.target.resources?.change;
    if (path === undefined) return;
    const line = await this.#bench.udp();
    expectSuccess(await line.ask(this.#bench.request(path, { code: Method.PUT, payload: utf8(toHex(this.#bench.token())), contentFormat: 0 })), 'PUT');
  }

  /** The next notification, not acknowledged yet; `undefined` when none comes. */
  async next(within: number = this.#bench.patience.change): Promise<Message | undefined> {
    for await (const message of this.#ofToken(within)) return message;
    return undefined;
  }

  /** Without copies of those that were taken: an Acknowledgement may have got lost, or a network may have made two of one. */
  async *#ofToken(within: number): AsyncGenerator<Message, void, undefined> {
    for await (const message of this.line.messages(within)) {
      if (!isResponse(message.code) || !equalBytes(message.token, this.request.token)) continue;
      const isInitial = message.type === this.initial.type && message.id === this.initial.id;
      if (message.type !== MessageType.ACK && this.#taken.has(message.id)) this.acknowledge(message);
      else if (!isInitial) yield message;
    }
  }

  /** The resource changes, and the notification of it comes. @throws {Nonconformity} none comes */
  async notification(): Promise<Message> {
    await this.change();
    const message = await this.next();
    if (message === undefined) throw new Nonconformity('a notification', 'nothing');
    return message;
  }

  /** Let notifications pass that were on their way, acknowledged; then the resource changes, and none may come. */
  async expectNone(wanted: string): Promise<void> {
    const { silence, change } = this.#bench.patience;
    for await (const late of this.#ofToken(silence)) this.acknowledge(late);
    await this.change();
    const message = await this.next(this.#bench.target.resources?.change === undefined ? change : silence);
    if (message !== undefined) throw new Nonconformity(wanted, describe(message));
  }

  acknowledge(message: Message): void {
    this.#taken.add(message.id);
    if (message.type === MessageType.CON) this.line.acknowledge(message);
  }

  async deregister(): Promise<Message> {
    const { token } = this.request;
    this.line.send(this.#bench.request(this.#bench.target.resources!.observe!, { token, options: [deregister] }));
    // A notification on its way has the same token; the response is the one without Observe.
    for await (const message of this.#ofToken(this.#bench.patience.answer)) {
      this.acknowledge(message);
      if (observeOf(message) === undefined) return message;
    }
    throw new Nonconformity('a response without Observe', 'none');
  }
}

/** Observing resources (RFC 7641), seen from the client. */
export const observeCases: readonly ConformanceCase[] = [
  {
    ...rfc7641,
    id: 'observe-01',
    section: '4.2',
    title: 'a notification has the token of the registration, Observe, and the Content-Format of the initial response',
    async run(bench) {
      const observation = await Observation.register(bench);
      const message = await observation.notification();
      observation.acknowledge(message);
      expectSuccess(message, 'the change');
      if (observeOf(message) === undefined) throw new Nonconformity('Observe in the notification', 'none');
      const [initial, own] = [observation.initial, message].map(({ options }) => uintOf(options, OptionNumber.ContentFormat));
      if (initial !== own) throw new Nonconformity(`Content-Format ${initial ?? 'absent'}`, String(own ?? 'none'));
      await observation.deregister();
    },
  },
  {
    ...rfc7641,
    id: 'observe-02',
    section: '4.4',
    title: 'the sequence numbers of notifications increase',
    async run(bench) {
      const observation = await Observation.register(bench);
      let before = observeOf(observation.initial)!;
      for (let times = 0; times < 3; times++) {
        const message = await observation.notification();
        observation.acknowledge(message);
        const number = observeOf(message);
        if (number === undefined) throw new Nonconformity('Observe in the notification', 'none');
        const ahead = (number - before) & 0xff_ffff;
        if (ahead === 0 || ahead >= 0x80_0000) throw new Nonconformity(`a number after ${before}`, String(number));
        before = number;
      }
      await observation.deregister();
    },
  },
  {
    ...rfc7641,
    id: 'observe-03',
    section: '4.5',
    title: 'a Reset of a notification ends the observation',
    async run(bench) {
      const observation = await Observation.register(bench);
      observation.acknowledge(await observation.notification());
      const rejected = await observation.notification();
      observation.line.reset(rejected);
      try {
        await observation.expectNone('no notification after the Reset');
      } catch (error) {
        // RFC 7641 §4.5: a server can always pretend that the Reset of such a one was lost.
        if (error instanceof Nonconformity && rejected.type !== MessageType.CON) throw new NotApplicable('the notification that was reset is Non-confirmable');
        throw error;
      }
    },
  },
  {
    ...rfc7641,
    id: 'observe-04',
    section: '4.1',
    title: 'GET with Observe 1 ends the observation; its response has no Observe',
    async run(bench) {
      const observation = await Observation.register(bench);
      const response = await observation.deregister();
      expectSuccess(response, 'the deregistration');
      await observation.expectNone('no notification after the deregistration');
    },
  },
  {
    ...rfc7641,
    id: 'observe-05',
    section: '4.1',
    title: 'a second registration with the same token makes no second entry: one deregistration ends it',
    async run(bench) {
      const line = await bench.udp();
      const token = bench.token();
      await Observation.register(bench, { line, token });
      const observation = await Observation.register(bench, { line, token });
      await observation.deregister();
      await observation.expectNone('no notification after the deregistration');
    },
  },
  {
    ...rfc7641,
    id: 'observe-06',
    section: '4.1',
    title: 'an entry is keyed by endpoint and token: the deregistration of another token leaves it',
    async run(bench) {
      const one = await Observation.register(bench);
      const other = await Observation.register(bench);
      await other.deregister();
      const message = await one.notification();
      one.acknowledge(message);
      await one.deregister();
    },
  },
  {
    ...rfc7641,
    id: 'observe-07',
    section: '4.2',
    needs: ['udp'],
    title: 'an error has no Observe: GET with Observe of a path that is not there',
    async run(bench) {
      const line = await bench.udp();
      const answer = await line.ask(bench.request(`/nothing-${toHex(bench.token())}`, { options: [register] }));
      if (codeClass(answer.code) === 2) throw new NotApplicable('the target answers any path by a success');
      if (observeOf(answer) !== undefined) throw new Nonconformity('no Observe in an error', `Observe ${observeOf(answer)}`);
    },
  },
  {
    ...rfc7641,
    id: 'observe-08',
    section: '4.5',
    title: 'a Confirmable notification that is not acknowledged is sent again, and not once it is',
    async run(bench) {
      const observation = await Observation.register(bench);
      // An address that has acknowledged nothing yet may be sent one notification and no more (RFC 7641 §7).
      observation.acknowledge(await observation.notification());
      let message = await observation.notification();
      for (let tries = 0; message.type !== MessageType.CON && tries < 5; tries++) message = await observation.notification();
      if (message.type !== MessageType.CON) throw new NotApplicable('the notifications are Non-confirmable');
      const again = await observation.next(bench.patience.retransmission);
      if (again === undefined) throw new Nonconformity('the notification once more', 'nothing');
      observation.acknowledge(again);
      await observation.deregister();
    },
  },
];
