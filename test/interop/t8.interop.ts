import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { T8Client } from '../../profiles/seal/https/index.ts';
import { utf8 } from '../../src/core/bytes.ts';
import { systemEnv } from '../../src/core/env.ts';
import { ace, aceExits, type Run } from '../cli/lab.ts';
import { meter, T8Folder } from '../cli/t8-folder.ts';

let folder: T8Folder;
before(async () => {
  folder = await T8Folder.make();
});
after(() => folder.remove());

test('ace-coap seal t8 serve: an SCS/AS is served, and logged without its token', async () => {
  let stop = (): void => {};
  let running: Promise<Run> | undefined;
  const apiRoot = await new Promise<string>((resolve, reject) => {
    running = ace(['seal', 't8', 'serve', folder.path], {
      onOutput: (said, child) => {
        stop = () => void child.kill('SIGTERM');
        const [uri] = /https:\/\/127\.0\.0\.1:\d+(?= )/.exec(said) ?? [];
        if (uri !== undefined) resolve(uri);
      },
    });
    running.then(({ stderr }) => reject(new Error(stderr)), reject);
  });
  let token = '';
  try {
    await aceExits(0, ['seal', 't8', 'device', 'add', meter, 'coap://127.0.0.1:1', '--supi', 'imsi-001010000000001', '--config', folder.path]);
    await aceExits(0, ['seal', 't8', 'allow', 'app1', 'meter*@op.example', '--config', folder.path]);
    const now = Math.floor(systemEnv.epoch());
    token = await folder.tokens.token({ client_id: 'app1', iat: now - 5, exp: now + 60 });
    const client = new T8Client({ apiRoot, scsAsId: 'app1', tls: folder.tls, token: () => token, notificationDestination: 'https://127.0.0.1:1/' });
    assert.equal((await client.trigger({ externalId: meter }, utf8('x'))).status, 201);
    assert.equal((await client.configure({ externalId: 'pump1@op.example' })).status, 403);
    await aceExits(0, ['seal', 't8', 'deny', 'app1', meter, '--config', folder.path]);
    assert.equal((await client.trigger({ externalId: meter }, utf8('x'))).status, 403);
  } finally {
    stop();
  }
  const { code, stderr: log } = await running!;
  assert.equal(code, 0, log);
  assert.match(log, /"permitted":false/);
  assert.ok(!log.includes(token) && !log.includes('00101'));
});
