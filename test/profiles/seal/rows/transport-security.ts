import assert from 'node:assert/strict';
import { verifyPath } from '../../../../src/dtls/certification-path.ts';
import { suitesOf } from '../../../../src/dtls/cipher-suites.ts';
import { certificatesOf } from '../../../../src/dtls/credentials.ts';
import { decodeU16s, ExtensionType } from '../../../../src/dtls/extensions.ts';
import { decodeFragments, HandshakeType } from '../../../../src/dtls/handshake.ts';
import type { ClientConfig, DtlsServerConfig } from '../../../../src/dtls/index.ts';
import { type ClientHello, decodeClientHello, decodeServerHello } from '../../../../src/dtls/messages.ts';
import { decodeRecords } from '../../../../src/dtls/record.ts';
import { certificate, own } from '../../../dtls/certificates.ts';
import { ClientParty, clientKey, identity, psk, ServerParty, serverKey } from '../../../dtls/parties.ts';
import { Simulator } from '../../../support/simulator.ts';
import type { Rows } from './lab.ts';

const roots = [certificate('root')];
const trust = { roots, host: 'server.example' };
const strictServer: DtlsServerConfig = {
  suites: 'seal-strict',
  psk: {},
  certificate: { own: own('server') },
  rawPublicKey: { own: serverKey, client: 'request' },
};
const ofPsk: ClientConfig = { psk: { identity, key: psk } };
const everything: ClientConfig = { ...ofPsk, rawPublicKey: { own: clientKey }, certificate: trust };

interface Outcome {
  /** The alert that ended the handshake at the server; `undefined`: both are connected. */
  readonly alert: string | undefined;
  readonly hello: ClientHello;
  readonly sim: Simulator;
}

/** A handshake with each ClientHello changed on its way by `meddle`, given the datagram. */
async function shake(client: ClientConfig, server: DtlsServerConfig, meddle?: (datagram: Uint8Array) => void): Promise<Outcome> {
  const sim = new Simulator();
  const ends = { server: new ServerParty(sim, server), client: new ClientParty(sim, { retransmission: { maxRetransmissions: 0 }, ...client }) };
  ends.client.onEvent = (event) => {
    if (event.type === 'peer-certificate') ends.client.connection.acceptPeer();
  };
  if (meddle !== undefined) {
    sim.filter = ({ datagram, from, to }) => {
      if (from !== ends.client.address || messagesOf(datagram)[0]?.type !== HandshakeType.client_hello) return true;
      const changed = datagram.slice();
      meddle(changed);
      sim.inject(changed, from, to);
      return false;
    };
  }
  ends.client.connection.start();
  await sim.run(() => ends.client.connection.isConnected || ends.client.connection.isClosed, 300_000);
  const hello = decodeClientHello(messagesOf(sim.wire[0]!.datagram)[0]!.bytes);
  const alert = ends.client.connection.isConnected ? undefined : (ends.server.error?.message ?? ends.client.error?.message ?? 'none');
  await Promise.all([ends.client.close(), ends.server.close()]);
  return { alert, hello, sim };
}

function messagesOf(datagram: Uint8Array): NonNullable<ReturnType<typeof decodeFragments>> {
  return decodeRecords(datagram)
    .records.filter(({ type, epoch }) => type === 22 && epoch === 0)
    .flatMap(({ fragment }) => decodeFragments(fragment) ?? []);
}

function namesOf(hello: ClientHello): string[] {
  return suitesOf('default')
    .filter(({ id }) => hello.suites.includes(id))
    .map(({ name }) => name);
}

/** Where client_version stands in a ClientHello that is alone in its datagram: behind the headers of record and handshake. */
const versionAt = 13 + 12;

/** TS 33.210, 6.2, and TS 33.310, 6.1, as far as DTLS 1.2 goes. */
async function profileOfDtls(): Promise<void> {
  const { alert, hello, sim } = await shake({ ...everything, suites: 'seal-strict' }, strictServer);
  assert.equal(alert, undefined);
  // Forward secrecy, AEAD with whole tags.
  assert.deepEqual(namesOf(hello), [
    'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
    'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
    'TLS_ECDHE_ECDSA_WITH_AES_128_CCM',
    'TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256',
  ]);
  assert.equal(hello.version, 0xfefd);
  assert.deepEqual([...hello.compressions], [0]);
  const schemes = decodeU16s(hello.extensions.get(ExtensionType.signature_algorithms)!);
  // 0x02.. is SHA-1, 0x01.. is MD5.
  assert.ok(schemes.length > 0 && schemes.every((scheme) => scheme >>> 8 >= 4));
  const answer = sim.wire.flatMap(({ datagram }) => messagesOf(datagram)).find(({ type }) => type === HandshakeType.server_hello)!;
  const { extensions } = decodeServerHello(answer.bytes);
  for (const extension of [ExtensionType.extended_master_secret, ExtensionType.renegotiation_info]) {
    assert.ok(extensions.has(extension), `expected extension ${extension} in the ServerHello`);
  }
  assert.ok(hello.extensions.has(ExtensionType.extended_master_secret));
  assert.ok(hello.extensions.has(ExtensionType.renegotiation_info) || hello.suites.includes(0x00ff));

  const others = suitesOf('default').filter(({ name }) => !suitesOf('seal-strict').some((strict) => strict.name === name));
  for (const { name } of others) assert.match((await shake({ ...everything, suites: [name] }, strictServer)).alert ?? 'connected', /handshake_failure/, name);
  for (const { name } of suitesOf('seal-strict')) assert.equal((await shake({ ...everything, suites: [name] }, strictServer)).alert, undefined, name);

  const old = await shake({ ...ofPsk, suites: 'seal-strict' }, strictServer, (datagram) => datagram.set([0xfe, 0xff], versionAt));
  assert.match(old.alert ?? 'connected', /protocol_version/);

  // TS 33.310, 6.1.1: nobody shows a certificate that is signed with SHA-1, and nobody takes one.
  const serverWith = (name: string): DtlsServerConfig => ({ suites: 'seal-strict', certificate: { own: own(name) } });
  assert.equal((await shake({ suites: 'seal-strict', certificate: trust }, serverWith('server'))).alert, undefined);
  await assert.rejects(shake(ofPsk, serverWith('sha1')), { code: 'ERR_DTLS_CONFIG', message: /SHA-256/ });
  const rules = { of: 'server', host: trust.host, epoch: 1_700_000_000 } as const;
  verifyPath([certificate('server')], certificatesOf('roots', roots), rules);
  assert.throws(() => verifyPath([certificate('sha1')], certificatesOf('roots', roots), rules), { alert: 'unsupported_certificate' });
}

export const rows: Rows = { 'R-019': profileOfDtls };
