/**
 * Captures to pictures: what passed between CoAP endpoints, decoded, opened with the keys that are given, and drawn as a ladder.
 *
 * ```ts
 * const capture = new CaptureReader();
 * const packets = new PacketReader();
 * const inspector = new Inspector(new Keyring({ contexts }));
 * const entries = [...capture.push(file)].flatMap((frame) => packets.take(frame)).flatMap((packet) => inspector.packet(packet));
 * inspector.finish();
 * const page = ladderPage(entries, { title: 'capture.pcapng', roles: inspector.roles });
 * ```
 */
export { annotateCbor, annotatePayload, isCborFormat } from './annotate.ts';
export type { Frame } from './capture/frame.ts';
export { LinkType } from './capture/link.ts';
export { formatPlace, type Packet, PacketReader, type Place, type Skipped } from './capture/packets.ts';
export { encodePcapngPacket, encodePcapngStart } from './capture/pcapng.ts';
export { CaptureReader } from './capture/reader.ts';
export { encodeUdpPacket } from './capture/udp-packet.ts';
export { coseKeyNames, coseKeySetNames, kdfContextNames } from './cose-names.ts';
export type { Entry, EntryKind, Layer } from './entry.ts';
export { InspectError } from './errors.ts';
export { Inspector, type InspectorOptions } from './inspector.ts';
export { entryFacts } from './json.ts';
export { type Exchanged, Keyring, type Keys, type KnownPsk, type OpenedToken } from './keyring.ts';
export { Ladder, type LadderOptions, type LadderStyle } from './ladder.ts';
export { claimNames, coseNames, hintNames, introspectionNames, itemNames, tokenNames } from './names.ts';
export { type Inputs, type KnownContext, type Opened, type Origin, OscoreOpener, oscoreFacts, oscoreLines } from './oscore-opener.ts';
export { ladderPage } from './picture/page.ts';
export { ladderPicture, type PictureOptions } from './picture/picture.ts';
export { type RenderOptions, renderBody, renderCode, renderDatagram, renderOption, renderStreamMessage } from './render.ts';
export { type Role, Roles } from './roles.ts';
export { Tap, type TapOptions } from './tap.ts';
