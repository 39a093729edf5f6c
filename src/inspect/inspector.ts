import { decodeMessage, encodeFrame, FrameReader, isRequest, isResponse, type Message, SignalingCode } from '../coap/index.ts';
import { ProtocolError } from '../core/errors.ts';
import { DtlsObserver, isDtls, type ObservedRecord } from '../dtls/index.ts';
import { formatPlace, type Packet } from './capture/packets.ts';
import { Dissector, type Way } from './dissect.ts';
import type { Entry } from './entry.ts';
import type { Keyring } from './keyring.ts';
import { type RenderOptions, signalName } from './render.ts';
import { Roles } from './roles.ts';

/** What is looked at, and what is shown of it. */
export interface InspectorOptions extends RenderOptions {
  /** Look at these ports, whatever passes there, and at no other. */
  readonly ports?: readonly number[];
  /** What is known of endpoints before. */
  readonly roles?: Roles;
}

/** Ports of others, whose datagrams may look like CoAP: DNS, DHCP, NTP, NetBIOS, SNMP, QUIC, IKE, SSDP, mDNS, LLMNR. */
const portsOfOthers: ReadonlySet<number> = new Set([53, 67, 68, 123, 137, 138, 161, 443, 500, 1900, 4500, 5353, 5355]);

/** Conversations that are known at one time. */
const mostConversations = 4096;
/** Of connections, each of which may hold a message. */
const mostConnections = 256;
const largestMessage = 1 << 17;
/** Of one datagram of DTLS. */
const mostMessages = 8;
const extended = { extendedTokens: true };

/** One direction of a connection. */
interface Direction {
  readonly reader: FrameReader;
  /** `undefined`: not known yet. */
  isCoap: boolean | undefined;
  isBroken: boolean;
}

/** As the newest of so many; the oldest goes. */
function put<T>(map: Map<string, T>, key: string, value: T, most: number): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > most) map.delete(map.keys().next().value!);
}

/** Packets in, entries of a ladder out. What is neither CoAP nor DTLS is passed over. What it holds is bounded. */
export class Inspector {
  readonly #ports: ReadonlySet<number> | undefined;
  readonly #dtls: DtlsObserver;
  readonly #dissector: Dissector;
  readonly #keyring: Keyring;
  /** What the endpoints are to each other. */
  readonly roles: Roles;
  /** Conversations whose datagrams are ours to read. */
  readonly #datagrams = new Map<string, true>();
  readonly #directions = new Map<string, Direction>();
  #number = 0;
  #passedOver = 0;

  constructor(keyring: Keyring, { ports, roles = new Roles(), ...options }: InspectorOptions = {}) {
    this.#ports = ports === undefined ? undefined : new Set(ports);
    this.#keyring = keyring;
    this.#dtls = new DtlsObserver(keyring);
    this.roles = roles;
    this.#dissector = new Dissector(keyring, roles, options);
  }

  /** Packets that are neither CoAP nor DTLS. */
  get passedOver(): number {
    return this.#passedOver;
  }

  /** Secrets of DTLS sessions, as SSLKEYLOGFILE has them. */
  addKeyLog(lines: string): void {
    this.#keyring.addKeyLog(lines);
  }

  /** Entries that this packet brings: one for a datagram, one for each message that it completes of a connection. */
  packet(packet: Packet): readonly Entry[] {
    if (packet.transport === 'tcp') return this.#stream(packet);
    if (!this.#isOurs(packet)) {
      this.#passedOver++;
      return [];
    }
    return [this.#datagram(packet)];
  }

  /** No more will come. */
  finish(): void {
    this.#dissector.finish();
  }

  #entry(packet: Packet, transport: Entry['transport'], bytes: number): Entry {
    return {
      number: ++this.#number,
      time: packet.time,
      from: formatPlace(packet.from),
      to: formatPlace(packet.to),
      transport,
      bytes,
      kind: 'other',
      title: '',
      gist: '',
      protection: [],
      isSealed: false,
      layers: [],
      remarks: [],
    };
  }

