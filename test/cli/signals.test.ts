import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { until } from '../support/wait.ts';

const script = fileURLToPath(new URL('stubborn.js', import.meta.url));

test('the first signal is heard, a hangup before it too and after it not; the second signal ends the process at once', async () => {
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const ended = once(child, 'exit');
  const expects = async (signal: NodeJS.Signals | undefined, text: string): Promise<void> => {
    if (signal !== undefined) child.kill(signal);
    await until(() => said === text);
  };
  await expects(undefined, 'ready\n');
  await expects('SIGHUP', 'ready\nhangup\n');
  await expects('SIGTERM', 'ready\nhangup\nSIGTERM\n');
  child.kill('SIGHUP');
  child.kill('SIGINT');
  assert.deepEqual(await ended, [null, 'SIGINT']);
  assert.equal(said, 'ready\nhangup\nSIGTERM\n');
});
