/** One layer of a message, decoded, line by line. */
export interface Layer {
  readonly name: string;
  readonly lines: readonly string[];
}

/** What a message is, for those who look for some kind of it. */
export type EntryKind = 'coap' | 'token' | 'dtls' | 'other';

/** One arrow of a ladder: a datagram, or a message on a connection. */
export interface Entry {
  /** From 1 on. */
  readonly number: number;
  /** Milliseconds since 1970, with a fraction. */
  readonly time: number;
  /** `address:port` */
  readonly from: string;
  readonly to: string;
  readonly transport: 'UDP' | 'TCP' | 'DTLS';
  /** Bytes in the datagram, or of the message on its connection. */
  readonly bytes: number;
  kind: EntryKind;
  /** What it says in a word: `GET /temperature`, `2.05 Content`, `ClientHello`; of what is protected the inside, where it was opened. */
  title: string;
  /** What it brings, where that is short. */
  gist: string;
  /** What protects it, the outermost first. */
  readonly protection: string[];
  /** Protected, and not opened. */
  isSealed: boolean;
  readonly layers: Layer[];
  /** What it is to the messages around it. */
  readonly remarks: string[];
  /** Number of the exchange that it belongs to. */
  exchange?: number;
  /** Of a first answer: milliseconds since the request, the first time that it was sent. */
  answerTime?: number;
}
