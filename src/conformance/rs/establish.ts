import { type Body, Code, ContentFormat, Method } from '../../coap/index.ts';
import { concat, emptyBytes, equalBytes } from '../../core/bytes.ts';
import { encode } from '../../core/cbor.ts';
import type { ClaimsSet } from '../../core/cwt.ts';
import { deriveContext } from '../../oscore/index.ts';
import type { Bench } from '../bench.ts';
import { type Channel, PlainChannel } from '../channel.ts';
import type { DatagramLine } from '../datagram-line.ts';
import { Nonconformity } from '../errors.ts';
import { expectBytes, expectCode, expectMap } from '../expect.ts';
import { OscoreSession } from '../oscore/session.ts';
import { authzInfoOf, encodeUpload, freshMaterial, goodClaims, type Material, materialMap, mint, type Upload } from './token.ts';

/** Put bytes to authz-info. */
export function postToken(bench: Bench, channel: Channel, payload: Uint8Array, contentFormat: number = ContentFormat.AceCbor): Promise<Body> {
  return channel.ask(authzInfoOf(bench), { code: Method.POST, contentFormat, payload });
}

/** What client and resource server have agreed on at authz-info. */
export interface Agreed {
  readonly nonce1: Uint8Array;
  readonly id1: Uint8Array;
  readonly nonce2: Uint8Array;
  readonly id2: Uint8Array;
}

/** Upload a token that the resource server has to take. @throws {Nonconformity} */
export async function uploadToken(bench: Bench, channel: Channel, token: Uint8Array, own: Partial<Pick<Agreed, 'nonce1' | 'id1'>> = {}): Promise<Agreed> {
  const { nonce1 = bench.env.random(8), id1 = bench.env.random(2) } = own;
  const answer = await postToken(bench, channel, encodeUpload({ token, nonce1, id1 } satisfies Upload));
  expectCode(answer, Code.Created);
  const map = expectMap(answer);
  const agreed = { nonce1, id1, nonce2: expectBytes(map, 42, 'nonce2'), id2: expectBytes(map, 44, 'ace_server_recipientid') };
  if (equalBytes(agreed.id1, agreed.id2)) throw new Nonconformity('an ace_server_recipientid that is not the ace_client_recipientid', 'the same');
  return agreed;
}

/** The security context of RFC 9203, Section 4.3, seen from the client. */
export function deriveSession(bench: Bench, line: DatagramLine, material: Material, { nonce1, nonce2, id1, id2 }: Agreed): OscoreSession {
  const { ms, salt = emptyBytes, alg, hkdf, contextId } = material;
  const context = deriveContext({
    masterSecret: ms,
    masterSalt: concat(encode(salt), encode(nonce1), encode(nonce2)),
    senderId: id2,
    recipientId: id1,
    ...(alg === undefined ? {} : { aead: alg }),
    ...(hkdf === undefined ? {} : { hkdf }),
    ...(contextId === undefined ? {} : { idContext: contextId }),
  });
  return new OscoreSession(bench, line, context);
}

/** What of a token is not the usual. */
export interface TokenInit {
  readonly material?: Material;
  readonly claims?: Partial<ClaimsSet>;
}

export interface Established {
  readonly session: OscoreSession;
  readonly material: Material;
  readonly token: Uint8Array;
  readonly agreed: Agreed;
}

/** Issue a token to ourselves, upload it, and derive the context. @throws {Nonconformity} */
export async function establish(bench: Bench, init: TokenInit = {}): Promise<Established> {
  const { material = freshMaterial(bench), claims = {} } = init;
  const token = mint(bench, { ...goodClaims(bench, { osc: materialMap(material) }), ...claims });
  const line = await bench.udp();
  const agreed = await uploadToken(bench, new PlainChannel(bench, line), token);
  return { session: deriveSession(bench, line, material, agreed), material, token, agreed };
}
