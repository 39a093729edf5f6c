/** The URI schemes of CoAP, and the port that each has when none is given (RFC 7252, Section 6; RFC 8323, Section 8). */
export const defaultPorts = { coap: 5683, coaps: 5684, 'coap+tcp': 5683, 'coaps+tcp': 5684, 'coap+ws': 80, 'coaps+ws': 443 } as const;
/** A scheme of CoAP: RFC 7252, Section 6, and RFC 8323, Section 8. */
export type UriScheme = keyof typeof defaultPorts;

export function isUriScheme(text: string): text is UriScheme {
  return Object.hasOwn(defaultPorts, text);
}

/** Whether DTLS or TLS protects what the scheme names. */
export function isSecure(scheme: UriScheme): boolean {
  return scheme.startsWith('coaps');
}
