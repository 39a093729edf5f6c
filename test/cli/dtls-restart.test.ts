import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { sendHttp } from '../gateway/support.ts';
import { pause, until } from '../support/wait.ts';
import { GatewayProcess } from './gateway-process.ts';
import { edit, Lab } from './lab.ts';

const ends = [
  { name: 'SIGTERM, and a client that runs on notices nothing', keep: true, kill: false },
  { name: 'kill -9, and the client shakes hands again once a request went unanswered', keep: true, kill: true },
  { name: 'SIGTERM with keep_sessions: false, and the client is told, and shakes hands again', keep: false, kill: false },
] as const;

for (const profile of ['dtls-psk', 'dtls-rpk'] as const)
  test(`${profile}: an RS ends`, async (t) => {
    const lab = await Lab.start(
      ({ folder }) => appendFileSync(join(folder, 'client.yaml'), '\ntransmission: { ack_timeout: 0.5, max_retransmit: 2 }\n'),
      profile,
    );
    t.after(() => lab.end());
    for (const { name, keep, kill } of ends)
      await t.test(`by ${name}`, async () => {
        if (!keep) {
          const rs = join(lab.folder, 'rs.yaml');
          if (profile === 'dtls-rpk') edit(rs, '\ndtls: { ', '\ndtls: { keep_sessions: false, ');
          else edit(rs, '\npublic: []', '\ndtls: { keep_sessions: false }\npublic: []');
          await lab.rs.stop();
          await lab.rs.start();
        }
        const before = lab.rs.log().length;
        const told = (): readonly Readonly<Record<string, unknown>>[] => lab.rs.log().slice(before);
        const opened = (): number => told().filter(({ msg, state }) => msg === 'session' && state === 'opened').length;
        // A client in a process of its own that goes on.
        const gateway = await GatewayProcess.start('http', '--no-cache', '--reverse', `/rs=${lab.uri('')}`, '--config', lab.folder);
        const get = async (): Promise<number> => (await sendHttp(gateway.port, '/rs/temperature')).status;
        try {
          assert.equal(await get(), 200);
          assert.equal(opened(), 1);
          if (kill) await lab.rs.kill();
          else await lab.rs.stop('SIGTERM');
          await lab.rs.start();
          let status = await get();
          for (const end = Date.now() + 40_000; status !== 200 && Date.now() < end; status = await get()) await pause(100);
          assert.equal(status, 200);
          assert.equal(await get(), 200);
          const taken = told().flatMap(({ msg, taken, refused }) => (msg === 'sessions-taken' ? [[taken, refused]] : []));
          assert.deepEqual(taken, keep && !kill ? [[2, 0]] : []);
          await until(() => opened() === 2);
          // RFC 7252 §4.2: with nobody to say that the session is lost, a request has to go unanswered first.
          assert.equal(gateway.log().filter(({ msg }) => msg === 'failed').length > 0, kill);
        } finally {
          await gateway.stop();
        }
      });
  });
