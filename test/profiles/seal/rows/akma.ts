import assert from 'node:assert/strict';
import { akmaHint, deriveAnchorKey, deriveApplicationKey, deriveATid, Msgin5gClient, type Msgin5gClientOptions } from '../../../../profiles/seal/akma/index.ts';
import { Code } from '../../../../src/coap/index.ts';
import { toHex, utf8 } from '../../../../src/core/bytes.ts';
import { type AkmaLab, afId, anchorOfSubscriber, anna, bert, homeNetwork, inAkmaLab, inOscoreLab, inSocketLab, kAusf, uri } from '../akma/lab.ts';
import { inTlsLab } from '../akma/tls-lab.ts';
import type { Rows } from './lab.ts';

const refused = { code: 'ERR_AKMA_REFUSED' };

/** Annex Y.2: authentication is based on AKMA. */
async function authentication(): Promise<void> {
  await inAkmaLab({}, async (lab) => {
    const anchor = await lab.authenticate(anna);
    lab.associations.set(anna.supi, ['anna-meter']);
    const { expiresIn } = await lab.finish(lab.client(anchor, 'anna-meter').register());
    assert.equal(expiresIn, 3599);
    assert.equal(lab.msgin5g.registrationOf('anna-meter')?.aKid, anchor.aKid);
    // Who names Anna's key and has it not.
    const impostor = { aKid: anchor.aKid, kAkma: new Uint8Array(32).fill(1) };
    await assert.rejects(lab.finish(lab.client(impostor, 'anna-meter').register()), { name: 'DtlsError' });
    // Who names a key that the network does not know.
    await assert.rejects(lab.finish(lab.client(anchorOfSubscriber(bert), 'anna-meter').register()), { name: 'DtlsError' });
    const plain = await lab.finish(lab.plain()('coap://10.0.0.2/msgin5g', { method: 'POST', contentFormat: 50 }));
    assert.equal(plain.codeText, '4.01');
    assert.deepEqual(lab.refusals(), ['no-akma']);
    assert.equal(lab.msgin5g.stats()['registrations'], 1);
  });
}

/** Annex Y.2, TS 33.535 6.1: K_AKMA and A-KID come first. */
async function precondition(): Promise<void> {
  const supi = '001010000000001';
  const example = { fqdn: 'msgin5g.example.com', protocol: Uint8Array.of(1, 0, 0, 0, 7) };
  const kAkma = deriveAnchorKey(kAusf, supi);
  assert.equal(toHex(kAkma), 'bba5e95f1205d4f1c217b91e08ec3509ad62cfbf43f474c6bf495da83132c95e');
  assert.equal(toHex(deriveATid(kAusf, `imsi-${supi}`)), '67d8dee47b7d74e6f457b7b23d5806746ed87b920aa8035f37b494c1bfc5d83b');
  assert.equal(toHex(deriveApplicationKey(kAkma, example)), '23bef238a002c758f42845fe1422dde4a9f287016074128f5c5101bcb28b9adb');
  assert.ok(anchorOfSubscriber(anna).aKid.endsWith(`@${homeNetwork}`));
  await inAkmaLab({}, async (lab) => {
    lab.associations.set(anna.supi, ['anna-meter']);
    await assert.rejects(lab.finish(lab.client(undefined, 'anna-meter').register()), { code: 'ERR_AKMA_NO_KEY' });
    await assert.rejects(lab.finish(lab.channel(undefined)(uri)), { code: 'ERR_AKMA_NO_KEY' });
    assert.deepEqual(lab.simulator.wire, []);
  });
}

/** Annex Y.2, TS 33.535 Annex B: K_AF is the PSK of DTLS, and the server the AF. */
async function dtlsWithApplicationKey(): Promise<void> {
  await inSocketLab(async (lab) => {
    const anchor = anchorOfSubscriber(anna);
    const register = (kAkma: Uint8Array): Promise<unknown> => lab.asUe({ ...anchor, kAkma }, 'meter', (client) => client.register());
    lab.associations.set(anna.supi, ['meter']);
    await lab.aanf.registerAnchorKey({ ...anchor, supi: anna.supi });
    await register(anchor.kAkma);
    // The hint of an AKMA function, and the identity of the UE.
    const clear = lab.wire.map(({ datagram }) => toHex(datagram));
    assert.ok(clear.some((datagram) => datagram.includes(toHex(akmaHint))));
    assert.ok(clear.some((datagram) => datagram.includes(toHex(utf8(`3GPP-AKMA;${anchor.aKid}`)))));
    await register(anchor.kAkma);
    assert.deepEqual(lab.states, ['key-fetched']);
    await assert.rejects(register(new Uint8Array(32)), { name: 'DtlsError' });
    // An expired K_AF is fetched again, and one that the AAnF does not know any more lets nobody in.
    lab.ahead = 101;
    await register(anchor.kAkma);
    assert.deepEqual(lab.states, ['key-fetched', 'key-fetched']);
    lab.ahead = 202;
    await lab.aanf.removeContext(anna.supi);
    await assert.rejects(register(anchor.kAkma), { name: 'DtlsError' });
    assert.deepEqual(lab.states, ['key-fetched', 'key-fetched', 'key-unknown']);
    assert.equal(lab.keys.stats()['keys'], 0);
  });
}