  /** What begins as CoAP or DTLS is taken for it from then on. */
  #isOurs(packet: Packet): boolean {
    const { from, to, bytes } = packet;
    if (this.#ports !== undefined) return this.#ports.has(from.port) || this.#ports.has(to.port);
    if (portsOfOthers.has(from.port) || portsOfOthers.has(to.port)) return false;
    const [a, b] = [formatPlace(from), formatPlace(to)];
    const key = a < b ? `${a} ${b}` : `${b} ${a}`;
    if (this.#datagrams.has(key)) return true;
    const isOurs = isDtls(bytes) || looksLikeCoap(bytes);
    if (isOurs) put(this.#datagrams, key, true, mostConversations);
    return isOurs;
  }

  #datagram(packet: Packet): Entry {
    const { bytes, missing } = packet;
    const dtls = isDtls(bytes);
    const entry = this.#entry(packet, dtls ? 'DTLS' : 'UDP', bytes.length + missing);
    if (missing > 0) {
      entry.title = 'cut short by the capture';
      entry.gist = `${bytes.length} of ${bytes.length + missing} bytes`;
      return entry;
    }
    if (dtls) this.#records(entry, bytes);
    else this.#dissector.datagram(entry, bytes, wayOf(entry));
    return entry;
  }

  #records(entry: Entry, bytes: Uint8Array): void {
    const records = this.#dtls.receive(bytes, entry.from, entry.to);
    entry.kind = 'dtls';
    entry.layers.push({ name: 'DTLS', lines: records.flatMap(recordLines) });
    const names = records.flatMap(({ names: own, type }) => (own.length > 0 ? own : type === 'application_data' ? [] : [type]));
    entry.title = names.join(', ');
    entry.isSealed = records.some(({ isSealed }) => isSealed);
    if (records.some(({ isProtected }) => isProtected)) entry.protection.push('DTLS');
    for (const { pskIdentity } of records) if (pskIdentity !== undefined) this.#dissector.pskIdentity(entry, pskIdentity);
    const messages = records.flatMap(({ data }) => (data === undefined ? [] : [data]));
    // RFC 7252 §9.1: one message in a record, and as a rule one record in a datagram.
    for (const data of messages.slice(0, mostMessages)) {
      entry.kind = entry.kind === 'dtls' ? 'other' : entry.kind;
      this.#dissector.datagram(entry, data, wayOf(entry));
    }
  }

  #stream(packet: Packet): readonly Entry[] {
    const [from, to] = [formatPlace(packet.from), formatPlace(packet.to)];
    const [forth, back] = [`${from} ${to}`, `${to} ${from}`];
    const asked = this.#ports !== undefined;
    if (asked && !this.#ports!.has(packet.from.port) && !this.#ports!.has(packet.to.port)) return [];
    let direction = this.#directions.get(forth);
    if (direction === undefined || packet.isStart) {
      direction = { reader: new FrameReader('length', largestMessage, extended), isCoap: asked || undefined, isBroken: false };
      put(this.#directions, forth, direction, mostConnections);
    }
    // Each side begins with CSM (RFC 8323, Section 5.3); the first of both decides.
    if (direction.isCoap === undefined && this.#directions.get(back)?.isCoap === true) direction.isCoap = true;
    if (direction.isCoap === false || direction.isBroken) return [];
    if (packet.missing > 0) {
      direction.isBroken = true;
      if (direction.isCoap !== true) return [];
      const entry = this.#entry(packet, 'TCP', packet.bytes.length);
      entry.title = `${packet.missing} bytes that the capture has not`;
      return [entry];
    }
    return this.#messages(packet, direction);
  }

  #messages(packet: Packet, direction: Direction): readonly Entry[] {
    const entries: Entry[] = [];
    try {
      direction.reader.push(packet.bytes);
      for (let message = direction.reader.next(); message !== undefined; message = direction.reader.next()) {
        direction.isCoap ??= message.code === SignalingCode.CSM;
        if (!direction.isCoap) {
          this.#passedOver++;
          return [];
        }
        entries.push(this.#streamMessage(packet, message));
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      direction.isBroken = true;
      if (direction.isCoap !== true) {
        direction.isCoap = false;
        this.#passedOver++;
        return entries;
      }
      const entry = this.#entry(packet, 'TCP', packet.bytes.length);
      entry.title = 'no CoAP message';
      entry.gist = error.message;
      entries.push(entry);
    }
    return entries;
  }

  #streamMessage(packet: Packet, message: Message): Entry {
    const { code, token, options, payload } = message;
    const bytes = encodeFrame('length', code, token, options, payload, undefined, extended);
    const entry = this.#entry(packet, 'TCP', bytes.length);
    this.#dissector.message(entry, message, bytes, { ...wayOf(entry), isStream: true });
    if (code >>> 5 === 7) entry.title = signalName(code);
    return entry;
  }
}

function wayOf({ from, to, transport }: Entry): Way {
  return { forth: `${transport} ${from} ${to}`, back: `${transport} ${to} ${from}`, isStream: false };
}

function looksLikeCoap(bytes: Uint8Array): boolean {
  try {
    const { code } = decodeMessage(bytes);
    return code === 0 || isRequest(code) || isResponse(code);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return false;
  }
}

function recordLines({ type, names, details, isProtected, data }: ObservedRecord): readonly string[] {
  const head = `${type}${names.length === 0 || names[0] === type ? '' : `: ${names.join(', ')}`}`;
  const how = isProtected && data !== undefined ? `, opened: ${data.length} bytes` : isProtected ? ', protected' : '';
  return [`${head}${how}`, ...details.map((line) => `  ${line}`)];
}
