import { createCipheriv, createDecipheriv, createSecretKey } from 'node:crypto';
import { findOption, Method, OptionNumber, pathOptions, type Request } from '../src/coap/index.ts';
import { decodeOscoreOption, deriveContext, protectRequest, unprotectRequest } from '../src/oscore/index.ts';
import type { Way } from './in-process.ts';
import { firstSequence, oscoreKeys, otherSide } from './requests.ts';

type Pair = readonly [Way, Way];

const tagLength = 8;
const nonceLength = 13;
/** Code, Uri-Path and marker of what is protected. */
const head = 14;

/** One request with 32 bytes of payload, from message to message; then the bare operation of node:crypto over as many bytes, with nothing around it. */
export function oscoreWays(): { readonly protect: Pair; readonly unprotect: Pair } {
  const client = deriveContext(oscoreKeys(0));
  const server = deriveContext(otherSide(oscoreKeys(0)));
  const payload = new Uint8Array(32).fill(0x5a);
  const peer = { key: '', address: '127.0.0.1', port: 5683 };
  const request: Request = { code: Method.PUT, options: pathOptions(['temperature']), payload, peer };
  const { message } = protectRequest(request, client, firstSequence);
  const option = findOption(message.options, OptionNumber.Oscore)!;
  const opened = unprotectRequest(message, decodeOscoreOption(option.value), server).request;
  if (opened.code !== Method.PUT || Buffer.compare(opened.payload, payload) !== 0) throw new Error(`expected the request, got ${opened.code}`);
  const plaintextLength = head + payload.length;
  if (message.payload.length !== plaintextLength + tagLength) throw new Error(`expected ${plaintextLength} bytes of plaintext`);

  const key = createSecretKey(new Uint8Array(16).fill(0x33));
  const nonce = new Uint8Array(nonceLength).fill(7);
  const aad = new Uint8Array(20).fill(1);
  const plaintext = new Uint8Array(plaintextLength).fill(0x5a);
  const seal = (): Uint8Array => {
    const cipher = createCipheriv('aes-128-ccm', key, nonce, { authTagLength: tagLength });
    cipher.setAAD(aad, { plaintextLength });
    const encrypted = cipher.update(plaintext);
    cipher.final();
    return Buffer.concat([encrypted, cipher.getAuthTag()]);
  };
  const sealed = seal();
  const ciphertext = sealed.subarray(0, plaintextLength);
  const tag = sealed.subarray(plaintextLength);
  const open = (): Uint8Array => {
    const decipher = createDecipheriv('aes-128-ccm', key, nonce, { authTagLength: tagLength });
    decipher.setAuthTag(tag);
    decipher.setAAD(aad, { plaintextLength });
    const decrypted = decipher.update(ciphertext);
    decipher.final();
    return decrypted;
  };
  if (Buffer.compare(open(), plaintext) !== 0) throw new Error('expected the plaintext of node:crypto');
  let sequence = firstSequence;
  return {
    protect: [
      { name: 'ours', run: () => protectRequest(request, client, sequence++).message },
      { name: 'node:crypto', run: seal },
    ],
    unprotect: [
      { name: 'ours', run: () => unprotectRequest(message, decodeOscoreOption(option.value), server) },
      { name: 'node:crypto', run: open },
    ],
  };
}