/** Annex Y.2, TS 33.535 Annex B: K_AF is the PSK of TLS. */
async function tlsWithApplicationKey(): Promise<void> {
  await inTlsLab('TLS_AES_128_GCM_SHA256', async (lab) => {
    const anchor = anchorOfSubscriber(anna);
    const register = (kAkma: Uint8Array): Promise<unknown> => lab.asUe({ ...anchor, kAkma }, (client) => client.register());
    lab.associations.set(anna.supi, ['meter']);
    await lab.aanf.registerAnchorKey({ ...anchor, supi: anna.supi });
    await register(anchor.kAkma);
    await assert.rejects(register(new Uint8Array(32)), { name: 'CoapError' });
    assert.ok(lab.sees(`3GPP-AKMA;${anchor.aKid}`));
    lab.pass(101);
    await lab.aanf.removeContext(anna.supi);
    await assert.rejects(register(anchor.kAkma), { name: 'CoapError' });
    assert.deepEqual(lab.states, ['key-fetched', 'key-unknown']);
  });
}

/** Annex Y.2: the UE service ID of a registration is one that is associated with the UE. */
async function authorization(): Promise<void> {
  await inAkmaLab({}, async (lab) => {
    const [annas, berts] = [await lab.authenticate(anna), await lab.authenticate(bert)];
    lab.associations.set(anna.supi, ['anna-meter', 'anna-lamp']).set(bert.supi, ['bert-meter']);
    const atAnna = lab.client(annas, 'anna-meter');
    await lab.finish(atAnna.register({ segmentSize: 1000 }));
    assert.deepEqual(lab.msgin5g.registrationOf('anna-meter')?.clientProfile, { segmentSize: 1000 });
    for (const format of [50, 60] as const) {
      await assert.rejects(lab.finish(lab.client(berts, 'anna-meter', format).register()), { ...refused, message: /4\.03/ });
      await assert.rejects(lab.finish(lab.client(berts, 'anna-lamp', format).register()), { ...refused, message: /4\.03/ });
    }
    assert.equal(lab.msgin5g.registrationOf('anna-meter')?.ueId, anna.supi);
    assert.equal(lab.msgin5g.registrationOf('anna-lamp'), undefined);
    await assert.rejects(lab.finish(lab.client(berts, 'anna-meter').deregister()), { ...refused, message: /4\.04/ });
    await lab.finish(atAnna.deregister());
    assert.equal(lab.msgin5g.registrationOf('anna-meter'), undefined);
    assert.deepEqual(lab.refusals(), [...Array(4).fill('other-service-id'), 'not-registered']);
  });
}

/** Annex Y.2: the association is fetched by the UE ID that the AAnF returned. */
async function association(): Promise<void> {
  await inAkmaLab({}, async (lab) => {
    const anchor = await lab.authenticate(anna);
    const client = lab.client(anchor, 'anna-meter');
    await assert.rejects(lab.finish(client.register()), { ...refused, message: /4\.03/ });
    lab.associations.set(anna.supi, ['other']);
    await assert.rejects(lab.finish(client.register()), { ...refused, message: /4\.03/ });
    lab.associations.set(anna.supi, ['anna-meter']);
    await lab.finish(client.register());
    // What was good at the last registration is asked for again.
    lab.associations.delete(anna.supi);
    await assert.rejects(lab.finish(client.register()), { ...refused, message: /4\.03/ });
    lab.configurationFails = Code.InternalServerError;
    await assert.rejects(lab.finish(client.register()), { ...refused, message: /5\.03/ });
    assert.deepEqual(lab.refusals(), ['no-association', 'other-service-id', 'no-association', 'configuration']);
    assert.deepEqual(lab.asked, { aanf: 1, configuration: 5 });
  });
  // An AAnF that hides the SUPI tells the GPSI.
  await inAkmaLab({ aanf: { hidesSupi: true } }, async (lab) => {
    const anchor = await lab.authenticate(anna);
    lab.associations.set(anna.supi, ['by-supi']).set(anna.gpsi!, ['by-gpsi']);
    await assert.rejects(lab.finish(lab.client(anchor, 'by-supi').register()), refused);
    await lab.finish(lab.client(anchor, 'by-gpsi').register());
    await assert.rejects(lab.finish(lab.client(await lab.authenticate(bert), 'by-gpsi').register()), refused);
    assert.deepEqual(lab.refusals(), ['other-service-id', 'no-ue-id']);
  });
}

