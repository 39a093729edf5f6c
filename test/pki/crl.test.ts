import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromUtf8 } from '../../src/core/bytes.ts';
import { systemEnv } from '../../src/core/env.ts';
import { crlsOfPem } from '../../src/core/pem.ts';
import { type CertificateInit, type IssuedCertificate, LabAuthority } from '../../src/pki/index.ts';
import { fetchHttps, serveHttps } from '../../src/transport/index.ts';

const authority = await LabAuthority.make('lab', systemEnv);
const issue = (commonName: string, ...usage: CertificateInit['usage']): Promise<IssuedCertificate> =>
  authority.issue({ commonName, names: [{ type: 'ip', value: '127.0.0.1' }], usage });
const [server, good, revoked] = await Promise.all([issue('server', 'server'), issue('good', 'client'), issue('revoked', 'client')]);

test('RFC 5280, Section 6.3: a certificate that is on the list of its authority is refused, from the next connection on', async () => {
  const reasons: string[] = [];
  const listener = await serveHttps(
    { ...server, clientCa: authority.cert, crl: await authority.crl(), refused: (_from, reason) => void reasons.push(reason) },
    (_request, response) => void response.end('ok'),
  );
  const ask = async (client: IssuedCertificate): Promise<string> =>
    fromUtf8((await fetchHttps(`https://127.0.0.1:${listener.port}/`, { ca: authority.cert, ...client })).body);
  try {
    assert.deepEqual([await ask(good), await ask(revoked)], ['ok', 'ok']);
    listener.renew({ ...server, clientCa: authority.cert, crl: await authority.crl([revoked.cert], 2) });
    assert.equal(await ask(good), 'ok');
    await assert.rejects(ask(revoked), { code: 'ERR_TRANSPORT_HTTPS' });
    assert.deepEqual(reasons, ['CERT_REVOKED']);
    const late = await LabAuthority.make('lab', { ...systemEnv, epoch: () => systemEnv.epoch() - 2 * 365 * 86_400 });
    listener.renew({ ...server, clientCa: authority.cert, crl: await late.crl() });
    await assert.rejects(ask(good), { code: 'ERR_TRANSPORT_HTTPS' });
    assert.match(reasons[1]!, /CRL/);
  } finally {
    await listener.close();
  }
});

test('RFC 7468, Section 6: lists in PEM, in their order', async () => {
  const lists = [await authority.crl(), await authority.crl([revoked.cert])];
  const [first, second, ...more] = crlsOfPem(`text\n${lists[0]}${authority.cert}${lists[1]}`);
  assert.deepEqual(more, []);
  assert.ok(second!.length > first!.length);
  assert.deepEqual(crlsOfPem(authority.cert), []);
});
