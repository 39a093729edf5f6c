import type { ProtocolError } from '../../core/errors.ts';
import { Task } from '../deadline.ts';
import { CoapError } from '../errors.ts';
import type { Peer, Request, ResponseListener } from '../layer.ts';
import { everyClass, noResponseOf } from '../message/no-response.ts';
import { type Option, readUint } from '../message/option.ts';
import type { MessageLayer, Underway } from '../messaging/message-layer.ts';
import type { TransmissionListener } from '../messaging/transmission.ts';
import { tokenNumber } from './token.ts';

/** What a request of ours needs of the exchange that owns it. */
export interface OutgoingOwner {
  readonly messaging: MessageLayer;
  /** Forget it. */
  end(outgoing: OutgoingExchange): void;
}

function unanswered(): CoapError {
  return new CoapError('ERR_COAP_NO_RESPONSE', 'no response came, as the No-Response option asks');
}
/** The client's half of an exchange. */
export class OutgoingExchange implements TransmissionListener {
  readonly exchange: OutgoingOwner;
  readonly peer: Peer;
  readonly token: Uint8Array;
  readonly number: number;
  /** Registered for notifications: ends with a response that has no Observe option. */
  readonly observes: boolean;
  /** A deregistration, which a late notification does not answer. */
  readonly deregisters: boolean;
  /** A registration under a token that was registered before: what comes under it may answer the one before. */
  readonly renews: boolean;
  /** Open to any number of responses until it is cancelled. */
  readonly qBlock: boolean;
  /** Sent by a proxy for a client of its own. */
  readonly forwarded: boolean;
  readonly listener: ResponseListener;
  transmission: Underway | undefined = undefined;
  deadline: Task | undefined = undefined;
  /** A notification came before the acknowledgement. */
  notified = false;
  /** No-Response of the request: the classes of responses that will not come. */
  readonly noResponse: number;
  retransmitted = false;

  constructor(exchange: OutgoingOwner, request: Request, token: Uint8Array, observe: Option | undefined, known: boolean, listener: ResponseListener) {
    this.exchange = exchange;
    this.peer = request.peer;
    this.qBlock = request.qBlock === true;
    this.forwarded = request.forwarded === true;
    this.token = token;
    this.number = tokenNumber(token);
    this.observes = observe !== undefined && isRegistration(observe);
    this.deregisters = observe !== undefined && !this.observes;
    this.renews = this.observes && known;
    this.noResponse = request.noResponse ?? noResponseOf(request.options);
    this.listener = listener;
  }

  /** Delivered, as far as the message layer can tell; the response is still to come. */
  finished(): void {
    const { messaging } = this.exchange;
    this.retransmitted ||= (this.transmission?.retransmissions ?? 0) > 0;
    const confirmable = this.transmission?.confirmable === true;
    this.transmission = undefined;
    // Who asks a group waits for as long as it likes.
    if (this.notified || this.peer.group === true) return;
    if ((this.noResponse & everyClass) === everyClass) {
      this.failed(unanswered());
      return;
    }
    if (this.qBlock) {
      // How long a response may take is for its sender to say.
      if (confirmable) this.listener.acknowledged?.();
      return;
    }
    this.deadline = new Task(() =>
      this.failed(
        this.noResponse === 0
          ? new CoapError('ERR_COAP_TIMEOUT', `expected a response from ${this.peer.address} port ${this.peer.port}, got none`)
          : unanswered(),
      ),
    );
    messaging.deadlines.set(this.deadline, messaging.parameters.exchangeLifetime);
  }

  failed(error: ProtocolError): void {
    this.exchange.end(this);
    this.listener.error(error);
  }
}

/** Observe 0 (RFC 7641, Section 2). */
export function isRegistration(observe: Option): boolean {
  return observe.value.length <= 3 && readUint(observe.value) === 0;
}
