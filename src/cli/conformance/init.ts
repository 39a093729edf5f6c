import { sayMade } from '../made.ts';
import { writeOutput } from '../output-file.ts';

/** The file that `ace-coap conformance init` makes. */
export const targetYaml = `# What "ace-coap conformance --target" checks. Remove what the target does not have; what is not said is not checked.

# Where it is.
coap: coap://127.0.0.1:5683
# coaps: coaps://127.0.0.1:5684
# tcp: coap+tcp://127.0.0.1:5683

# Resources, by what can be done with them: paths, with a query if need be.
resources:
  get: /.well-known/core # GET gives 2.05 and a payload that fits into one message
# put: /led              # PUT of a short text gives 2.01 or 2.04, and GET what was put
# observe: /time         # GET with Observe registers (RFC 7641)
# change: /time          # a PUT of a short text here changes what is observed; leave it out if that changes by itself
# large: /large          # GET gives more than 64 bytes (RFC 7959)
# large_put: /large      # PUT of some 200 bytes in blocks gives 2.01 or 2.04
# separate: /separate    # GET is acknowledged first and answered later
# etag: /etag            # GET gives an ETag
# fetch: { path: /config, payload: '["a"]', content_format: 50 }   # requests that succeed (RFC 8132); payload_hex for bytes
# patch: { path: /config, payload: '{"a":1}', content_format: 50 }
# ipatch: { path: /config, payload: '{"a":1}', content_format: 50 }

# Extensions that it has and that nobody can see from outside: Request-Tag (RFC 9175), No-Response (RFC 7967).
# features: [request_tag, no_response]

# How the checker proves itself over coaps: by a pre-shared key, or by raw public keys (COSE_Key in hexadecimal).
# dtls: { psk_identity: device1, psk_file: keys/device1.key }
# dtls: { peer_key_file: keys/target.pub }
# own: { key_file: keys/checker.key }

# OSCORE contexts that the checker shares with the target, seen from the checker: the target has the identifiers exchanged. Which sequence numbers are used is
# kept in a store, state/oscore beside this file unless "store: FOLDER" stands here: never go back to an older copy of it, and give the checker contexts of its own.
# oscore:
#   contexts:
#     - { master_secret_file: keys/oscore.key, sender_id: "01", recipient_id: "02" }
#   first_sequence: 0        # where numbers begin at the earliest; absent: at one that grows with the time of day
#   resources: { get: /secret }

# A resource server that takes tokens of this key: the checker issues them itself.
# rs:
#   audience: rs1
#   scope: r_temp
#   token_key: { use: encrypt0, alg: AES-CCM-16-64-128, key_file: keys/as-rs1-token.key, kid: "01" }
#   profile: coap_oscore     # or coap_dtls
#   allowed: /temperature    # the scope permits GET of it
#   observe: /temperature    # the scope permits to observe it
#   forbidden: /led          # the scope does not permit GET of it
#   other_scope: r_led       # a scope that does, and does not permit GET of what is allowed
#   raw_public_key_file: keys/rs1.pub   # its raw public key, for coap_dtls

# An authorization server where the checker is a client.
# as:
#   token: coap://127.0.0.1:5783/token
#   introspect: coap://127.0.0.1:5783/introspect
#   trl: coap://127.0.0.1:5783/revoke/trl
#   audience: rs1
#   scope: r_temp
#   forbidden_scope: r_led   # a scope that the audience has, and the client may not have
#   token_key: { use: encrypt0, alg: AES-CCM-16-64-128, key_file: keys/as-rs1-token.key, kid: "01" } # to read the tokens
#   oscore: { master_secret_file: keys/client1-as.key, sender_id: "01", recipient_id: "02" }
`;

/** `ace-coap conformance init` */
export function initTargetCommand(file: string, { json }: { readonly json?: boolean }): void {
  writeOutput(file, targetYaml, { isNew: true, isSecret: true });
  sayMade([file], `Next, when it says what the target is:\n  ace-coap conformance --target ${file}`, json);
}
