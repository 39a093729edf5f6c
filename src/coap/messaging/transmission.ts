import { Deadline } from '../deadline.ts';
import type { CoapError } from '../errors.ts';
import type { Body } from '../message/message.ts';
import type { PeerState } from './peer-state.ts';

/** What the sender of a message hears of it, one of the two, once; never before the call that sends it has returned. */
export interface TransmissionListener {
  /** Acknowledged by an Empty message; a Non-confirmable one: its waiting time is over. */
  finished(): void;
  /** `ERR_COAP_TIMEOUT`, `ERR_COAP_RESET`, `ERR_COAP_BUSY`, `ERR_COAP_CLOSED`. */
  failed(error: CoapError): void;
  /** What is sent for it goes to an authenticated peer, so the limit on what an unknown address is sent does not apply. */
  readonly authenticated?: boolean;
  /** Asked before a retransmission: a newer body that goes out in place of the old one (RFC 7641, Section 4.5.2). */
  supersede?(): Body | undefined;
}

/** How far a message is; `queued`: it waits for its turn (NSTART); `done`: nothing of it goes out any more. */
export type Stage = 'queued' | 'sent' | 'done';

/** One message on its way: its retransmissions and its place among the outstanding interactions. Its deadline is the next timeout. */
export class Transmission extends Deadline {
  readonly state: PeerState;
  readonly confirmable: boolean;
  readonly token: Uint8Array;
  readonly listener: TransmissionListener;
  /** The datagram; the message id is written in when it is sent. */
  datagram: Uint8Array;
  stage: Stage = 'queued';
  /** Why it is not sent, and not kept until it can be. */
  refusal: CoapError | undefined = undefined;
  /** Non-confirmable and paced by its sender: it takes no part in NSTART, and is here for the Reset that may answer it. */
  beside = false;
  id = -1;
  retransmissions = 0;
  /** Bytes of credit that its copies have taken. */
  spent = 0;
  /** Milliseconds until the next timeout; for a Non-confirmable message how long it counts as outstanding. */
  timeout: number;
  readonly #onTimeout: (transmission: Transmission) => void;

  constructor(
    state: PeerState,
    confirmable: boolean,
    token: Uint8Array,
    datagram: Uint8Array,
    timeout: number,
    listener: TransmissionListener,
    onTimeout: (transmission: Transmission) => void,
  ) {
    super();
    this.state = state;
    this.confirmable = confirmable;
    this.token = token;
    this.datagram = datagram;
    this.timeout = timeout;
    this.listener = listener;
    this.#onTimeout = onTimeout;
  }

  /** When it was sent last, in milliseconds of the environment. */
  get leftAt(): number {
    return this.at - this.timeout;
  }

  /** The timeout has come: send again, or give up. */
  override expire(): void {
    this.#onTimeout(this);
  }
}
