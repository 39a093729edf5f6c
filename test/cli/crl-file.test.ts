import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crlOf, crlPath, serveCrl } from '../../src/cli/seal/https/crl.ts';
import { utf8 } from '../../src/core/bytes.ts';
import { systemEnv } from '../../src/core/env.ts';
import { crlsOfPem } from '../../src/core/pem.ts';
import { LabAuthority } from '../../src/pki/index.ts';

test('RFC 2585 4.2: the list of a file is served as it is', async () => {
  const pem = await (await LabAuthority.make('lab', systemEnv)).crl();
  const list = await crlOf(utf8(`# in force\n${pem}`));
  const server = await serveCrl({ address: '127.0.0.1', port: 0 }, () => list);
  try {
    const response = await fetch(`http://127.0.0.1:${server.port}${crlPath}`);
    assert.equal(response.headers.get('content-type'), 'application/pkix-crl');
    assert.deepEqual(new Uint8Array(await response.arrayBuffer()), crlsOfPem(pem)[0]);
  } finally {
    await server.close();
  }
});

test('a file whose list was cut off or is none is refused when it is read, and not when somebody asks for it', async () => {
  const pem = await (await LabAuthority.make('lab', systemEnv)).crl();
  const other = pem.replace(/\nM../, '\nAAA');
  for (const text of ['-----BEGIN X509 CRL-----\n-----END X509 CRL-----\n', pem.slice(0, -20), other, ''])
    await assert.rejects(crlOf(utf8(text)), { code: 'ERR_PKI_CRL' });
});
