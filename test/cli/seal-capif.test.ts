import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { connect } from 'node:tls';
import { systemEnv } from '../../src/core/env.ts';
import { LabAuthority } from '../../src/pki/index.ts';
import { until } from '../support/wait.ts';

import { edit, type Run, Server } from './lab.ts';
import { runHere } from './run-here.ts';
import { type Running, running } from './running.ts';
import { inFolder, type SealFolder, sealInit } from './seal-folder.ts';

const anchor = JSON.stringify({ valServiceId: 'v2x', location: { lat: 48.86, lon: 2.34 } });

describe('ace-coap seal capif: what seal init makes', () => {
  const parent = mkdtempSync(join(tmpdir(), 'ace-coap-capif-'));
  let folder: SealFolder;
  let core: Running;
  let rs: Server;

  before(async () => {
    folder = await sealInit(join(parent, 'lab'));
    core = await running(['seal', 'capif', 'core', folder.path]);
    rs = new Server('rs', folder.path);
    await rs.start();
  });
  after(async () => {
    await rs.stop();
    rmSync(parent, { recursive: true, force: true });
  });

  const uri = (path: string): string => `https://127.0.0.1:${folder.ports.capif}${path}`;
  const invoke = async (code: number, path: string, ...words: readonly string[]): Promise<Run> => {
    const run = await runHere(['seal', 'capif', 'invoke', uri(path), '--aef', 'seal1', '--config', folder.path, ...words]);
    assert.equal(run.code, code, run.stdout + run.stderr);
    return run;
  };
  const anchors = ['--api', 'spatial-anchors'];

  test('the core function says that it is a simulator, and where it listens', () => {
    assert.match(core.stderr, /this is a simulator of a CAPIF core function/);
    assert.match(core.stdout, /^CAPIF listens on https:\/\/127\.0\.0\.1:/);
  });

  test('method 2 (PKI) and method 3 (OAUTH), for people and as JSON', async () => {
    const oauth = await invoke(0, '/su-san/v1/anchors', ...anchors);
    assert.deepEqual(JSON.parse(oauth.stdout), { anchors: [] });
    assert.match(oauth.stderr, /method 3 \(OAUTH\).*3gpp#seal1:spatial-anchors\n200/);
    const all = JSON.parse((await invoke(0, '/su-san/v1/anchors', ...anchors, '--json')).stdout);
    assert.deepEqual([all.api_invoker_id, all.security_method, all.status, all.body], ['val1', 'OAUTH', 200, { anchors: [] }]);
    assert.deepEqual(all.security_info, [{ aefId: 'seal1', prefSecurityMethods: ['OAUTH', 'PKI'], selSecurityMethod: 'OAUTH' }]);
    assert.deepEqual([all.token_claims.client_id, all.token_claims.scope], ['val1', '3gpp#seal1:spatial-anchors']);
    // The AEF has the context of before, and asks for it anew.
    const pki = JSON.parse((await invoke(0, '/su-san/v1/anchors', ...anchors, '--security', 'pki', '--json')).stdout);
    assert.deepEqual([pki.security_method, pki.status, pki.token_claims], ['PKI', 200, undefined]);
  });

  test('RNAA: for an owner who agreed, and for nobody else', async () => {
    const made = await invoke(0, '/su-san/v1/anchors', ...anchors, '-X', 'POST', '--data', anchor, '--owner', 'anna@val.example', '--json');
    const { status, headers, token_claims: claims } = JSON.parse(made.stdout);
    assert.deepEqual([status, claims.resOwnerId], [201, 'anna@val.example']);
    const owned = JSON.parse((await invoke(0, headers.location, ...anchors, '--owner', 'anna@val.example')).stdout);
    assert.deepEqual(owned.owner, { valUserId: 'anna@val.example' });
    assert.match((await invoke(1, headers.location, ...anchors)).stdout, /"status": 403/);
    assert.match((await invoke(1, headers.location, ...anchors, '--owner', 'bert@val.example')).stderr, /unauthorized_client.*ERR_CAPIF_REFUSED/);
    const target = `/ss-kir/v1/key-records?val-service-id=v2x&val-tgt-ue=${encodeURIComponent(JSON.stringify({ valUserId: 'anna@val.example' }))}`;
    assert.match((await invoke(1, target, '--api', 'ss-kir')).stdout, /resource owner agreed/);
    // There is no such record: the owner was asked for and has agreed.
    assert.match((await invoke(1, target, '--api', 'ss-kir', '--owner', 'anna@val.example')).stdout, /"status": 404/);
  });

  test('what an API says plays with no terminal, and comes to a program as it is', async () => {
    const tagged = JSON.stringify({ ...JSON.parse(anchor), tags: ['turned\u202e', 'cleared\u009b2J'] });
    const { isTTY } = process.stdout;
    const made = await invoke(0, '/su-san/v1/anchors', ...anchors, '-X', 'POST', '--data', tagged, '--json');
    const { location } = (JSON.parse(made.stdout) as { readonly headers: { readonly location: string } }).headers;
    const say = (): Promise<Run> => invoke(0, location, ...anchors);
    assert.match((await say()).stdout, /turned\u202e[\s\S]*cleared\u009b2J/);
    process.stdout.isTTY = true;
    try {
      const { stdout } = await say();
      assert.match(stdout, /turned\\u\{202e\}[\s\S]*cleared\\u\{9b\}2J/);
      assert.doesNotMatch(stdout, /[\u009b\u202e]/);
    } finally {
      process.stdout.isTTY = isTTY;
    }
  });

  test('what is refused: an API that the invoker has not, and one that is for something else', async () => {
    assert.match((await invoke(1, '/su-san/v1/anchors', '--api', 'spatial-anchors-read')).stderr, /invalid_scope.*ERR_CAPIF_REFUSED/);
    assert.match((await invoke(1, '/su-sm/v1/maps', ...anchors)).stdout, /"cause": "scope"/);
    const { stdout, stderr } = await invoke(1, '/su-san/v1/anchors', ...anchors, '--security', 'PKI', '--owner', 'anna@val.example');
    assert.equal(stdout, '');
    assert.match(stderr, /expected OAUTH, which an owner agrees by, got PKI \(ERR_CAPIF_METHOD\)/);
    assert.match(
      (await runHere(['seal', 'capif', 'invoke', uri('/'), '--aef', 'another', ...anchors, '--config', folder.path])).stderr,
      /expected 201, got 403/,
    );
  });

  test('wrong use: exit code 2', async () => {
    const cases: readonly (readonly [readonly string[], RegExp])[] = [
      [['--security', 'PSK'], /--security: expected PKI, OAUTH or both/],
      [['--security', 'PKI,PKI'], /--security: expected/],
      [['-X', 'BREW'], /--method: expected GET/],
      [['--data', 'a', '--payload-file', 'b'], /expected one of --data and --payload-file, got both/],
      [['--payload-file', join(parent, 'none')], /cannot be read/],
    ];
    for (const [words, expected] of cases) assert.match((await invoke(2, '/', ...anchors, ...words)).stderr, expected);
    const { code, stderr } = await runHere(['seal', 'capif', 'invoke', 'http://127.0.0.1/', '--aef', 'a', ...anchors, '--config', folder.path]);
    assert.deepEqual([code, /uri: expected a URI of https/.test(stderr)], [2, true]);
  });

  test('SIGHUP: rights that went from capif.yaml end at the AEF too', async () => {
    const file = inFolder(folder, 'capif.yaml');
    edit(file, 'seal1: [spatial-anchors, ss-kir]', 'seal1: [ss-kir]');
    core.signal('SIGHUP');
    await until(() => /reloaded/.test(core.stderr));
    assert.match((await invoke(1, '/su-san/v1/anchors', ...anchors)).stderr, /invalid_scope/);
    edit(file, 'seal1: [ss-kir]', 'seal1: [ss-kir], seal2: [x]');
    core.signal('SIGHUP');
    await until(() => /rights\.seal2/.test(core.stderr));
    edit(file, ', seal2: [x]', '');
    await until(() => /"path":"\/aef-security\/v1\/revoke-authorization"/.test(rs.stderr));
  });

  test('SIGHUP: the core function shows a new certificate from the next connection on; a wrong one keeps the old, and what else the file says', async () => {
    const at = (name: string): string => inFolder(folder, 'tls', name);
    const texts = ['capif.pem', 'capif.key'].map((name) => [at(name), readFileSync(at(name))] as const);
    const shown = async (): Promise<string> => {
      const wire = connect({
        port: folder.ports.capifCore,
        host: '127.0.0.1',
        rejectUnauthorized: false,
        cert: readFileSync(at('val1.pem')),
        key: readFileSync(at('val1.key')),
      });
      await once(wire, 'secureConnect');
      const { fingerprint256 } = wire.getPeerCertificate();
      wire.destroy();
      return fingerprint256;
    };
    const hangup = async (told: RegExp): Promise<void> => {
      const before = core.stderr.length;
      core.signal('SIGHUP');
      await until(() => told.test(core.stderr.slice(before)));
    };
    const old = await shown();
    const authority = await LabAuthority.make('another', systemEnv);
    const { cert, key } = await authority.issue({ commonName: 'capif', names: [{ type: 'ip', value: '127.0.0.1' }], usage: ['server', 'client'] });
    writeFileSync(at('capif.pem'), cert);
    edit(inFolder(folder, 'capif.yaml'), 'seal1: [ss-kir]', 'seal1: [spatial-anchors, ss-kir]');
    await hangup(/the configuration stays as it was/);
    assert.match(core.stderr, /"reason":"ERR_TRANSPORT_TLS"/);
    assert.equal(await shown(), old);
    assert.match((await invoke(1, '/su-san/v1/anchors', ...anchors)).stderr, /invalid_scope/);
    writeFileSync(at('capif.key'), key);
    await hangup(/reloaded/);
    assert.equal(await shown(), new X509Certificate(cert).fingerprint256);
    for (const [path, text] of texts) writeFileSync(path, text);
    await hangup(/reloaded/);
    assert.equal(await shown(), old);
    await invoke(0, '/su-san/v1/anchors', ...anchors);
    assert.doesNotMatch(core.stderr, /needs a restart/);
  });

  test('SIGHUP: an AEF takes other invokers while it runs', async () => {
    edit(inFolder(folder, 'rs.yaml'), 'val1: { names: [val1.val.example], services: [v2x] }', 'val1: { names: [another.val.example], services: [v2x] }');
    rs.signal('SIGHUP');
    await until(() => /"msg":"reloaded"/.test(rs.stderr));
    await invoke(1, '/ss-kir/v1/key-records?val-service-id=v2x', '--api', 'ss-kir', '--security', 'PKI');
    await until(() => /"reason":"client"/.test(rs.stderr));
  });

  test('no core function: exit code 3; neither log has a token in it', async () => {
    assert.equal(await core.stop(), 0);
    await invoke(3, '/su-san/v1/anchors', ...anchors);
    for (const log of [core.stderr, rs.stderr]) assert.doesNotMatch(log, /eyJ/);
  });

  test('capif core with a signing key of another kind: exit code 2', async () => {
    edit(inFolder(folder, 'capif.yaml'), 'keys/capif-sign.pem', 'tls/capif.pem');
    const { code, stderr } = await runHere(['seal', 'capif', 'core', folder.path]);
    assert.deepEqual([code, /signing_key_file: .*expected a private key in PEM/.test(stderr)], [2, true]);
  });
});
