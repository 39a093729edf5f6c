import { ContentFormat, encodeMessage, MessageType, Method, type Option, OptionNumber, pathOptions, uintOption } from '../../src/coap/index.ts';
import { Curve, KeyType } from '../../src/core/cose/index.ts';
import type { CoseKey } from '../../src/core/index.ts';
import type { Recipe } from './recipe.ts';
import { pointSteps } from './token.ts';

/** A message ID of chance. */
function messageId(recipe: Recipe): number {
  const [high, low] = recipe.random(2) as Uint8Array & [number, number];
  return (high << 8) | low;
}

/** A POST with a payload, as it is before the channel protects it. */
export function postStep(recipe: Recipe, name: string, path: string, payload: string, contentFormat: number = ContentFormat.AceCbor): void {
  const options = [...pathOptions([path]), uintOption(OptionNumber.ContentFormat, contentFormat)];
  const id = messageId(recipe);
  recipe.message(name, encodeMessage({ type: MessageType.CON, code: Method.POST, id, token: recipe.random(2), options, payload: recipe.bytes(payload) }));
}

/** A response with a payload. */
export function answerStep(recipe: Recipe, name: string, code: number, payload: string, options: readonly Option[] = []): void {
  const id = messageId(recipe);
  const format = uintOption(OptionNumber.ContentFormat, ContentFormat.AceCbor);
  recipe.message(
    name,
    encodeMessage({ type: MessageType.ACK, code, id, token: recipe.random(2), options: [format, ...options], payload: recipe.bytes(payload) }),
  );
}

/** The public key of a fresh key pair on P-256, as a client shows it: inputs `<name>D`, steps `<name>X` and `<name>Y`. */
export function rawPublicKey(recipe: Recipe, name: string, kid?: Uint8Array): CoseKey {
  recipe.chance(`${name}D`, 32);
  const { x, y } = pointSteps(recipe, `${name}D`, (part) => `${name}${part}`);
  return { kty: KeyType.EC2, ...(kid === undefined ? {} : { kid }), crv: Curve.P256, x, y };
}
