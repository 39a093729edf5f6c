/**
 * Captures to pictures: what passed between CoAP endpoints, decoded, opened with the keys that are given, and drawn as a ladder.
 */
export { annotateCbor, annotatePayload, isCborFormat } from './annotate.ts';
export { coseKeyNames, coseKeySetNames, kdfContextNames } from './cose-names.ts';
export { claimNames, coseNames, hintNames, introspectionNames, itemNames, tokenNames } from './names.ts';
export { type KnownContext, OscoreOpener, oscoreFacts, oscoreLines } from './oscore-opener.ts';
export { type RenderOptions, renderBody, renderCode, renderDatagram, renderOption, renderStreamMessage } from './render.ts';