/** Annex Y.2: other Ua* methods; here OSCORE (TS 33.535, Annex D). */
async function oscoreWithApplicationKey(): Promise<void> {
  await inOscoreLab({ lifetime: 1000 }, async (lab) => {
    const [annas, berts] = [anchorOfSubscriber(anna), anchorOfSubscriber(bert)];
    await lab.aanf.registerAnchorKey({ ...annas, supi: anna.supi });
    lab.associations.set(anna.supi, ['anna-meter']);
    const ue = lab.ue(annas);
    const clientOver = (request: Msgin5gClientOptions['request']): Msgin5gClient =>
      new Msgin5gClient({ request, uri: 'coap://10.0.0.2/msgin5g', anchor: () => annas, ueServiceId: 'anna-meter' });
    // Twice: the second context takes the place of the first.
    for (let i = 0; i < 2; i++) {
      const context = await lab.finish(ue.establish({ aead: 30 }));
      await lab.finish(clientOver(ue.request(context)).register());
      assert.deepEqual([lab.bootstrap.stats()['active'], lab.bootstrap.stats()['pending']], [1, 0]);
    }
    assert.equal(lab.msgin5g.registrationOf('anna-meter')?.aKid, annas.aKid);
    await assert.rejects(lab.finish(clientOver(ue.request()).register()), { ...refused, message: /4\.01/ });
    // A-KID of another with a key of one's own; an A-KID that nobody has; none.
    const impostor = lab.ue({ aKid: annas.aKid, kAkma: berts.kAkma });
    const useless = await lab.finish(impostor.establish());
    await assert.rejects(lab.finish(clientOver(impostor.request(useless)).register()));
    await assert.rejects(lab.finish(lab.ue(berts).establish()), { ...refused, message: /4\.01/ });
    const sent = lab.simulator.wire.length;
    await assert.rejects(lab.finish(lab.ue(undefined).establish()), { code: 'ERR_AKMA_NO_KEY' });
    assert.equal(lab.simulator.wire.length, sent);
    // A context ends with its K_AF, and those that nobody used with their time.
    await lab.simulator.sleep(1_000_000);
    assert.deepEqual([lab.bootstrap.stats()['active'], lab.bootstrap.stats()['pending']], [0, 0]);
  });
}

/** Annex Y.3: what K_AF protects on MSGin5G-1. */
async function protection(): Promise<void> {
  await inSocketLab(async (lab) => {
    const anchor = anchorOfSubscriber(anna);
    lab.associations.set(anna.supi, ['anna-meter']);
    await lab.aanf.registerAnchorKey({ ...anchor, supi: anna.supi });
    await lab.asUe(anchor, 'anna-meter', (client) => client.register());
    assert.equal(lab.msgin5g.stats()['registrations'], 1);
    const wire = lab.wire.map(({ datagram }) => toHex(datagram));
    for (const secret of [utf8('anna-meter'), utf8('msgin5g'), anchor.kAkma, deriveApplicationKey(anchor.kAkma, afId)])
      assert.ok(wire.every((datagram) => !datagram.includes(toHex(secret))));
  });
  await inAkmaLab({}, alteredAndReplayed);
  await inTlsLab('TLS_AES_128_GCM_SHA256', async (lab) => {
    const anchor = anchorOfSubscriber(anna);
    lab.associations.set(anna.supi, ['meter']);
    await lab.aanf.registerAnchorKey({ ...anchor, supi: anna.supi });
    await lab.asUe(anchor, (client) => client.register());
    assert.ok(lab.sees(anchor.aKid) && !lab.sees('meter') && !lab.sees('messageType'));
  });
}

/** Each record of the channel comes altered before it comes as it is, and later once more. */
async function alteredAndReplayed(lab: AkmaLab): Promise<void> {
  const anchor = await lab.authenticate(anna);
  lab.associations.set(anna.supi, ['anna-meter']);
  const applicationData = 23;
  const isRecord = ({ to, datagram }: { readonly to: string; readonly datagram: Uint8Array }): boolean =>
    to === '10.0.0.2:5684' && datagram[0] === applicationData;
  let flips = 0;
  lab.simulator.filter = (packet) => {
    if (isRecord(packet)) {
      const changed = packet.datagram.slice();
      changed[changed.length - 1 - (flips++ % 8)]! ^= 1;
      lab.simulator.inject(changed, packet.from, packet.to);
    }
    return true;
  };
  const client = lab.client(anchor, 'anna-meter');
  await lab.finish(client.register());
  const records = lab.simulator.wire.filter(isRecord);
  assert.ok(flips > 0 && records.length === 2 * flips);
  assert.equal(lab.asked.configuration, 1);
  await lab.finish(client.deregister());
  for (const { datagram, from, to } of records) lab.simulator.inject(datagram, from, to);
  await lab.simulator.sleep(1000);
  assert.equal(lab.asked.configuration, 1);
  assert.equal(lab.msgin5g.stats()['registrations'], 0);
}

export const rows: Rows = {
  'R-500': authentication,
  'R-501': precondition,
  'R-502': async () => {
    await dtlsWithApplicationKey();
    await tlsWithApplicationKey();
  },
  'R-503': oscoreWithApplicationKey,
  'R-504': authorization,
  'R-505': association,
  'R-506': protection,
};
